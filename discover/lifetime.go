package discover

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// Settle is how long a mapping is used both ways before its lifetime is
// measured: Linux gives a flow its longer timer when it is older than 2 s.
const Settle = 3 * time.Second

// A pair of sockets tests the lifetime of a mapping: X has it, and Y asks the
// server to answer to X. Every pause has an X of its own, so that no
// measurement depends on the one before.
//
// RESPONSE-PORT names a port only, so Y must have the external address of X. It
// is replaced until it has.
type pair struct {
	*session
	x, y atomic.Pointer[socket]
	// expected is the socket on which the answer to the other's request is due;
	// arrived says that something came there.
	expected atomic.Int32
	arrived  atomic.Bool
}

const (
	onNeither int32 = iota
	onX
	onY
)

// lifetime is RFC 5780 section 4.6: a binary search for the longest pause
// after which X's mapping still admits an answer. The answer must come from the
// very address X sent to, or filtering would stop it.
func (s *session) lifetime(ctx context.Context) error {
	if s.report.NAT == No {
		s.note(BindingLifetime, "there is no NAT")
		return nil
	}
	p := &pair{session: s}
	if _, err := p.open(&p.y, p.heardOnY); err != nil {
		return err
	}
	defer func() { p.y.Load().Close() }()
	if ok, err := p.works(ctx); err != nil || !ok {
		return err
	}
	found := &s.report.Lifetime
	if ok, err := p.search(ctx, &found.Span, s.cfg.LifetimeMax, p.use); err != nil || !ok {
		return err
	}
	// A mapping without an answer lives no longer than one with.
	longest := s.cfg.LifetimeMax
	if found.Expired != 0 {
		longest = min(longest, found.Expired+s.cfg.LifetimePrecision)
	}
	if ok, err := p.search(ctx, &found.Unreplied, longest, p.useUnreplied); err != nil || !ok {
		return err
	}
	return p.refreshes(ctx)
}

func (p *pair) heardOnX(b []byte, from netip.AddrPort) { p.pass(onX, p.y.Load(), b, from) }

func (p *pair) heardOnY(b []byte, from netip.AddrPort) { p.pass(onY, p.x.Load(), b, from) }

// pass hands what arrived on one socket to the one that asked for it.
func (p *pair) pass(on int32, asker *socket, b []byte, from netip.AddrPort) {
	if asker != nil && p.expected.Load() == on {
		p.arrived.Store(true)
		asker.Client().Handle(b, net.UDPAddrFromAddrPort(from))
	}
}

// redirect asks from one socket for an answer to the given port of this host's
// external address, and says whether it arrived there.
func (p *pair) redirect(ctx context.Context, from *socket, to int32, port uint16) (mapped netip.AddrPort, there bool, _ result, _ error) {
	p.arrived.Store(false)
	p.expected.Store(to)
	defer p.expected.Store(onNeither)
	r, result, err := p.ask(ctx, BindingLifetime, from, probe{to: p.cfg.Server, setters: []pion.Setter{attr.ResponsePort(port)}})
	return r.Address(), result == answered && p.arrived.Load(), result, err
}

// own asks the server for the mapping of a socket.
func (p *pair) own(ctx context.Context, of *socket) (netip.AddrPort, bool, error) {
	return p.plain(ctx, BindingLifetime, of, p.cfg.Server)
}

// open opens a socket as X or Y.
func (p *pair) open(as *atomic.Pointer[socket], heard func([]byte, netip.AddrPort)) (*socket, error) {
	sock, err := p.session.open(heard)
	if err == nil {
		as.Store(sock)
	}
	return sock, err
}

// works checks that the method does: the server knows RESPONSE-PORT, and lets Y
// use it for X.
func (p *pair) works(ctx context.Context) (bool, error) {
	x, err := p.open(&p.x, p.heardOnX)
	if err != nil {
		return false, err
	}
	defer x.Close()
	mapped, ok, err := p.own(ctx, x)
	if err != nil || !ok {
		return false, err
	}
	if ok, err := p.meet(ctx, mapped.Addr()); err != nil || !ok {
		return false, err
	}
	_, there, result, err := p.redirect(ctx, p.y.Load(), onX, mapped.Port())
	switch {
	case err != nil:
		return false, err
	case result == refused || result == garbled || result == answered && !there:
		p.note(BindingLifetime, "the server does not do RESPONSE-PORT")
		return false, nil
	case !there:
		p.note(BindingLifetime, "an answer to another port of this host does not arrive even at once")
		return false, nil
	}
	return true, nil
}

// meetings is how many sockets are tried for the external address of another.
const meetings = 64

// meet makes Y have an external address, and a mapping that is alive.
func (p *pair) meet(ctx context.Context, external netip.Addr) (bool, error) {
	for range meetings {
		mapped, ok, err := p.own(ctx, p.y.Load())
		if err != nil || !ok || mapped.Addr() == external {
			return ok, err
		}
		old := p.y.Load()
		if _, err := p.open(&p.y, p.heardOnY); err != nil {
			return false, err
		}
		if err := old.Close(); err != nil {
			return false, err
		}
	}
	p.note(BindingLifetime, "%d sockets, and none has the external address %v of another one", meetings, external)
	return false, nil
}

// A usage makes a mapping for X and tells it: Yes if it did, No if another X may
// have more luck, NotKnown if it makes no sense to go on.
type usage func(ctx context.Context, x *socket) (mapped netip.AddrPort, _ Answer, _ error)

