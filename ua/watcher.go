package ua

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// ServerSubscription is a subscription of somebody else to a state of ours. It comes with a
// WatcherEvent.
type ServerSubscription struct {
	profile *Profile // or nil
	user    string   // who was asked for
	key     string
	made    uint64
	pkg     *EventPackage
	event   eventName
	done    chan struct{}

	usage

	// mu of usage guards these too.
	phase  SubscriptionPhase
	ending bool // the last NOTIFY is on its way
	gone   bool
	body   []byte
	given  bool // body is what to tell; otherwise pkg.State says it
	expiry time.Time
	alarm  *time.Timer
	notices
}

// WatcherEvent is a change of a subscription of somebody else. The first one of a
// subscription has the phase Pending or Active, or Terminated if there was no mapping for it.
type WatcherEvent struct {
	Subscription *ServerSubscription
	Phase        SubscriptionPhase
	Reason       string // Terminated: what we gave as one
	Err          error  // Terminated, if nobody asked for it
}

func (WatcherEvent) event() {}

// newWatcher takes a subscription. The port manager may take its time, so the answer is given
// on a goroutine.
func (c *Client) newWatcher(tx *serverTx, pkg *EventPackage, event eventName, target sip.Uri, expires time.Duration, a Admission) {
	req := tx.req
	from, _ := sipmsg.ParseAddress(req.From)
	to, _ := sipmsg.ParseAddress(req.To)
	s := &ServerSubscription{
		profile: c.profileFor(req.Recipient), user: req.Recipient.User, pkg: pkg, event: event,
		done: make(chan struct{}), usage: usage{c: c},
		phase: PhaseActive, body: a.Body, given: a.Body != nil,
	}
	if a.Pending {
		s.phase = PhasePending
	}
	if s.profile != nil {
		s.cred = s.profile.cred
	}
	s.dialog = dialog{
		ends: ends{
			callID: req.CallID, local: to.URI, localName: to.Name, localTag: tx.Tag,
			remote: from.URI, remoteName: from.Name, remoteTag: sipmsg.TagOf(req.From),
		},
		target: target, routes: recordRoutes(req), remoteSeq: req.CSeq.Number, established: true,
	}
	c.mu.Lock()
	if c.watchers == nil {
		c.watchers = map[string]*ServerSubscription{}
	}
	c.subsMade++
	s.made, s.key = c.subsMade, sessionKey(req.CallID, tx.Tag)
	c.mu.Unlock()
	c.spawn(func(ctx context.Context) { s.begin(ctx, tx, expires) })
}

// begin answers the SUBSCRIBE and tells the state (RFC 6665 section 4.2.1.2).
func (s *ServerSubscription) begin(ctx context.Context, tx *serverTx, expires time.Duration) {
	pm, remote := s.parties(tx.req.Source)
	h, err := s.c.getMapping(ctx, pm, want{typ: SIP, remote: remote, changed: s.mappingChanged})
	if err != nil {
		s.c.decline(tx, Refusal{Code: sip.StatusTemporarilyUnavailable})
		s.mu.Lock()
		s.gone, s.ending, s.phase = true, true, PhaseTerminated
		s.mu.Unlock()
		s.c.emit(WatcherEvent{Subscription: s, Phase: PhaseTerminated, Err: err})
		close(s.done)
		return
	}
	s.mu.Lock()
	s.sip = h
	s.mu.Unlock()
	s.c.mu.Lock()
	closed := s.c.closed
	if !closed {
		s.c.watchers[s.key] = s
	}
	s.c.mu.Unlock()
	if closed {
		s.c.release(h)
		return
	}
	s.mu.Lock()
	s.extend(expires)
	phase := s.phase
	s.mu.Unlock()
	s.grant(tx, expires)
	s.c.emit(WatcherEvent{Subscription: s, Phase: phase})
	s.tell(ctx, expires)
}

// parties are who is asked for a mapping, and towards whom it is to be.
func (s *ServerSubscription) parties(watcher netip.AddrPort) (PortManager, netip.AddrPort) {
	if s.profile != nil {
		return s.profile.manager(), s.profile.nextHop()
	}
	return Local{}, watcher
}

// contact is where requests of the dialog are to be sent.
func (s *ServerSubscription) contact(at path) *sip.ContactHeader {
	if s.profile != nil {
		return s.profile.dialogContact(at)
	}
	return at.contact(s.user)
}

// tell sends the NOTIFY that follows each SUBSCRIBE; with Expires: 0 it is the last one (RFC
// 6665 section 4.4.3).
func (s *ServerSubscription) tell(ctx context.Context, expires time.Duration) {
	last := subState{}
	if expires == 0 {
		last = subState{state: "terminated", reason: "timeout"}
	}
	s.post(ctx, last) // if it comes to nothing that is an event
}

// grant is the 200 to a SUBSCRIBE.
func (s *ServerSubscription) grant(tx *serverTx, expires time.Duration) {
	tx.reply(sip.StatusOK, "OK", append(s.c.server(), s.contact(s.c.sendPath(s.held())), sip.NewHeader("Expires", wholeSeconds(expires)))...)
}

