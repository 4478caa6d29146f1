package ua

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/natproof/natproof/stunclient"
)

// ErrUnknownMapping: a manager was given a mapping that it does not hold.
var ErrUnknownMapping = errors.New("ua: unknown mapping")

// defaultRefresh is within the 24 to 29 s of RFC 5626 section 4.4.2, and below the 30 s
// after which the most impatient of common NATs forget.
const defaultRefresh = 25 * time.Second

// STUNConfig says how a STUN port manager works. Server is required.
type STUNConfig struct {
	Server netip.AddrPort
	// Refresh is the time between two Binding requests that keep a mapping; 0 is 25 s.
	Refresh time.Duration
	// NoRefresh asks once and never again.
	NoRefresh bool
	// NoPunch makes UpdateRemoteAddress do nothing.
	NoPunch bool
	// Options are of the transactions. A GetMapping ends with Config.PortManagerTimeout
	// even if they would go on.
	Options stunclient.Options
	// OnError is told of a refresh that failed; the next one is tried all the same.
	OnError func(Mapping, error)
}

// STUN is a port manager that asks a STUN server (RFC 8489), from the very socket that
// will be used, which address the world sees. It keeps the mapping alive and reports when
// it changes. On UpdateRemoteAddress it sends a Binding indication from the socket to the
// peer, so that a NAT that filters by address lets the peer in.
//
// What it learns is the mapping towards the STUN server. Behind a NAT with endpoint-
// independent mapping that is the mapping towards everybody; behind any other it is of no
// use to the peer, and no STUN server can tell (RFC 5389 section 2).
//
// A STUN manager serves one client, all its profiles and sessions.
type STUN struct {
	cfg STUNConfig

	mu      sync.Mutex
	entries map[netip.AddrPort]*stunEntry // by internal address
}

// stunEntry is the mapping of one socket.
type stunEntry struct {
	client   *stunclient.Client
	remove   func()
	external netip.AddrPort
	users    []stunUser
	timer    *time.Timer
	ctx      context.Context
	cancel   context.CancelFunc
	busy     sync.WaitGroup // a refresh
}

// stunUser is one GetMapping that was not released.
type stunUser struct {
	m       Mapping
	changed func(Mapping)
}

// NewSTUN makes a manager.
func NewSTUN(cfg STUNConfig) (*STUN, error) {
	switch {
	case !usable(cfg.Server):
		return nil, fmt.Errorf("%w: STUN server %q is no address to send to", ErrConfig, cfg.Server)
	case cfg.Refresh < 0, cfg.NoRefresh && cfg.Refresh > 0:
		return nil, fmt.Errorf("%w: STUN refresh %v, NoRefresh %v", ErrConfig, cfg.Refresh, cfg.NoRefresh)
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = defaultRefresh
	}
	return &STUN{cfg: cfg, entries: map[netip.AddrPort]*stunEntry{}}, nil
}

// GetMapping asks the server. A socket whose mapping is being kept already is not asked
// for again, unless its mapping is to be replaced.
func (s *STUN) GetMapping(ctx context.Context, r MappingRequest) (Mapping, error) {
	sock, err := r.Bind(netip.AddrPort{})
	if err != nil {
		return Mapping{}, err
	}
	m := Mapping{Internal: sock.Internal(), Remote: r.Remote, Transport: r.Transport, Type: r.Type}
	s.mu.Lock()
	e := s.entries[m.Internal]
	if e != nil && !s.cfg.NoRefresh && r.Instead.Type == 0 {
		defer s.mu.Unlock()
		m.External = e.external
		e.users = append(e.users, stunUser{m, r.Changed})
		return m, nil
	}
	s.mu.Unlock()
	if e != nil {
		return s.askAgain(ctx, e, m, r.Changed)
	}
	return s.ask(ctx, sock, m, r.Changed)
}

