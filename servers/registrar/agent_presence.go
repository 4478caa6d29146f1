package registrar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

const presenceEvent = "presence"

// presence is what is known of one user's.
type presence struct {
	published []*publication // in the order they were made
	set       *setPresence   // by SetPresence: holds while nothing is published
}

// A publication is event state that a user agent published (RFC 3903), as it is kept.
type publication struct {
	User, ETag string
	Body       []byte
	Expires    time.Time
	Serial     uint64 // of the first PUBLISH, for the order

	expiry *sipstack.Timer
}

type setPresence struct {
	Open bool
	Note string
}

func (s *Server) presencePackage() *eventPackage {
	return &eventPackage{mediaType: eventbody.PresenceType, interval: s.cfg.Agents.PresenceInterval, body: s.presenceBody}
}

// presenceBody is a user's presence document: a lone publication as it came, several as one
// document of all their tuples, else what SetPresence said, else nothing known.
func (s *Server) presenceBody(user string) []byte {
	p := s.agents.presence[user]
	if p == nil {
		p = &presence{}
	}
	doc := eventbody.Presence{Entity: s.addressOf(user)}
	for i, x := range p.published {
		read, err := eventbody.ReadPresence(x.Body)
		if err != nil {
			continue // not possible: it was read when it came
		}
		if len(p.published) == 1 && s.isAddressOf(read.Entity, user) {
			return x.Body
		}
		for _, t := range read.Tuples {
			if i > 0 { // ids are unlike all others of the document
				t.ID = fmt.Sprintf("p%d-%s", i, t.ID)
			}
			doc.Tuples = append(doc.Tuples, t)
		}
		doc.Notes = append(doc.Notes, read.Notes...)
	}
	if p.set != nil && len(p.published) == 0 {
		t := eventbody.Tuple{ID: "set", Basic: eventbody.Closed}
		if p.set.Open {
			t.Basic = eventbody.Open
		}
		if p.set.Note != "" {
			t.Notes = []eventbody.Note{{Text: p.set.Note}}
		}
		doc.Tuples = append(doc.Tuples, t)
	}
	return s.written(uniqueIDs(doc).Write())
}

// uniqueIDs renames tuples whose id others have too.
func uniqueIDs(doc eventbody.Presence) eventbody.Presence {
	seen := map[string]bool{}
	for i := range doc.Tuples {
		for seen[doc.Tuples[i].ID] {
			doc.Tuples[i].ID = fmt.Sprintf("x%d-%s", i, doc.Tuples[i].ID)
		}
		seen[doc.Tuples[i].ID] = true
	}
	return doc
}

// written is a body that could be written. A user name that a body cannot hold leaves it empty.
func (s *Server) written(body []byte, err error) []byte {
	if err != nil {
		return nil
	}
	return body
}

// SetPresence says whether a user of the domain is there, with a note for people or none,
// while no user agent publishes anything for it. Those who subscribed are told. It takes
// "sip:bob@example.com" as well as "bob".
func (s *Server) SetPresence(aor string, open bool, note string) error {
	if _, err := (eventbody.Presence{Entity: "sip:x", Notes: []eventbody.Note{{Text: note}}}).Write(); err != nil {
		return fmt.Errorf("registrar: set presence: %w", err)
	}
	return s.setState("set presence", aor, presenceEvent, func(user string) *failure {
		set := &setPresence{Open: open, Note: note}
		if f := s.save(Changes{Put: []Record{s.record(kindPresence, user, forever, set)}}); f != nil {
			return f
		}
		s.presenceOf(user).set = set
		return nil
	})
}

// Presence is the presence document of a user, as subscribers get it now; nil without the agent.
func (s *Server) Presence(aor string) []byte {
	user, ok := s.userOf(aor)
	if !ok || !s.cfg.Agents.Presence {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.presenceBody(user))
}

func (s *Server) presenceOf(user string) *presence {
	p := s.agents.presence[user]
	if p == nil {
		p = &presence{}
		s.agents.presence[user] = p
	}
	return p
}

func (s *Server) restorePresence(r Record) error {
	var set setPresence
	if err := decode(r.Data, &set); err != nil {
		return err
	}
	s.presenceOf(r.Key).set = &set
	return nil
}

func (s *Server) restorePublication(r Record) error {
	x := &publication{}
	if err := decode(r.Data, x); err != nil {
		return err
	}
	if _, err := eventbody.ReadPresence(x.Body); err != nil || x.key() != r.Key {
		return errors.New("no publication")
	}
	p := s.presenceOf(x.User)
	p.published = append(p.published, x)
	slices.SortFunc(p.published, func(a, b *publication) int { return int(int64(a.Serial) - int64(b.Serial)) })
	return nil
}

// addressOf is a user's address of record.
func (s *Server) addressOf(user string) string {
	return "sip:" + escapeUser(user) + "@" + s.cfg.Domain
}

// isAddressOf says whether a URI, which may be of scheme pres (RFC 3859), is a user's address.
func (s *Server) isAddressOf(uri, user string) bool {
	if rest, ok := strings.CutPrefix(uri, "pres:"); ok {
		uri = "sip:" + rest
	}
	u, ok := sipmsg.ParseURI(uri)
	return ok && s.isSelf(&u) && sipmsg.Unescape(u.User) == user
}

// userOf reads an address of record, or the user part of one.
func (s *Server) userOf(aor string) (string, bool) {
	if u, ok := sipmsg.ParseURI(aor); ok && sipmsg.IsSIP(&u) {
		return sipmsg.Unescape(u.User), u.User != "" && s.isSelf(&u)
	}
	user, _, _ := strings.Cut(aor, "@")
	return sipmsg.Unescape(user), user != ""
}

// escapeUser writes what may not stand in the user part of a URI as %HH (RFC 3261 §25.1).
func escapeUser(user string) string {
	var b strings.Builder
	for i := range len(user) {
		c := user[i]
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
