package registrar

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A Store keeps what the server promised, so that it is there after a restart. The server
// makes one call at a time and waits for it: a binding is kept before its 200 leaves.
// Without a store all is in memory. It is its maker's to close, after the server.
type Store interface {
	// Load returns all that is kept, ordered by kind and key.
	Load() ([]Record, error)
	// Save makes changes durable before it returns, all of them or none.
	Save(Changes) error
}

// A Record is one thing that is kept. What is in it is the server's business.
type Record struct {
	Kind, Key string    // together they name it
	Expires   time.Time // from then on it need not be kept
	Data      []byte
}

// Changes are what one request changes.
type Changes struct {
	Put    []Record  // new, or in the place of the one of that name
	Delete []Record  // by name; one that is not there is fine
	Now    time.Time // what has run out by now may go too
}

// ErrStore is wrapped by what New returns when a store has something that cannot be taken over.
var ErrStore = errors.New("registrar: store")

// Kinds of records.
const (
	kindBindings     = "bindings"     // of one address of record; the key is its user
	kindMessages     = "messages"     // of SetMessages; the key is the user
	kindPresence     = "presence"     // of SetPresence; the key is the user
	kindPublication  = "publication"  // of a PUBLISH
	kindSecret       = "secret"       // of the marks of dialogs
	kindSubscription = "subscription" // of a SUBSCRIBE; the key is the dialog
)

// load takes over what the store has.
func (s *Server) load() error {
	if s.cfg.Store == nil {
		return nil
	}
	records, err := s.cfg.Store.Load()
	if err != nil {
		return fmt.Errorf("%w: load: %w", ErrStore, err)
	}
	now := s.now()
	for _, r := range records {
		if !now.Before(r.Expires) {
			continue
		}
		if err := s.restore(r, now); err != nil {
			return fmt.Errorf("%w: load %s %q: %w", ErrStore, r.Kind, r.Key, err)
		}
	}
	c := Changes{Now: now} // prunes, and shows that it can be written
	if s.cfg.Seed == 0 {
		c.Put = []Record{{Kind: kindSecret, Expires: forever, Data: s.markKey}}
	}
	if err := s.cfg.Store.Save(c); err != nil {
		return fmt.Errorf("%w: save: %w", ErrStore, err)
	}
	return nil
}

func (s *Server) restore(r Record, now time.Time) error {
	switch r.Kind {
	case kindBindings:
		return s.restoreBindings(r, now)
	case kindMessages:
		return s.restoreMessages(r)
	case kindPresence:
		return s.restorePresence(r)
	case kindPublication:
		return s.restorePublication(r)
	case kindSecret: // calls that were let through go on
		if len(r.Data) != len(s.key) {
			return errors.New("no secret")
		}
		if s.cfg.Seed == 0 {
			s.markKey = r.Data
			s.mark = hmac.New(sha256.New, s.markKey)
		}
		return nil
	case kindSubscription:
		return s.restoreSubscription(r)
	}
	return errors.New("unknown kind")
}

func (s *Server) restoreBindings(r Record, now time.Time) error {
	var list []Binding
	if err := decode(r.Data, &list); err != nil {
		return err
	}
	kept := &record{}
	for _, b := range list {
		u, ok := sipmsg.ParseURI(b.Contact)
		if !ok || !sipmsg.IsSIP(&u) || !b.Received.IsValid() || b.User != r.Key {
			return fmt.Errorf("%q is no binding", b.Contact)
		}
		if !b.expired(now) {
			kept.bindings = append(kept.bindings, b)
		}
	}
	s.location.users[r.Key] = kept
	return nil
}

// keep has the bindings of a user kept, or says that they could not be.
func (s *Server) keep(user string, bindings []Binding) *failure {
	if len(bindings) == 0 {
		return s.save(Changes{Delete: []Record{{Kind: kindBindings, Key: user}}})
	}
	var last time.Time
	for i := range bindings {
		if bindings[i].Expires.After(last) {
			last = bindings[i].Expires
		}
	}
	return s.save(Changes{Put: []Record{s.record(kindBindings, user, last, bindings)}})
}

// save is Store.Save; a store that fails takes nothing back, and the client may try again.
func (s *Server) save(c Changes) *failure {
	if s.cfg.Store == nil {
		return nil
	}
	c.Now = s.now()
	if err := s.cfg.Store.Save(c); err != nil {
		s.stats.StoreErrors++
		return fail(500, "Server Internal Error", "not kept: "+err.Error())
	}
	return nil
}

// record makes a record, which is empty where nothing is kept.
func (s *Server) record(kind, key string, expires time.Time, v any) Record {
	if s.cfg.Store == nil {
		return Record{}
	}
	return Record{Kind: kind, Key: key, Expires: expires, Data: encode(v)}
}

// encode writes what goes into a record. Texts are kept byte for byte, UTF-8 or not.
func encode(v any) []byte {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		panic("registrar: encode: " + err.Error()) // a type that gob does not know
	}
	return b.Bytes()
}

func decode(b []byte, v any) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(v) }
