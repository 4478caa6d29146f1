package registrar

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A Binding ties an address of record to one Contact (RFC 3261 §10).
type Binding struct {
	User     string         // user part of the address of record, unescaped
	Contact  string         // URI, as the user agent wrote it
	Received netip.AddrPort // where the REGISTER came from
	Expires  time.Time      // the binding is gone at this time
	Q        float64        // preference, 1 when not given
	CallID   string
	CSeq     uint32
	Instance string   // +sip.instance, without quotes (RFC 5626 §4.1)
	RegID    int      // reg-id, 0 when not given (RFC 5626 §4.2)
	Path     []string // RFC 3327
	Outbound bool     // the user agent uses RFC 5626: Instance and RegID name the binding, not Contact
}

// A bindingKey tells the bindings of a server apart.
type bindingKey struct {
	user, contact, instance string
	regID                   int
}

func (b *Binding) key() bindingKey {
	if b.Outbound {
		return bindingKey{user: b.User, instance: b.Instance, regID: b.RegID}
	}
	return bindingKey{user: b.User, contact: b.Contact}
}

// find is the binding in a list that has a key, or nil.
func find(list []Binding, key bindingKey) *Binding {
	for i := range list {
		if list[i].key() == key {
			return &list[i]
		}
	}
	return nil
}

func (b *Binding) expired(now time.Time) bool { return !now.Before(b.Expires) }

// location is the location service. Bindings run out by themselves: whoever looks at a
// record takes the expired ones out of it first.
type location struct {
	max   int
	users map[string]*record
}

// A record stays when its last binding goes: a user who was here is unavailable, not unknown.
type record struct {
	bindings []Binding // in the order they were made
}

// count returns how many bindings are alive.
func (l *location) count(now time.Time) int {
	n := 0
	for _, r := range l.users {
		for i := range r.bindings {
			if !r.bindings[i].expired(now) {
				n++
			}
		}
	}
	return n
}

// lookup returns the live bindings of a user. The caller does not keep the slice.
func (s *Server) lookup(user string, now time.Time) []Binding {
	r := s.location.users[user]
	if r == nil {
		return nil
	}
	r.bindings = slices.DeleteFunc(r.bindings, func(b Binding) bool {
		if !b.expired(now) {
			return false
		}
		s.emit(Event{Kind: Expired, User: b.User, CallID: b.CallID, URI: b.Contact})
		return true
	})
	return r.bindings
}

// Bindings returns the live bindings of an address of record, in the order they were
// made. It takes "sip:bob@example.com" as well as "bob".
func (s *Server) Bindings(aor string) []Binding {
	user := aor
	if u, ok := sipmsg.ParseURI(aor); ok && sipmsg.IsSIP(&u) {
		if !s.isSelf(&u) {
			return nil
		}
		user = u.User
	} else {
		user, _, _ = strings.Cut(aor, "@")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.location.users[sipmsg.Unescape(user)]
	if r == nil {
		return nil
	}
	now := s.now()
	var live []Binding
	for _, b := range r.bindings {
		if !b.expired(now) {
			b.Path = slices.Clone(b.Path)
			live = append(live, b)
		}
	}
	return live
}
