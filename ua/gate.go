package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// gate makes the calls to port managers: one at a time, with a deadline, and with a mark
// in the context by which a call back into the client is recognised.
type gate struct {
	c       *Client
	turn    chan struct{} // holds one token while a call runs
	timeout time.Duration
}

type gateKey struct{}

func newGate(c *Client, timeout time.Duration) *gate {
	return &gate{c: c, turn: make(chan struct{}, 1), timeout: timeout}
}

// inside says whether ctx was handed to a port manager by this client.
func (g *gate) inside(ctx context.Context) bool { return ctx.Value(gateKey{}) == g }

// isPrompt says of the port managers of this package that their calls end with their
// context: they need no goroutine that could be left alone with a call. What embeds one of
// them is somebody else's.
func isPrompt(pm PortManager) bool {
	switch pm.(type) {
	case Local, *Local, *Static, *STUN:
		return true
	}
	return false
}

// do calls f, of pm, in its turn. A call that outlives the deadline is left alone: late is
// then told how it ended.
func (g *gate) do(ctx context.Context, pm PortManager, f func(context.Context) error, late func(error)) error {
	if g.inside(ctx) {
		return ErrReentrant
	}
	if err := g.wait(ctx); err != nil {
		return err
	}
	g.c.ctr.managerCalled.Add(1)
	if isPrompt(pm) {
		defer func() { <-g.turn }()
		lent := &allowance{Context: ctx, g: g, until: time.Now().Add(g.timeout)}
		defer lent.end()
		return f(lent)
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	var r relay
	r.done = make(chan error, 1)
	go func() {
		err := f(context.WithValue(ctx, gateKey{}, g))
		<-g.turn
		if !r.deliver(err) && late != nil {
			late(err)
		}
	}()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if err, ok := r.abandon(); ok {
			return err
		}
		return fmt.Errorf("the port manager did not answer within %v: %w", g.timeout, ctx.Err())
	}
}

// allowance is the context of a call to a port manager of this package, few of which wait for
// anything: what a context with a deadline costs is spent when somebody does.
type allowance struct {
	context.Context
	g     *gate
	until time.Time

	mu     sync.Mutex
	timed  context.Context // nil until somebody wants to know when it ends
	cancel context.CancelFunc
}

// real is the context with a deadline.
func (l *allowance) real() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = context.WithDeadline(l.Context, l.until)
	}
	return l.timed
}

// end is its CancelFunc.
func (l *allowance) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timed == nil {
		l.timed, l.cancel = spent, func() {}
	}
	l.cancel()
}

// spent is the context of a call that has returned.
var spent = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (l *allowance) Deadline() (time.Time, bool) { return l.real().Deadline() }
func (l *allowance) Done() <-chan struct{}       { return l.real().Done() }
func (l *allowance) Err() error                  { return l.real().Err() }

func (l *allowance) Value(key any) any {
	if key == (gateKey{}) {
		return l.g
	}
	return l.real().Value(key)
}

// wait takes a turn. A port manager that calls back with a context of its own gets no
// further than this.
func (g *gate) wait(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("another call to a port manager has not returned: %w", ctx.Err())
	}
}

// relay passes one result to whoever waits, or learns that nobody does.
type relay struct {
	mu        sync.Mutex
	abandoned bool
	done      chan error
}

func (r *relay) deliver(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.abandoned {
		return false
	}
	r.done <- err
	return true
}

func (r *relay) abandon() (error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case err := <-r.done:
		return err, true
	default:
		r.abandoned = true
		return nil, false
	}
}

// held is a mapping in use, with the socket it belongs to.
type held struct {
	c     *Client
	pm    PortManager
	sip   *port      // SIP
	media *mediaPort // AudioRTP, AudioRTCP

	mu       sync.Mutex
	given    Mapping // as the manager gave it
	m        Mapping // as it is used: nothing left open
	lent     bool    // the socket goes on with another mapping
	changed  func(old, now Mapping)
	released bool
}

func (h *held) mapping() Mapping {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.m
}

// want is what an operation needs a mapping for.
type want struct {
	typ     PortType
	remote  netip.AddrPort
	near    netip.AddrPort // RTCP: the RTP port, to be next to
	first   int            // media: the pair of ports of the range to try first
	instead *held          // what it takes the place of
	changed func(old, now Mapping)
}