func (s *STUN) ask(ctx context.Context, sock Socket, m Mapping, changed func(Mapping)) (Mapping, error) {
	e := &stunEntry{client: stunclient.New(sock, s.cfg.Options)}
	e.remove = sock.OnSTUN(func(b []byte, from net.Addr) { e.client.Handle(b, from) })
	res, err := e.client.Binding(ctx, s.cfg.Server)
	if err != nil {
		e.remove()
		e.client.Close()
		return Mapping{}, fmt.Errorf("ua: STUN server %s: %w", s.cfg.Server, err)
	}
	m.External, e.external = res.Address(), res.Address()
	e.users = []stunUser{{m, changed}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[m.Internal] = e
	if !s.cfg.NoRefresh {
		e.timer = time.AfterFunc(s.cfg.Refresh, func() { s.refresh(e) })
	}
	return m, nil
}

// askAgain is for a mapping that nobody keeps, or that may have changed.
func (s *STUN) askAgain(ctx context.Context, e *stunEntry, m Mapping, changed func(Mapping)) (Mapping, error) {
	res, err := e.client.Binding(ctx, s.cfg.Server)
	if err != nil {
		return Mapping{}, fmt.Errorf("ua: STUN server %s: %w", s.cfg.Server, err)
	}
	m.External = res.Address()
	s.mu.Lock()
	e.users = append(e.users, stunUser{m, changed})
	s.mu.Unlock()
	s.learn(e, res.Address())
	return m, nil
}

func (s *STUN) refresh(e *stunEntry) {
	s.mu.Lock()
	if e.ctx.Err() != nil {
		s.mu.Unlock()
		return
	}
	e.busy.Add(1)
	s.mu.Unlock()
	res, err := e.client.Binding(e.ctx, s.cfg.Server)
	if err == nil {
		s.learn(e, res.Address())
	}
	s.mu.Lock()
	over, m := e.ctx.Err() != nil, Mapping{}
	if !over {
		m = e.users[0].m
		e.timer.Reset(s.cfg.Refresh)
	}
	s.mu.Unlock()
	e.busy.Done() // OnError may end what a release waits for
	if err != nil && !over && s.cfg.OnError != nil && !errors.Is(err, net.ErrClosed) {
		s.cfg.OnError(m, err)
	}
}

// learn tells the users of a socket about a new external address.
func (s *STUN) learn(e *stunEntry, external netip.AddrPort) {
	s.mu.Lock()
	if e.external == external {
		s.mu.Unlock()
		return
	}
	e.external = external
	for i := range e.users {
		e.users[i].m.External = external
	}
	users := slices.Clone(e.users)
	s.mu.Unlock()
	for _, u := range users {
		if u.changed != nil {
			u.changed(u.m)
		}
	}
}

// UpdateRemoteAddress sends a packet from the mapping's socket to remote.
func (s *STUN) UpdateRemoteAddress(_ context.Context, m Mapping, remote netip.AddrPort) error {
	s.mu.Lock()
	e := s.entries[m.Internal]
	s.mu.Unlock()
	switch {
	case e == nil:
		return fmt.Errorf("%w: %s", ErrUnknownMapping, m)
	case s.cfg.NoPunch, !usable(remote):
		return nil
	}
	return e.client.Indication(remote)
}

// ReleaseMapping ends the refreshing once nobody uses the socket's mapping any more.
func (s *STUN) ReleaseMapping(_ context.Context, m Mapping) error {
	s.mu.Lock()
	e := s.entries[m.Internal]
	i := -1
	if e != nil {
		i = slices.IndexFunc(e.users, func(u stunUser) bool { return u.m.Type == m.Type && u.m.Remote == m.Remote })
	}
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %s", ErrUnknownMapping, m)
	}
	e.users = slices.Delete(e.users, i, i+1)
	if len(e.users) > 0 {
		s.mu.Unlock()
		return nil
	}
	delete(s.entries, m.Internal)
	e.cancel()
	if e.timer != nil {
		e.timer.Stop()
	}
	s.mu.Unlock()
	e.busy.Wait()
	e.remove()
	e.client.Close()
	return nil
}
