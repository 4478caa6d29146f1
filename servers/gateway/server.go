package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/natproof/natproof/internal/inturn"
	"github.com/natproof/natproof/ua"
)

// Server is a gateway on one SIP socket. Make it with New, run it with Serve.
type Server struct {
	cfg    Config
	conn   net.PacketConn
	local  netip.AddrPort
	client *ua.Client

	done    chan struct{} // closed when Close has ended everything
	broken  chan error    // of the SIP socket
	taken   chan struct{} // for Shutdown: a call that was let in is in the list
	wg      sync.WaitGroup
	given   atomic.Bool        // the client has the SIP socket
	changes inturn.Queue[Call] // for OnChange

	mu       sync.Mutex
	draining bool // Shutdown: no new calls
	closed   bool
	live     int // calls that were let in and have not ended
	calls    []*call
	sessions map[*ua.Session]*call // the ones that have not ended
}

// New makes a gateway on a socket that is bound to a concrete address. From now on the Server
// owns the socket and Close closes it; when New fails it stays the caller's.
func New(conn net.PacketConn, cfg Config) (*Server, error) {
	if conn == nil {
		return nil, fmt.Errorf("%w: no socket", ErrConfig)
	}
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("%w: local address: %w", ErrConfig, err)
	}
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, conn: conn, local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port()),
		done: make(chan struct{}), broken: make(chan error, 1), taken: make(chan struct{}, 1), sessions: map[*ua.Session]*call{},
		changes: inturn.Queue[Call]{Call: cfg.OnChange},
	}
	if s.client, err = ua.New(s.userAgent()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return s, nil
}

// listen gives the user agent the SIP socket first, then media sockets.
func (s *Server) listen(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
	if !s.given.Swap(true) {
		return s.conn, nil
	}
	return s.cfg.Listen(at)
}

// Serve answers calls until Close, and then returns nil once OnChange has been told of all
// changes. If the socket fails before that it returns ErrSocket.
func (s *Server) Serve() error {
	err := s.client.Start(context.Background())
	switch {
	case errors.Is(err, ua.ErrClosed):
		return ErrClosed
	case errors.Is(err, ua.ErrAlreadyStarted):
		return errors.New("gateway: serve: already serving")
	case err == nil:
		select {
		case <-s.done:
		case err = <-s.broken:
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSocket, err)
	}
	s.changes.Wait()
	return nil
}

// Close stops at once, as a power cut would: media ends, callers are not told by SIP. It
// returns when every goroutine but those of Serve and OnChange has ended. See Shutdown.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	defer close(s.done)
	err := s.client.Close()
	s.wg.Wait()
	if e := s.conn.Close(); e != nil && !errors.Is(e, net.ErrClosed) { // open if Serve never ran
		err = errors.Join(err, e)
	}
	return err
}

// Shutdown takes no more calls (503), hangs up those there are, and closes when they have
// ended or ctx has.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for s.live > len(s.sessions) && ctx.Err() == nil && !s.closed { // let in, and not yet told of by the user agent
		s.mu.Unlock()
		select {
		case <-s.taken:
		case <-s.done:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
	if s.closed {
		s.mu.Unlock()
		return ctx.Err()
	}
	s.wg.Add(1) // somebody else's Close waits for this
	calls := slices.Clone(s.calls)
	s.mu.Unlock()
	for _, c := range calls {
		c.ours.CompareAndSwap(uint32(NotEnded), uint32(GatewayHungUp))
		c.become(Hangup)
		_ = c.session.Refuse(ctx, ua.Refusal{Code: 503}) // if it is ringing
	}
	_ = s.client.Shutdown(ctx) // hangs up the others in their order
	s.wg.Done()
	return errors.Join(ctx.Err(), s.Close())
}

// Hangup ends an established call with a BYE. It does not wait for the response; the call's
// state tells.
func (s *Server) Hangup(callID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		switch {
		case c.view.ID != callID || c.view.State == Ended:
			continue
		case c.view.State < Answered:
			return ErrNotReady
		case !s.closed:
			s.wg.Go(func() { c.guarded(c.hangup) })
		}
		return nil
	}
	return ErrNoCall
}

// Calls lists the calls in the order they arrived, the ended ones included.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Call
	for _, c := range s.calls {
		list = append(list, c.snapshot())
	}
	return list
}

// Stats are the counters of the gateway's user agent at this moment.
func (s *Server) Stats() ua.Stats { return s.client.Stats() }

// LocalAddr is the address of the SIP socket.
func (s *Server) LocalAddr() netip.AddrPort { return s.local }

// admit is the policy: who may call, and how many.
func (s *Server) admit(a ua.Arrival) *ua.Refusal {
	call := a.Method == "INVITE"
	if call && !s.cfg.Numbers(a.Called) {
		return &ua.Refusal{Code: 404}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.draining || s.closed:
		return &ua.Refusal{Code: 503}
	case s.cfg.MaxCalls > 0 && s.live >= s.cfg.MaxCalls:
		return &ua.Refusal{Code: 486}
	case call:
		s.live++
	}
	return nil
}

// event is told what happens, one thing at a time.
func (s *Server) event(e ua.Event) {
	switch e := e.(type) {
	case ua.SocketEvent:
		select {
		case s.broken <- e.Err:
		default:
		}
	case ua.MediaEvent:
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.sessions[e.Session]; c != nil && e.State == ua.MediaChanged {
			c.view.Reinvites++
		}
	case ua.DTMFEvent:
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.sessions[e.Session]; c != nil {
			d := c.view.Digits + string(e.Digit)
			c.view.Digits = d[max(0, len(d)-maxDigits):]
		}
	case ua.SessionEvent:
		s.mu.Lock()
		c := s.sessions[e.Session]
		s.mu.Unlock()
		if e.State == ua.Incoming {
			s.take(e.Session)
		} else if c != nil {
			c.follow(e)
		}
	}
}

// take begins a call.
func (s *Server) take(session *ua.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{s: s, session: session, view: Call{
		ID: session.CallID(), Number: session.Called(), From: session.Peer(), Source: session.Source(), Invited: time.Now(),
	}}
	s.calls = append(s.calls, c)
	s.sessions[session] = c
	s.wg.Go(func() { c.guarded(c.run) })
	select {
	case s.taken <- struct{}{}:
	default:
	}
}

// forget lets a call's place go to another, and takes ended calls out of the list once there
// are too many; mu is held.
func (s *Server) forget(c *call) {
	delete(s.sessions, c.session)
	s.live--
	for extra := len(s.calls) - len(s.sessions) - s.cfg.History; extra > 0; extra-- {
		i := slices.IndexFunc(s.calls, func(c *call) bool { return c.view.State == Ended })
		s.calls = slices.Delete(s.calls, i, i+1)
	}
}
