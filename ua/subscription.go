package ua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// SubscriptionState is where a subscription stands for its user.
type SubscriptionState uint8

// The subscription states.
const (
	NotSubscribed         SubscriptionState = iota
	Subscribing                             // no NOTIFY has said that it is active
	Subscribed                              // active
	SubscriptionLoggedOff                   // the notifier ended it, see Reason and Retry
	SubscriptionFailed                      // refused, or nobody answered, see Err and Retry
	Unsubscribing
)

var subscriptionStateNames = [...]string{"not subscribed", "subscribing", "subscribed", "logged off", "error", "unsubscribing"}

// String names the state.
func (s SubscriptionState) String() string { return name(subscriptionStateNames[:], uint8(s)) }

// SubscriptionPhase is a state of the machine of RFC 6665 section 4.1.2.
type SubscriptionPhase uint8

// The phases.
const (
	PhaseInit       SubscriptionPhase = iota
	PhaseNotifyWait                   // SUBSCRIBE was sent, no NOTIFY has come
	PhasePending                      // the notifier has not decided yet
	PhaseActive
	PhaseTerminated
)

var phaseNames = [...]string{"init", "notify_wait", "pending", "active", "terminated"}

// String names the phase as RFC 6665 does.
func (p SubscriptionPhase) String() string { return name(phaseNames[:], uint8(p)) }

// ErrSubscriptionExpired: no refresh came through before the subscription ran out.
var ErrSubscriptionExpired = errors.New("ua: the subscription has expired")

// SubscribeConfig says what to subscribe to. Target and Event are required.
type SubscribeConfig struct {
	Target string   // whose state, a sip: URI
	Event  string   // the event package: "presence", "dialog", "message-summary" or any other
	ID     string   // of the Event header field, to tell subscriptions apart; empty is none
	Accept []string // media types that NOTIFY may have; none is what the package says
	// Expires is what is asked for, in whole seconds; 0 is an hour.
	Expires time.Duration
	// ContentType and Body go into a SUBSCRIBE that begins a subscription, such as a filter.
	ContentType string
	Body        []byte
	// NoRetry makes a failure, or a termination by the notifier, the end. Otherwise the
	// subscription begins anew, after the times of the profile's RetryBase and RetryMax or
	// when the notifier asked for it.
	NoRetry bool

	to    sip.Uri
	event eventName
}

func (c SubscribeConfig) withDefaults() (SubscribeConfig, error) {
	to, err := parseURI(c.Target)
	if err != nil {
		return c, fmt.Errorf("%w: Target: %w", ErrConfig, err)
	}
	c.to, c.event = to, eventName{c.Event, c.ID}
	if c.Expires == 0 {
		c.Expires = time.Hour
	}
	switch {
	case !sipmsg.IsToken(c.Event), c.ID != "" && !sipmsg.IsToken(c.ID):
		return c, fmt.Errorf("%w: Event %q, ID %q", ErrConfig, c.Event, c.ID)
	case c.Expires < time.Second || c.Expires%time.Second != 0:
		return c, fmt.Errorf("%w: Expires %v is not a number of seconds", ErrConfig, c.Expires)
	case (c.ContentType == "") != (len(c.Body) == 0), strings.ContainsAny(c.ContentType, "\r\n"):
		return c, fmt.Errorf("%w: a body needs a content type, and a content type a body", ErrConfig)
	case slices.ContainsFunc(c.Accept, func(a string) bool { return !strings.Contains(a, "/") || strings.ContainsAny(a, "\r\n,") }):
		return c, fmt.Errorf("%w: Accept %q", ErrConfig, c.Accept)
	}
	return c, nil
}

// Subscription is a subscription to somebody's state (RFC 6665). It refreshes itself, and
// begins anew when it has to. Its methods may be called from any goroutine, those of a port
// manager excepted.
type Subscription struct {
	profile *Profile
	cfg     SubscribeConfig
	made    uint64

	life    context.Context
	stop    context.CancelFunc
	stopped chan struct{} // closed when run has ended
	kick    chan struct{} // something has changed
	done    chan struct{}
	op      oplock // held by Refresh, Unsubscribe and what run does

	usage

	// mu of usage guards these too.
	key    string
	state  SubscriptionState
	phase  SubscriptionPhase
	first  bool // Subscribe has not returned
	over   bool // for good
	moved  bool // the mapping is another than the last SUBSCRIBE's
	born   time.Time
	timerN time.Time // RFC 6665 section 4.1.2.4; zero: nothing is awaited
	expiry time.Time // zero: there is no subscription
	next   time.Time // of the next SUBSCRIBE; zero is never
	pace
}

