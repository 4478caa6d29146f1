package ua

import (
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// statusBadEvent has no name in sipgo (RFC 6665 section 8.3.2).
const statusBadEvent = 489

// eventMethods are what subscriptions add to Allow.
func (c Config) eventMethods() []string {
	var list []string
	if len(c.Notifier.Packages) > 0 {
		list = append(list, "SUBSCRIBE")
	}
	if c.UnsolicitedMessageSummary {
		list = append(list, "NOTIFY")
	}
	return list
}

// gotNotify finds the subscription of a NOTIFY: Call-ID, tags and Event must be its own (RFC
// 6665 section 4.4.1).
func (c *Client) gotNotify(tx *serverTx) {
	v, _ := tx.req.Value("event")
	event, ok := parseEvent(v)
	if tx.inDialog {
		if s := c.subscription(sessionKey(tx.req.CallID, tx.Tag)); s != nil && ok && event == s.cfg.event {
			s.gotNotify(tx)
			return
		}
	} else if c.cfg.UnsolicitedMessageSummary && event.name == "message-summary" {
		c.notified(tx, nil, event)
		return
	}
	c.noSubscription(tx)
}

func (c *Client) noSubscription(tx *serverTx) { // RFC 6665 section 4.1.3
	tx.reply(sip.StatusCallTransactionDoesNotExists, "Subscription Does Not Exist", c.server()...)
}

// notified answers 200 and tells of a NOTIFY.
func (c *Client) notified(tx *serverTx, s *Subscription, event eventName) {
	tx.reply(sip.StatusOK, "OK", c.server()...)
	from, _ := sipmsg.ParseAddress(tx.req.From)
	to, _ := sipmsg.ParseAddress(tx.req.To)
	e := NotifyEvent{Subscription: s, From: from.URI.String(), To: to.URI.String(), Event: event.name, Body: tx.req.Body(), Source: tx.req.Source}
	e.ContentType, _ = tx.req.Value("content-type")
	e.State, _ = tx.req.Value("subscription-state")
	if s != nil {
		state, _ := parseSubState(e.State)
		s.mu.Lock()
		s.moveTo(state)
		s.mu.Unlock()
	}
	c.emit(e)
	if s != nil {
		s.wake()
	}
}

func (s *Subscription) gotNotify(tx *serverTx) {
	req := tx.req
	v, _ := req.Value("subscription-state")
	_, sane := parseSubState(v)
	_, contact := firstContact(req)
	s.mu.Lock()
	tag := sipmsg.TagOf(req.From)
	stranger := tag == "" || s.established && tag != s.ends.remoteTag // of another branch of a fork, too: one dialog is enough
	switch {
	case stranger, s.phase == PhaseTerminated:
		s.mu.Unlock()
		s.c.noSubscription(tx)
		return
	case !sane: // RFC 6665 section 4.1.3: it is mandatory
		s.mu.Unlock()
		s.c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Missing Subscription-State"})
		return
	case !contact && !s.established: // RFC 3261 section 8.1.1.8
		s.mu.Unlock()
		s.c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Missing Contact"})
		return
	case !s.accepts(req):
		s.mu.Unlock()
		s.c.refuse(tx, Refusal{Code: sip.StatusUnsupportedMediaType, Headers: []Header{{"Accept", strings.Join(s.cfg.Accept, ", ")}}})
		return
	case !s.inOrder(req):
		s.mu.Unlock()
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	if !s.established { // RFC 6665 section 4.4.1
		s.established = true
		s.ends.remoteTag = tag
		s.routes = recordRoutes(req)
	}
	s.retarget(req)
	s.timerN = time.Time{}
	s.mu.Unlock()
	s.c.notified(tx, s, s.cfg.event)
}

// accepts says whether a NOTIFY has a body of a kind that was asked for. s.mu is held.
func (s *Subscription) accepts(req *sipmsg.Request) bool {
	if len(req.Body()) == 0 || len(s.cfg.Accept) == 0 {
		return true
	}
	is := req.MediaType()
	return slices.ContainsFunc(s.cfg.Accept, func(a string) bool { return strings.EqualFold(a, is) })
}

// moveTo is what a NOTIFY says (RFC 6665 section 4.1.3). s.mu is held.
func (s *Subscription) moveTo(n subState) {
	e := SubscriptionEvent{State: s.state, Phase: n.phase()}
	switch e.Phase {
	case PhaseTerminated:
		s.terminated(n)
		return
	case PhaseActive:
		if s.state != Unsubscribing {
			e.State = Subscribed
		}
	case PhasePending:
		if s.state != Unsubscribing {
			e.State = Subscribing
		}
	default: // an extension: it goes on as it was, or as one that is not decided
		e.Phase = max(s.phase, PhasePending)
	}
	if n.hasExpires && n.expires > 0 && s.state != Unsubscribing { // RFC 6665 section 4.1.3: it may be less than what was granted
		s.holds(n.expires)
		e.Expires = n.expires
	}
	s.to(e)
}

// terminated is the end by the notifier, and perhaps a new beginning. s.mu is held.
func (s *Subscription) terminated(n subState) {
	s.forget()
	if s.state == Unsubscribing {
		s.to(SubscriptionEvent{State: Unsubscribing, Phase: PhaseTerminated, Reason: n.reason})
		return
	}
	e := SubscriptionEvent{State: SubscriptionLoggedOff, Phase: PhaseTerminated, Reason: n.reason}
	wait, again := n.again()
	if s.over = s.cfg.NoRetry || !again; s.over {
		s.to(e)
		return
	}
	if time.Since(s.born) >= sipstack.Timeout {
		s.failures = 0
	}
	if wait < 0 || wait == 0 && s.failures > 0 { // at once, but not over and over
		wait = s.backoff()
	} else {
		s.failures++
	}
	e.Retry = wait
	s.next = time.Now().Add(wait)
	s.to(e)
}
