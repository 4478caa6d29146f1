package ua

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// origin is how a session came to be called, and what it takes the place of.
type origin struct {
	asked    *Reference // outgoing: the REFER that asked for it
	replaces *Replaces  // outgoing: what it asks its peer to replace
	replaced *Session   // incoming: what it takes the place of
}

// Replace makes Call ask its peer to put the call in the place of one that it has with
// somebody else (RFC 3891). It is possible before Call.
func (s *Session) Replace(r Replaces) error {
	if _, err := ParseReplaces(r.String()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.state != Idle {
		return ErrNotIdle
	}
	s.replaces = &r
	return nil
}

// Referrer is the session in which the peer asked for this call, nil if none did.
func (s *Session) Referrer() *Session {
	if s.asked == nil {
		return nil
	}
	return s.asked.s
}

// ReferredBy is who asked for this call, as a Referred-By (RFC 3892); empty if nobody did.
func (s *Session) ReferredBy() string {
	switch {
	case s.asked != nil:
		return s.asked.ReferredBy
	case s.invite != nil:
		by, _ := s.invite.req.Value("referred-by")
		return by
	}
	return ""
}

// referHeaders are those of an INVITE that follows a REFER or replaces a dialog.
func (s *Session) referHeaders() []sip.Header {
	var list []sip.Header
	if r := s.asked; r != nil && r.ReferredBy != "" {
		list = append(list, sip.NewHeader("Referred-By", r.ReferredBy))
	}
	if s.replaces != nil {
		list = append(list, sip.NewHeader("Require", "replaces"), sip.NewHeader("Replaces", s.replaces.String()))
	}
	return list
}

// provisionalCame is told of the provisional responses above 100 to the first INVITE.
func (s *Session) provisionalCame(res *sipmsg.Response) {
	if r := s.asked; r != nil {
		r.report(report{code: res.StatusCode, reason: reasonOf(res), state: active})
	}
}

// replacing finds the session whose place an INVITE wants (RFC 3891 section 3), or says why it
// can't have it. Both are nil if it wants none.
func (c *Client) replacing(req *sipmsg.Request) (*Session, *Refusal) {
	values := req.Values("replaces")
	if !c.cfg.Replaces || len(values) == 0 {
		return nil, nil
	}
	r, err := ParseReplaces(values[0])
	if err != nil || len(values) > 1 {
		return nil, &Refusal{Code: sip.StatusBadRequest, Reason: "Malformed Replaces"}
	}
	key := sessionKey(r.CallID, r.ToTag)
	s := c.session(key)
	gone := &Refusal{Code: sip.StatusCallTransactionDoesNotExists, Reason: "Call/Transaction Does Not Exist"}
	if s == nil {
		if c.gone.has(key, r.FromTag) {
			return nil, &Refusal{Code: sip.StatusGlobalDecline}
		}
		return nil, gone
	}
	confirmed := s.outgoing || s.invite.Final() == sip.StatusOK
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.established && s.earlyDialog(r.FromTag) != nil && !s.ending:
		return s, nil
	case !s.established || !sameTag(r.FromTag, s.ends.remoteTag) || !confirmed: // an early dialog that we did not begin, too
		return nil, gone
	case s.ending:
		return nil, &Refusal{Code: sip.StatusGlobalDecline}
	case r.EarlyOnly:
		return nil, &Refusal{Code: sip.StatusBusyHere}
	}
	return s, nil
}

// sameTag compares a tag of a Replaces with a dialog's: "0" stands for none.
func sameTag(asked, has string) bool { return asked == has || asked == "0" && has == "" }

// takePlace answers a call that replaces another, and ends that one. Its state is Answering
// already, lest whoever hears of it decides otherwise, and its port manager is the other's.
func (s *Session) takePlace() {
	s.replaced.mu.Lock()
	pm := s.replaced.pm
	s.replaced.mu.Unlock()
	s.mu.Lock()
	s.pm = pm
	s.mu.Unlock()
	s.c.emit(SessionEvent{Session: s, State: Answering})
	s.c.spawn(func(ctx context.Context) {
		if s.answering(ctx) == nil {
			_ = s.replaced.hangUp(ctx, Replaced)
		}
	})
}

// gone remembers dialogs that have ended, as long as a request for one may be on its way.
type gone struct {
	mu   sync.Mutex
	list []goneDialog
}

type goneDialog struct {
	key, peer string // sessionKey, the peer's tag
	at        time.Time
}

// maxGone bounds how many are remembered.
const maxGone = 1024

func (g *gone) add(key, peer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for len(g.list) > 0 && (len(g.list) >= maxGone || now.Sub(g.list[0].at) > sipstack.Timeout) {
		g.list = g.list[1:]
	}
	g.list = append(g.list, goneDialog{key, peer, now})
}

func (g *gone) has(key, peer string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.list {
		if d.key == key && sameTag(peer, d.peer) && time.Since(d.at) <= sipstack.Timeout {
			return true
		}
	}
	return false
}

// forget makes a session that has ended one of those remembered.
func (c *Client) forget(s *Session) {
	if !c.cfg.Replaces {
		return
	}
	s.mu.Lock()
	key, peer, known := s.id, s.ends.remoteTag, s.established
	s.mu.Unlock()
	if known {
		c.gone.add(key, peer)
	}
}

// misplaced says why a request must not have the Replaces that it has (RFC 3891 section 3).
func (c *Client) misplaced(tx *serverTx) *Refusal {
	if c.cfg.Replaces && len(tx.req.Values("replaces")) > 0 && (tx.req.Method != sip.INVITE || tx.inDialog) {
		return &Refusal{Code: sip.StatusBadRequest, Reason: fmt.Sprintf("Replaces in %s", tx.req.Method)}
	}
	return nil
}
