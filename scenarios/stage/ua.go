package stage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/ua"
)

// UA is the user agent of package ua. It is whatever the cell wants it to be.
var UA = Phone{Name: "ua", Tells: true, Traits: uaTraits, New: newAgent}

// agent is the user agent of one side, with its account. It answers every call.
type agent struct {
	client  *ua.Client
	profile *ua.Profile
	setup   Setup

	mu    sync.Mutex
	last  *ua.Session // the last call, in or out
	watch *ua.Subscription
}

// retryBase keeps a failed registration from being tried again while the flow
// is played: one REGISTER, one verdict.
const retryBase = time.Hour

// newAgent starts a user agent as the cell wants it.
func newAgent(s Setup) (Endpoint, error) {
	a := &agent{setup: s}
	cfg := ua.Config{
		Listen:       s.listen,
		LocalAddr:    s.Host.Addr(),
		SIPPort:      s.SIPPort,
		MediaPortMin: s.RTPPort, MediaPortMax: s.RTPPort + uint16(2*s.Lines) - 1,
		Seed:    s.Seed,
		OnEvent: a.event,
		Options: options(s),
	}
	manager, err := a.manager()
	if err != nil {
		return nil, err
	}
	if a.client, err = ua.New(cfg); err != nil {
		return nil, err
	}
	if a.profile, err = a.client.NewProfile(ua.ProfileConfig{
		Account:   ua.Account{URI: s.URI},
		Registrar: s.Proxy,
		Expires:   Expires(s.Cell),
		RetryBase: retryBase,
		KeepAlive: keepAlive(s.Cell),
	}); err != nil {
		return nil, err
	}
	if err := a.profile.SetPortManager(manager); err != nil {
		return nil, err
	}
	return a, a.client.Start(context.Background())
}

// manager makes the port manager that the cell names. A side that is silent
// opens no hole by punching either.
func (a *agent) manager() (ua.PortManager, error) {
	s := a.setup
	switch {
	case s.Cell.PortManager == cell.ManagerSTUN:
		return ua.NewSTUN(ua.STUNConfig{Server: s.STUN, NoPunch: s.Cell.Silent.Has(s.Side)})
	case len(s.Forwards) > 0:
		var known []ua.StaticMapping
		for i, f := range s.Forwards {
			known = append(known, ua.StaticMapping{Type: forwarded(i), Internal: f.Internal, External: f.External})
		}
		return ua.NewStatic(known...)
	}
	return ua.Local{}, nil
}

// forwarded is what a port forward is for: the first for SIP, then two for each call.
func forwarded(i int) ua.PortType {
	switch {
	case i == 0:
		return ua.SIP
	case i%2 == 1:
		return ua.AudioRTP
	}
	return ua.AudioRTCP
}

func (a *agent) Register(ctx context.Context) error { return unanswered(a.profile.Enable(ctx)) }

func (a *agent) Call(ctx context.Context, target string) (Call, error) {
	s, err := a.client.NewSession(a.profile)
	if err != nil {
		return nil, err
	}
	a.keep(s)
	if err := s.Call(ctx, target); err != nil {
		return nil, unanswered(err)
	}
	return agentCall{s}, nil
}

// agentCall is a call that the user agent made.
type agentCall struct{ session *ua.Session }

func (c agentCall) Hangup(ctx context.Context) error { return unanswered(c.session.Hangup(ctx)) }

func (c agentCall) Transfer(ctx context.Context, target string) error {
	return unanswered(c.session.Transfer(ctx, target))
}

func (c agentCall) TransferTo(ctx context.Context, other Call) error {
	to, ok := other.(agentCall)
	if !ok {
		return ErrCannot
	}
	return unanswered(c.session.TransferTo(ctx, to.session))
}

// Hangup ends the last call, in or out.
func (a *agent) Hangup(ctx context.Context) error {
	s, err := a.latest()
	if err == nil {
		err = unanswered(s.Hangup(ctx))
	}
	return err
}

