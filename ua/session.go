package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// SessionState is where a call stands.
type SessionState uint8

// The session states.
const (
	Idle         SessionState = iota
	Incoming                  // an INVITE has come: Ring, Answer or Reject
	Answering                 // Answer was called; the ACK has not come yet
	InProgress                // Call was called; no final response yet
	Connected                 // answered and acknowledged
	Disconnected              // over: mappings are released, sockets closed
	Hold                      // connected, and one end or both want no audio for now
)

var sessionStateNames = [...]string{"idle", "incoming", "answering", "in progress", "connected", "disconnected", "hold"}

// String names the state.
func (s SessionState) String() string { return name(sessionStateNames[:], uint8(s)) }

// TerminateReason is why a session ended.
type TerminateReason uint8

// The reasons.
const (
	Normal         TerminateReason = iota // one end hung up
	Canceled                              // the caller gave up before the answer
	Busy                                  // 486, 600
	Declined                              // any other response that refuses the call
	Timeout                               // a response or an ACK did not come
	NotSupported                          // no agreement on media
	PortMapping                           // a port manager failed
	Shutdown                              // the client was closed
	Failed                                // anything else: see the error
	Expired                               // the INVITE's Expires passed before the answer
	Replaced                              // another call took its place (RFC 3891)
	SessionExpired                        // nobody refreshed the session in time (RFC 4028)
)

var reasonNames = [...]string{"normal", "canceled", "busy", "declined", "timeout", "not supported", "port mapping", "shutdown", "failed", "expired", "replaced", "session expired"}

// String names the reason.
func (r TerminateReason) String() string { return name(reasonNames[:], uint8(r)) }

// Session is one call, from its first state to Disconnected. Its methods may be called
// from any goroutine, those of a port manager excepted.
type Session struct {
	c        *Client
	profile  *Profile
	outgoing bool
	id       string // key among the client's sessions; set once, before it is one of them

	life context.Context // until the end begins
	kill context.CancelCauseFunc
	hang context.Context // until Hangup: what Call and Answer heed
	drop context.CancelCauseFunc
	op   oplock        // held by Call, Answer, re-INVITEs and the end
	turn oplock        // held while a request of the dialog is numbered and sent
	done chan struct{} // closed in Disconnected

	visits chan func() // for whoever holds op while a call is being set up

	mu     sync.Mutex
	state  SessionState
	pm     PortManager // nil: the profile's, or Local
	ending bool
	reason TerminateReason
	err    error

	dialog
	lots
	audio
	early
	origin

	aging    aging
	invite   *serverTx // incoming: the INVITE
	offer    *media.Description
	answer   bool // a final response to invite was sent or is about to be
	pending  *pending2xx
	acked    ackRecord
	inviting *clientTx // the last INVITE of ours
	ours     bool      // a re-INVITE of ours, or an UPDATE with an offer, is under way
	theirs   bool      // a re-INVITE of theirs is
	updating bool      // an UPDATE of theirs with an offer is
}

// newSession makes a session in a state; it is not yet one of the client's.
func (c *Client) newSession(p *Profile, state SessionState) *Session {
	s := &Session{
		c: c, profile: p, state: state, op: newOplock(), turn: newOplock(), done: make(chan struct{}),
		visits: make(chan func()), early: newEarly(),
	}
	s.life, s.kill = context.WithCancelCause(c.ctx)
	s.hang, s.drop = context.WithCancelCause(s.life)
	s.sdpVersion = 1
	s.lots = c.draw()
	return s
}

// NewSession makes an idle session for an outgoing call. The profile says who calls and
// through which proxy; nil makes a direct call.
func (c *Client) NewSession(p *Profile) (*Session, error) {
	if p != nil && p.c != c {
		return nil, fmt.Errorf("%w: the profile is of another client", ErrConfig)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	s := c.newSession(p, Idle)
	s.outgoing = true
	return s, nil
}

// sessionKey is Call-ID and local tag.
func sessionKey(callID, localTag string) string { return callID + " " + localTag }

// add makes s one of the client's sessions.
func (c *Client) add(s *Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	s.id = sessionKey(s.ends.callID, s.ends.localTag)
	c.sessions[s.id] = s
	if s.invite != nil {
		s.merge = mergeKey(s.invite.req)
		c.invites[s.merge] = s
	}
	return nil
}

func (c *Client) session(key string) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[key]
}

