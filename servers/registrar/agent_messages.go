package registrar

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
)

const messagesEvent = "message-summary"

// messages are how many a mailbox has.
type messages struct{ New, Old uint32 }

func (s *Server) messagesPackage() *eventPackage {
	return &eventPackage{mediaType: eventbody.SummaryType, private: true, interval: s.cfg.Agents.MessagesInterval,
		body: func(user string) []byte {
			m := s.agents.messages[user]
			return s.written(eventbody.Summary{Waiting: m.New > 0, Account: s.addressOf(user),
				Counts: []eventbody.Count{{Class: eventbody.Voice, New: m.New, Old: m.Old}}}.Write())
		}}
}

// SetMessages says how many new and old voice messages a user of the domain has, and tells
// those who subscribed to it. It takes "sip:bob@example.com" as well as "bob".
func (s *Server) SetMessages(aor string, unheard, heard uint32) error {
	return s.setState("set messages", aor, messagesEvent, func(user string) *failure {
		m := messages{unheard, heard}
		if f := s.save(Changes{Put: []Record{s.record(kindMessages, user, forever, m)}}); f != nil {
			return f
		}
		s.agents.messages[user] = m
		return nil
	})
}

func (s *Server) restoreMessages(r Record) error {
	var m messages
	if err := decode(r.Data, &m); err != nil {
		return err
	}
	s.agents.messages[r.Key] = m
	return nil
}

// forever is when what has no end expires.
var forever = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// setState changes a user's state from outside. NOTIFYs leave in the stack's turn.
func (s *Server) setState(what, aor, event string, set func(user string) *failure) error {
	user, ok := s.userOf(aor)
	if !ok || s.agents.packages[event] == nil {
		return fmt.Errorf("registrar: %s: %q: no user here, or no agent for %s", what, aor, event)
	}
	s.mu.Lock()
	f := set(user)
	s.mu.Unlock()
	if f != nil {
		return fmt.Errorf("registrar: %s: %s", what, f.detail)
	}
	s.stack.After(0, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed(resource{event, user})
		s.tellUnasked(resource{event, user})
	})
	return nil
}