// latest is the last call, in or out.
func (a *agent) latest() (*ua.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		return nil, ErrCannot
	}
	return a.last, nil
}

// Press presses keys in the last call. A phone that is silent has no stream to press them in, which
// theory knows.
func (a *agent) Press(ctx context.Context, digits string) error {
	a.mu.Lock()
	s := a.last
	a.mu.Unlock()
	if s == nil {
		return ErrCannot
	}
	err := s.SendDTMF(ctx, digits, 0)
	if errors.Is(err, media.ErrNotSending) {
		return Unanswered(err)
	}
	return err
}

func (a *agent) Close() error { return a.client.Close() }

// unanswered marks what the network explains: no answer, or a refusal.
func unanswered(err error) error {
	var refused *ua.ResponseError
	if errors.Is(err, ua.ErrTransactionTimeout) || errors.Is(err, ua.ErrTransfer) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &refused) {
		return Unanswered(err)
	}
	return err
}

// event answers calls, and tells of responses that were of no use.
func (a *agent) event(e ua.Event) {
	switch e := e.(type) {
	case ua.DiscardEvent:
		a.setup.Tell(wire.Told{
			Box: a.setup.Host.Name(), Rule: cell.RuleForeignVia, Status: e.Code, Method: e.Method, CallID: e.CallID,
			Why: fmt.Sprintf("the Via of the request named %s and that of the response names %s (RFC 3261 §18.1.2)", e.Sent, e.Got),
		})
	case ua.SessionEvent:
		if e.State == ua.Incoming || e.State == ua.InProgress { // the latter of a call that it was asked to make, too
			a.keep(e.Session)
		}
		if e.State != ua.Incoming || e.Replaces != nil {
			return
		}
		// What fails here is seen on the wire: the caller gets no 2xx, or another response.
		if ring := rings(a.setup.Cell); ring > 0 {
			go earlyMedia(e.Session, ring)
		} else if ring := picksUp(a.setup.Cell, a.setup.Side); ring > 0 {
			go ringFirst(e.Session, ring)
		} else if e.Session.Ring(context.Background()) == nil {
			_ = e.Session.Answer(context.Background())
		}
	}
}

// earlyMedia lets the caller hear the callee before it answers.
func earlyMedia(s *ua.Session, ring time.Duration) {
	if s.EarlyMedia(context.Background(), 183) != nil {
		return
	}
	pickUp(s, ring)
}

// ringFirst lets the callee ring for a while.
func ringFirst(s *ua.Session, ring time.Duration) {
	if s.Ring(context.Background()) == nil {
		pickUp(s, ring)
	}
}

// pickUp answers after a while.
func pickUp(s *ua.Session, ring time.Duration) {
	pickUp := time.NewTimer(ring)
	defer pickUp.Stop()
	select {
	case <-pickUp.C:
		_ = s.Answer(context.Background())
	case <-s.Done():
	}
}

func (a *agent) keep(s *ua.Session) {
	a.mu.Lock()
	a.last = s
	a.mu.Unlock()
}

// Counts are those of the last call.
func (a *agent) Counts() []Count {
	a.mu.Lock()
	s := a.last
	a.mu.Unlock()
	if s == nil {
		return nil
	}
	stats, _ := s.MediaStats()
	return counts(stats)
}

// counts is what a stream's counters tell.
func counts(s media.Stats) []Count {
	return []Count{
		{Part: cell.RTP, Used: s.RTPReceived, Discarded: s.RTPStrictDropped, From: s.StrictFrom,
			Why: fmt.Sprintf("the session description named %v", s.Signalled)},
		{Part: cell.RTCP, Used: s.RTCPReceived, Discarded: s.RTCPStrictDropped, From: s.RTCPStrict,
			Why: fmt.Sprintf("the session description named %v", s.RTCPSignalled)},
	}
}