// use is a mapping that was used both ways for a while.
func (p *pair) use(ctx context.Context, x *socket) (netip.AddrPort, Answer, error) {
	if mapped, ok, err := p.own(ctx, x); err != nil || !ok {
		return mapped, NotKnown, err
	}
	if err := sleep(ctx, Settle); err != nil {
		return netip.AddrPort{}, NotKnown, err
	}
	mapped, ok, err := p.own(ctx, x)
	if err != nil || !ok {
		return mapped, NotKnown, err
	}
	return mapped, Yes, nil
}

// useUnreplied is a mapping through which one request went out and nothing came
// back: the answer, which tells it, goes to Y.
func (p *pair) useUnreplied(ctx context.Context, x *socket) (netip.AddrPort, Answer, error) {
	y, ok, err := p.own(ctx, p.y.Load())
	if err != nil || !ok {
		return y, NotKnown, err
	}
	mapped, there, _, err := p.redirect(ctx, x, onY, y.Port())
	return mapped, answer(there), err
}

// search halves the pauses between the longest that is survived and the
// shortest that is not. It is not ok if it had to stop before the end.
func (p *pair) search(ctx context.Context, found *Span, longest time.Duration, use usage) (bool, error) {
	for pause := longest; ; pause = found.Alive + (found.Expired-found.Alive)/2 {
		paused, alive, err := p.aliveAfter(ctx, pause, use)
		switch {
		case err != nil || alive == NotKnown:
			return false, err
		case alive == Yes:
			found.Alive = paused
		case found.Expired != 0 && paused >= found.Expired:
			p.note(BindingLifetime, "a pause of %v took %v, because few sockets have the same external address", pause, paused)
			return false, nil
		default:
			found.Expired = paused
		}
		if found.Expired == 0 || found.Expired-found.Alive <= p.cfg.LifetimePrecision {
			return true, nil
		}
	}
}

// aliveAfter says whether a mapping survives a pause, and how long it was.
func (p *pair) aliveAfter(ctx context.Context, pause time.Duration, use usage) (paused time.Duration, alive Answer, err error) {
	alive, err = p.withX(ctx, use, func(mapped netip.AddrPort, _ *socket) (a Answer, err error) {
		paused, a, err = p.knock(ctx, pause, mapped)
		return a, err
	})
	return paused, alive, err
}

// withX does something with a new X and its mapping. If an answer to Y is to
// tell that, it takes as many as meet does.
func (p *pair) withX(ctx context.Context, use usage, do func(mapped netip.AddrPort, x *socket) (Answer, error)) (Answer, error) {
	for range meetings {
		x, err := p.open(&p.x, p.heardOnX)
		if err != nil {
			return NotKnown, err
		}
		mapped, used, err := use(ctx, x)
		a := NotKnown
		if err == nil && used == Yes {
			a, err = do(mapped, x)
		}
		if e := x.Close(); err == nil {
			err = e
		}
		if err != nil || used != No {
			return a, err
		}
	}
	p.note(BindingLifetime, "%d sockets, and no answer to another port of this host", meetings)
	return NotKnown, nil
}

// knock makes Y ask, after a pause, for an answer to X, and says whether it got
// through and how long the pause was: not longer than it should be, unless Y was
// not ready in time.
func (p *pair) knock(ctx context.Context, pause time.Duration, x netip.AddrPort) (paused time.Duration, _ Answer, _ error) {
	start := time.Now()
	if err := sleep(ctx, pause-meetings*pace); err != nil {
		return 0, NotKnown, err
	}
	if ok, err := p.meet(ctx, x.Addr()); err != nil || !ok {
		return 0, NotKnown, err
	}
	if err := sleep(ctx, pause-time.Since(start)); err != nil {
		return 0, NotKnown, err
	}
	if paused = time.Since(start); paused-pause < time.Millisecond {
		paused = pause
	}
	switch mapped, there, result, err := p.redirect(ctx, p.y.Load(), onX, x.Port()); {
	case err != nil:
		return 0, NotKnown, err
	case there:
		return paused, Yes, nil
	case result == answered && mapped == x:
		return paused, No, nil // it is over, and the port is Y's by now
	case result != silent:
		p.note(BindingLifetime, "the server does not do RESPONSE-PORT any more")
		return 0, NotKnown, nil
	}
	// The silence is that of the mapping only if the server still answers.
	if _, ok, err := p.own(ctx, p.y.Load()); err != nil || !ok {
		return 0, NotKnown, err
	}
	return paused, No, nil
}

// refreshes finds out which packets prolong the lifetime: one in one direction
// after three quarters of it, and a look whether the mapping is there after five
// quarters, when without that packet it would be gone.
func (p *pair) refreshes(ctx context.Context) error {
	found := &p.report.Lifetime
	early, late := found.Alive*3/4, found.Alive/2
	switch {
	case found.Expired == 0: // outlives LifetimeMax
		return nil
	case late == 0 || early+late <= found.Expired:
		p.note(BindingLifetime, "the mapping is too short-lived to test what prolongs it")
		return nil
	}
	var err error
	found.OutboundRefresh, err = p.withX(ctx, p.use, func(mapped netip.AddrPort, x *socket) (Answer, error) {
		if err := sleep(ctx, early); err != nil {
			return NotKnown, err
		}
		if err := x.Client().Indication(p.cfg.Server); err != nil {
			return NotKnown, err
		}
		_, alive, err := p.knock(ctx, late, mapped)
		return alive, err
	})
	if err != nil {
		return err
	}
	found.InboundRefresh, err = p.withX(ctx, p.use, func(mapped netip.AddrPort, _ *socket) (Answer, error) {
		if _, alive, err := p.knock(ctx, early, mapped); err != nil || alive != Yes {
			return NotKnown, err
		}
		_, alive, err := p.knock(ctx, late, mapped)
		return alive, err
	})
	return err
}