// Subscribe asks the port manager for a SIP mapping, which is released when the subscription
// is over, and sends a SUBSCRIBE. It returns when that was accepted; what comes is told by
// SubscriptionEvent and NotifyEvent. After an error there is no subscription.
func (p *Profile) Subscribe(ctx context.Context, cfg SubscribeConfig) (*Subscription, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, leave, err := p.c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s := &Subscription{
		profile: p, cfg: cfg, op: newOplock(), stopped: make(chan struct{}), kick: make(chan struct{}, 1), done: make(chan struct{}),
		usage: usage{c: p.c, cred: p.cred}, pace: p.newPace(),
	}
	if s.sip, err = p.c.getMapping(ctx, p.manager(), want{typ: SIP, remote: p.nextHop(), changed: s.mappingChanged}); err != nil {
		return nil, err
	}
	_ = s.op.lock(ctx) // nobody else knows it
	defer s.op.unlock()
	s.life, s.stop = context.WithCancel(p.c.ctx)
	s.first = true
	err = s.attempt(ctx)
	if err == nil && !p.c.spawn(func(context.Context) { s.run() }) {
		err = ErrClosed
	}
	if err != nil {
		close(s.stopped)
		s.mu.Lock()
		s.over = true
		if s.phase != PhaseTerminated { // a NOTIFY came before the refusal
			s.to(SubscriptionEvent{State: SubscriptionFailed, Phase: PhaseTerminated, Err: err})
		}
		s.mu.Unlock()
		s.finish()
		return nil, err
	}
	s.first = false
	return s, nil
}

// Profile is whose subscription it is.
func (s *Subscription) Profile() *Profile { return s.profile }

// Target is whose state it is about.
func (s *Subscription) Target() string { return s.cfg.Target }

// Event is the event package.
func (s *Subscription) Event() string { return s.cfg.Event }

// State is where the subscription stands, in both ways of saying it.
func (s *Subscription) State() (SubscriptionState, SubscriptionPhase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.phase
}

// CallID is the Call-ID of the dialog of the present.
func (s *Subscription) CallID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends.callID
}

// Mapping is the SIP mapping in use.
func (s *Subscription) Mapping() Mapping { return s.held().mapping() }

// Done is closed when the subscription is over and its mapping released.
func (s *Subscription) Done() <-chan struct{} { return s.done }

func (s *Subscription) mappingChanged(old, now Mapping) {
	s.c.emit(MappingEvent{Profile: s.profile, Old: old, New: now})
	s.mu.Lock()
	s.moved = true
	if s.phase != PhaseTerminated { // Contact is to be another (RFC 6665 section 4.4.1)
		s.next = time.Now()
	}
	s.mu.Unlock()
	s.wake()
}

func (s *Subscription) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// to changes the state and says so. s.mu is held.
func (s *Subscription) to(e SubscriptionEvent) {
	changed := e.State != s.state || e.Phase != s.phase
	s.state, s.phase = e.State, e.Phase
	if changed || e.Err != nil {
		e.Subscription = s
		s.c.emit(e)
	}
}

// run does what is due.
func (s *Subscription) run() {
	defer close(s.stopped)
	t := time.NewTimer(s.wait())
	defer t.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-t.C:
		case <-s.kick:
		}
		if s.op.lock(s.life) != nil {
			return
		}
		s.act()
		s.op.unlock()
		if s.isOver() && s.life.Err() == nil {
			s.finish()
			return
		}
		t.Reset(s.wait())
	}
}

func (s *Subscription) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// wait is how long nothing is due.
func (s *Subscription) wait() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := time.Time{}
	for _, t := range [...]time.Time{s.timerN, s.expiry, s.next} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if first.IsZero() {
		return time.Hour // whatever happens then wakes us
	}
	return max(0, time.Until(first))
}

func (s *Subscription) act() {
	now := time.Now()
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	s.mu.Lock()
	switch {
	case s.over:
	case due(s.timerN): // RFC 6665 section 4.1.2.4
		s.lost(s.noNotify())
	case due(s.expiry):
		s.lost(ErrSubscriptionExpired)
	case due(s.next):
		s.mu.Unlock()
		_ = s.attempt(s.life) // it says so by an event
		return
	}
	s.mu.Unlock()
}

// noNotify is that nothing came of a SUBSCRIBE. s.mu is held.
func (s *Subscription) noNotify() error {
	m := s.sip.mapping()
	return &TimeoutError{Method: string(sip.NOTIFY), To: m.Internal, From: s.profile.nextHop(), Via: m.External}
}