// extend sets the alarm. s.mu is held.
func (s *ServerSubscription) extend(expires time.Duration) {
	s.expiry = time.Now().Add(expires)
	if s.alarm != nil {
		s.alarm.Stop()
	}
	if expires > 0 {
		s.alarm = time.AfterFunc(expires, func() {
			s.c.spawn(func(ctx context.Context) { _ = s.Terminate(ctx, "timeout", 0) }) // RFC 6665 section 4.2.2
		})
	}
}

// is says whether a SUBSCRIBE belongs to this subscription.
func (s *ServerSubscription) is(req *sipmsg.Request, event eventName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ending && event == s.event && sipmsg.TagOf(req.From) == s.ends.remoteTag
}

// resubscribed is a refresh, or the end by the subscriber (RFC 6665 section 4.2.1.4).
func (s *ServerSubscription) resubscribed(tx *serverTx) {
	expires, refusal := s.c.cfg.Notifier.grant(tx.req)
	if refusal != nil {
		if refusal.Code == sip.StatusBadRequest {
			s.c.refuse(tx, *refusal)
			return
		}
		s.c.decline(tx, *refusal)
		return
	}
	s.mu.Lock()
	ok := s.inOrder(tx.req)
	if ok {
		s.retarget(tx.req)
		s.extend(expires)
	}
	s.mu.Unlock()
	if !ok {
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	s.grant(tx, expires)
	s.tell(s.c.ctx, expires)
}

func (s *ServerSubscription) mappingChanged(old, now Mapping) {
	s.c.emit(MappingEvent{Profile: s.profile, Old: old, New: now})
	s.mu.Lock()
	begun := s.sip != nil
	s.mu.Unlock()
	if begun {
		s.post(s.c.ctx, subState{}) // a NOTIFY refreshes the target, too (RFC 6665 section 4.4.1)
	}
}

// Profile is whose state was subscribed to, if it is one of a profile, or nil.
func (s *ServerSubscription) Profile() *Profile { return s.profile }

// Called is the user part of the Request-URI.
func (s *ServerSubscription) Called() string { return s.user }

// Watcher is the URI of who subscribed.
func (s *ServerSubscription) Watcher() string { return s.ends.remote.String() }

// Event is the event package.
func (s *ServerSubscription) Event() string { return s.event.name }

// CallID is the Call-ID of the dialog.
func (s *ServerSubscription) CallID() string { return s.ends.callID }

// Phase is where the subscription stands.
func (s *ServerSubscription) Phase() SubscriptionPhase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase
}

// Done is closed when the subscription is over.
func (s *ServerSubscription) Done() <-chan struct{} { return s.done }

// Notify tells a state: with PhaseActive that it is allowed, with PhasePending that it is not
// decided yet. The body is what refreshes tell, too, until the next Notify; nil is what the
// package's State says. It returns when the subscriber has answered. An answer by which there
// is no such subscription, and none, is its end.
func (s *ServerSubscription) Notify(ctx context.Context, phase SubscriptionPhase, body []byte) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if phase != PhaseActive && phase != PhasePending {
		return fmt.Errorf("%w: Notify cannot tell %s", ErrConfig, phase)
	}
	s.mu.Lock()
	changed := s.phase != phase
	if !s.ending {
		s.phase, s.body, s.given = phase, body, body != nil
	}
	over := s.ending
	s.mu.Unlock()
	if changed && !over {
		s.c.emit(WatcherEvent{Subscription: s, Phase: phase})
	}
	return s.post(ctx, subState{}).wait(ctx)
}

// Changed tells all who are subscribed to an event package what its State says now. It does
// not wait for them.
func (c *Client) Changed(event string) {
	for _, s := range c.Watchers(event) {
		s.post(c.ctx, subState{})
	}
}

// Terminate ends the subscription with a last NOTIFY that gives a reason (RFC 6665 section
// 4.1.3) and, if retryAfter is not 0, when the subscriber may come again. The error is that of
// the NOTIFY; the subscription is over in any case.
func (s *ServerSubscription) Terminate(ctx context.Context, reason string, retryAfter time.Duration) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if reason != "" && !sipmsg.IsToken(reason) || retryAfter < 0 {
		return fmt.Errorf("%w: reason %q, retry after %v", ErrConfig, reason, retryAfter)
	}
	return s.post(ctx, subState{state: "terminated", reason: reason, retry: retryAfter, hasRetry: retryAfter > 0}).wait(ctx)
}

// end lets go of the subscription.
func (s *ServerSubscription) end(reason string, err error) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	s.gone, s.ending, s.phase = true, true, PhaseTerminated
	if s.alarm != nil {
		s.alarm.Stop()
	}
	h := s.sip
	s.mu.Unlock()
	s.c.mu.Lock()
	delete(s.c.watchers, s.key)
	s.c.mu.Unlock()
	s.c.release(h)
	s.c.emit(WatcherEvent{Subscription: s, Phase: PhaseTerminated, Reason: reason, Err: err})
	close(s.done)
}

// shutdown ends the subscription without a word to the subscriber.
func (s *ServerSubscription) shutdown() {
	s.end("", ErrClosed)
}