// getMapping asks pm for a mapping and binds what it names.
func (c *Client) getMapping(ctx context.Context, pm PortManager, w want) (*held, error) {
	h := &held{c: c, pm: pm, changed: w.changed}
	b := &binder{c: c, ctx: ctx, want: w}
	var m Mapping
	err := c.gate.do(ctx, pm, func(ctx context.Context) (err error) {
		m, err = pm.GetMapping(ctx, MappingRequest{
			Bind:   func(internal netip.AddrPort) (Socket, error) { return b.bind(ctx, internal) },
			Remote: w.remote, Transport: UDP, Type: w.typ, Changed: h.update, Instead: w.instead.asGiven(),
		})
		return err
	}, func(err error) { // too late: nobody will release it
		if err == nil {
			_ = c.gate.do(context.Background(), pm, func(ctx context.Context) error { return pm.ReleaseMapping(ctx, m) }, nil)
		}
	})
	if err != nil {
		b.discard(nil)
		if ctx.Err() != nil { // not the manager's fault
			return nil, fmt.Errorf("ua: GetMapping(%s): %w", w.typ, context.Cause(ctx))
		}
		return nil, mappingError(ErrPortMappingUnavailable, "GetMapping", w.typ, err)
	}
	h.mu.Lock()
	h.given, h.m = m, m
	h.mu.Unlock()
	if err := h.settle(b, w); err != nil {
		b.discard(nil)
		c.release(h)
		return nil, mappingError(ErrPortMappingFailed, "GetMapping", w.typ, err)
	}
	return h, nil
}

// asGiven is the mapping as its manager gave it; none of no mapping.
func (h *held) asGiven() Mapping {
	if h == nil {
		return Mapping{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.given
}

// replace releases a mapping that another one has taken the place of, perhaps on its socket.
func (c *Client) replace(old, now *held) {
	old.mu.Lock()
	old.lent = old.media == now.media
	old.mu.Unlock()
	c.release(old)
}

func mappingError(kind error, op string, t PortType, err error) error {
	if errors.Is(err, ErrPortMappingFailed) || errors.Is(err, ErrPortMappingUnavailable) {
		return fmt.Errorf("ua: %s(%s): %w", op, t, err)
	}
	return fmt.Errorf("%w: %s(%s): %w", kind, op, t, err)
}

// settle binds what is not bound, closes what is not needed and fills in what the
// manager left open.
func (h *held) settle(b *binder, w want) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := complete(&h.m, w.typ, w.remote); err != nil {
		return err
	}
	if err := b.choose(h.m.Internal); err != nil {
		return err
	}
	h.sip, h.media = b.sip, b.media
	if b.media != nil {
		h.m.Internal = b.media.local
		b.discard(b.media)
	} else {
		h.m.Internal = b.sip.local
	}
	if !h.m.External.IsValid() {
		h.m.External = h.m.Internal
	}
	return nil
}

// complete checks a mapping and fills in what follows from the request.
func complete(m *Mapping, t PortType, remote netip.AddrPort) error {
	if m.Type == 0 {
		m.Type = t
	}
	if m.Transport == 0 {
		m.Transport = UDP
	}
	if !m.Remote.IsValid() {
		m.Remote = remote
	}
	switch {
	case m.Type != t:
		return fmt.Errorf("asked for %s, given %s", t, m.Type)
	case m.Transport != UDP:
		return fmt.Errorf("asked for UDP, given %s", m.Transport)
	case m.External.IsValid() && (m.External.Port() == 0 || m.External.Addr().IsUnspecified()):
		return fmt.Errorf("external address %s cannot be sent to", m.External)
	}
	return nil
}

// update is MappingRequest.Changed.
func (h *held) update(m Mapping) {
	h.mu.Lock()
	now := m
	if h.released || h.sip == nil && h.media == nil || complete(&now, h.m.Type, h.m.Remote) != nil {
		h.mu.Unlock()
		return
	}
	now.Internal = h.m.Internal // the socket stays
	if !now.External.IsValid() {
		now.External = now.Internal
	}
	old := h.m
	h.given, h.m = m, now
	f := h.changed
	h.mu.Unlock()
	if f != nil && old.External != now.External {
		f(old, now)
	}
}

// updateRemote tells the manager about the peer's address.
func (c *Client) updateRemote(ctx context.Context, h *held, remote netip.AddrPort) error {
	h.mu.Lock()
	m := h.given
	h.m.Remote = remote
	h.mu.Unlock()
	err := c.gate.do(ctx, h.pm, func(ctx context.Context) error { return h.pm.UpdateRemoteAddress(ctx, m, remote) }, nil)
	if err != nil {
		return mappingError(ErrPortMappingFailed, "UpdateRemoteAddress", m.Type, err)
	}
	return nil
}

// release gives a mapping back; a media socket that nobody took is closed.
func (c *Client) release(h *held) {
	h.mu.Lock()
	if h.released {
		h.mu.Unlock()
		return
	}
	h.released = true
	m, lent := h.given, h.lent
	h.mu.Unlock()
	if h.media != nil && !lent {
		h.media.close()
	}
	err := c.gate.do(context.Background(), h.pm, func(ctx context.Context) error { return h.pm.ReleaseMapping(ctx, m) }, nil)
	if err != nil {
		c.log.Warn("port manager", "call", "ReleaseMapping", "mapping", m, "error", err)
		c.emit(MappingEvent{Old: m, Err: mappingError(ErrPortMappingFailed, "ReleaseMapping", m.Type, err)})
	}
}