// lost is a subscription that is no more without the notifier having said so. s.mu is held.
func (s *Subscription) lost(err error) {
	e := SubscriptionEvent{State: SubscriptionFailed, Phase: PhaseTerminated, Err: err}
	s.forget()
	if s.cfg.NoRetry {
		s.over = true
	} else {
		e.Retry = s.backoff()
		s.next = time.Now().Add(e.Retry)
	}
	s.to(e)
}

// forget drops what was planned for a dialog that is no more. s.mu is held.
func (s *Subscription) forget() {
	s.timerN, s.expiry, s.next = time.Time{}, time.Time{}, time.Time{}
}

// Refresh renews the subscription now, with the address of the present; the notifier tells
// the state again. It returns when the SUBSCRIBE was accepted.
func (s *Subscription) Refresh(ctx context.Context) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.op.lock(ctx); err != nil {
		return err
	}
	defer s.op.unlock()
	s.mu.Lock()
	over, state := s.over, s.state
	s.mu.Unlock()
	if over {
		return fmt.Errorf("%w: the subscription is %s", ErrState, state)
	}
	err = s.attempt(ctx)
	s.wake()
	return err
}

// Unsubscribe ends the subscription. It returns when the last NOTIFY has come, or will not;
// the error is that of the SUBSCRIBE. Afterwards the subscription is over in any case.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.op.lock(ctx); err != nil {
		return err
	}
	defer s.op.unlock()
	if !s.halt() {
		said(ctx)
		return nil
	}
	s.mu.Lock()
	live := s.ends.remoteTag != "" && s.phase != PhaseTerminated
	s.to(SubscriptionEvent{State: Unsubscribing, Phase: s.phase})
	s.mu.Unlock()
	if live {
		err = s.unsubscribe(ctx)
	}
	said(ctx)
	s.end(SubscriptionEvent{State: NotSubscribed, Phase: PhaseTerminated, Err: err})
	return err
}

// halt ends run; false means that it had ended for good. s.op is held.
func (s *Subscription) halt() bool {
	s.stop()
	<-s.stopped
	return !s.isOver()
}

// end is the last event. s.op is held.
func (s *Subscription) end(e SubscriptionEvent) {
	s.mu.Lock()
	s.over = true
	s.to(e)
	s.mu.Unlock()
	s.finish()
}

// shutdown ends the subscription without a word to the notifier.
func (s *Subscription) shutdown() {
	_ = s.op.lock(context.Background()) // what is under way is giving up
	defer s.op.unlock()
	if s.halt() {
		s.end(SubscriptionEvent{State: NotSubscribed, Phase: PhaseTerminated, Err: ErrClosed})
	}
}

// finish gives back what a subscription holds.
func (s *Subscription) finish() {
	s.stop()
	s.c.forgetSubscription(s)
	s.c.release(s.held())
	close(s.done)
}

// keySubscription makes s known by its Call-ID and tag. s.mu is not held.
func (c *Client) keySubscription(s *Subscription, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if c.subs == nil {
		c.subs = map[string]*Subscription{}
	}
	if s.made == 0 {
		c.subsMade++
		s.made = c.subsMade
	}
	delete(c.subs, s.key)
	s.key = key
	c.subs[key] = s
	return nil
}

func (c *Client) forgetSubscription(s *Subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.subs, s.key)
}

func (c *Client) subscription(key string) *Subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subs[key]
}

// listSubscriptions is in the order in which they were made. c.mu is held.
func (c *Client) listSubscriptions() []*Subscription {
	list := make([]*Subscription, 0, len(c.subs))
	for _, s := range c.subs {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Subscription) int { return cmp.Compare(a.made, b.made) })
	return list
}

// SubscriptionEvent is a change of a subscription of ours.
type SubscriptionEvent struct {
	Subscription *Subscription
	State        SubscriptionState
	Phase        SubscriptionPhase
	Reason       string        // SubscriptionLoggedOff: what the notifier gave as one
	Code         int           // of the response that caused it, or 0
	Err          error         // why: SubscriptionFailed, and a refresh that failed
	Expires      time.Duration // how long it holds, if that is known
	Retry        time.Duration // when SUBSCRIBE is sent again, if it is for Err or Reason
}

// NotifyEvent is a NOTIFY that arrived and was answered 200.
type NotifyEvent struct {
	Subscription *Subscription // nil: nobody has asked for it
	From, To     string        // URIs
	Event        string        // the event package
	State        string        // the Subscription-State header field
	ContentType  string
	Body         []byte
	Source       netip.AddrPort
}

func (SubscriptionEvent) event() {}
func (NotifyEvent) event()       {}