// Profile is the session's profile, or nil.
func (s *Session) Profile() *Profile { return s.profile }

// State is where the session stands.
func (s *Session) State() SessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Reason is why the session ended, and the error if it was not asked for.
func (s *Session) Reason() (TerminateReason, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason, s.err
}

// Done is closed when the session is Disconnected and everything is released.
func (s *Session) Done() <-chan struct{} { return s.done }

// Outgoing says who called.
func (s *Session) Outgoing() bool { return s.outgoing }

// CallID is the Call-ID of the dialog, empty before Call.
func (s *Session) CallID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends.callID
}

// Peer is the URI of the other end, empty before Call.
func (s *Session) Peer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends.callID == "" {
		return ""
	}
	return s.ends.remote.String()
}

// Source is where an incoming INVITE came from.
func (s *Session) Source() netip.AddrPort {
	if s.invite == nil {
		return netip.AddrPort{}
	}
	return s.invite.req.Source
}

// SetPortManager says who knows the external addresses of this call's ports. It is
// possible before Call, and before Answer; each call replaces the one before, and nil
// returns to the profile's.
func (s *Session) SetPortManager(pm PortManager) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.state != Idle && s.state != Incoming {
		return ErrNotIdle
	}
	if isNil(pm) {
		pm = nil
	}
	s.pm = pm
	return nil
}

// manager is the session's own, its profile's or Local.
func (s *Session) manager() PortManager {
	s.mu.Lock()
	pm := s.pm
	s.mu.Unlock()
	switch {
	case pm != nil:
		return pm
	case s.profile != nil:
		return s.profile.manager()
	}
	return Local{}
}

// step changes the state and says so, unless the session is ending.
func (s *Session) step(state SessionState, code int) bool {
	s.mu.Lock()
	if s.ending || s.state == Disconnected {
		s.mu.Unlock()
		return false
	}
	s.state = state
	s.mu.Unlock()
	s.c.emit(SessionEvent{Session: s, State: state, Code: code})
	return true
}

// begin takes the session from one state to the next; the error says why not.
func (s *Session) begin(from, to SessionState, refusal error) error {
	s.mu.Lock()
	if s.ending || s.state != from {
		now := s.state
		s.mu.Unlock()
		return fmt.Errorf("%w: session is %s", refusal, now)
	}
	s.state = to
	s.mu.Unlock()
	s.c.emit(SessionEvent{Session: s, State: to})
	return nil
}

// ending says how a session ends.
type ending struct {
	reason TerminateReason
	code   int
	err    error
	bye    bool // say so to the peer
}

// because makes an ending of an error.
func because(err error) ending {
	e := ending{reason: Failed, err: err}
	var r *ResponseError
	switch {
	case errors.As(err, &r):
		e.code, e.reason = r.Code, Declined
		if r.Code == sip.StatusBusyHere || r.Code == sip.StatusGlobalBusyEverywhere {
			e.reason = Busy
		}
	case errors.Is(err, ErrCanceled):
		e.reason = Canceled
	case errors.Is(err, ErrClosed):
		e.reason = Shutdown
	case errors.Is(err, ErrTransactionTimeout):
		e.reason = Timeout
	case errors.Is(err, ErrMedia):
		e.reason = NotSupported
	case errors.Is(err, ErrPortMappingUnavailable), errors.Is(err, ErrPortMappingFailed):
		e.reason = PortMapping
	}
	return e
}

// end brings the session to Disconnected: media stops, the peer is told, mappings are
// released in the order in which they were got. Only the first ending counts; all wait
// for it. ctx bounds the BYE.
func (s *Session) end(ctx context.Context, e ending) error {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		said(ctx)
		<-s.done
		return nil
	}
	s.ending = true
	s.aging.stop()
	s.mu.Unlock()
	s.kill(endCause(e))
	_ = s.op.lock(context.Background()) // what is under way is giving up
	defer s.op.unlock()
	s.stop2xx()
	s.stopMedia()
	var byeErr error
	if e.bye {
		byeErr = s.sendBye(ctx)
	}
	said(ctx)
	for _, h := range s.mappings() {
		s.c.release(h)
	}
	s.c.forget(s)
	s.c.mu.Lock()
	delete(s.c.sessions, s.id)
	delete(s.c.invites, s.merge)
	s.c.mu.Unlock()
	s.mu.Lock()
	s.state, s.reason, s.err = Disconnected, e.reason, e.err
	s.mu.Unlock()
	s.c.emit(SessionEvent{Session: s, State: Disconnected, Reason: e.reason, Code: e.code, Err: e.err})
	close(s.done)
	return byeErr
}

// endCause is what operations under way fail with.
func endCause(e ending) error {
	if e.err != nil {
		return e.err
	}
	return fmt.Errorf("%w: the session has ended", ErrState)
}

// shutdown ends the session without a word to the peer.
func (s *Session) shutdown() {
	_ = s.end(context.Background(), ending{reason: Shutdown, err: ErrClosed})
}

// Hangup ends the call, whatever its state: BYE, CANCEL, 603, or nothing to say. It
// returns when the session is Disconnected; the error is that of the BYE.
func (s *Session) Hangup(ctx context.Context) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return s.hangUp(ctx, Normal)
}

// hangUp is Hangup; the reason is that of a call that was up.
func (s *Session) hangUp(ctx context.Context, reason TerminateReason) error {
	s.mu.Lock()
	state, over, pending, inviting := s.state, s.ending, s.pending, s.inviting
	s.mu.Unlock()
	switch {
	case over || state == Disconnected:
		said(ctx)
		<-s.done
		return nil
	case state == Incoming:
		return s.Reject(ctx, sip.StatusGlobalDecline, "")
	case state == InProgress, state == Answering && pending == nil:
		s.drop(ErrCanceled)
		if inviting != nil {
			inviting.tx.Cancel()
		}
		said(ctx)
		<-s.done
		return nil
	case state == Answering:
		// RFC 3261 section 15: no BYE before the ACK, or before giving up on it.
		said(ctx)
		select {
		case <-pending.over:
			if !pending.isAcked() { // it is ending for that
				<-s.done
				return nil
			}
		case <-s.done:
			return nil
		case <-ctx.Done():
		}
	}
	return s.end(ctx, ending{reason: reason, bye: state != Idle})
}

// sendBye ends the dialog. That the peer no longer knows it is as good as an answer (RFC
// 3261 section 15.1.1).
func (s *Session) sendBye(ctx context.Context) error {
	req, p, dst, err := s.request(ctx, sip.BYE)
	if err != nil {
		return err
	}
	_, res, err := s.c.exchange(ctx, p, dst, req, s.credentials())
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 && res.StatusCode != sip.StatusCallTransactionDoesNotExists {
		return responseError(sip.BYE, res)
	}
	return nil
}

func (s *Session) credentials() *credentials {
	if s.profile == nil {
		return nil
	}
	return s.profile.cred
}

// gotBye answers a BYE; the session then ends on a goroutine of its own.
func (s *Session) gotBye(tx *serverTx) {
	if !s.inOrder(tx.req) {
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	tx.reply(sip.StatusOK, "OK", s.c.server()...)
	if s.takeFinal() { // RFC 3261 section 15.1.2
		s.invite.reply(sip.StatusRequestTerminated, "Request Terminated", s.c.server()...)
	}
	s.c.spawn(func(ctx context.Context) { _ = s.end(ctx, ending{}) })
}
