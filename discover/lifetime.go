package discover

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

// A pair of sockets tests the lifetime of one's mapping: Y asks the server to
// answer to X.
type pair struct {
	*session
	x, y *socket
	// onX says that the answer to Y's newest question arrived on X.
	onX atomic.Bool
	// asker is Y's client, known once Y is open.
	asker atomic.Pointer[stunclient.Client]
}

// lifetime is RFC 5780 section 4.6: a binary search for the longest pause
// after which X's mapping still admits an answer. The answer must come from the
// very address X sent to, or filtering would stop it.
func (s *session) lifetime(ctx context.Context) error {
	if s.report.NAT == No {
		s.note(BindingLifetime, "there is no NAT")
		return nil
	}
	p := &pair{session: s}
	var err error
	if p.x, err = s.open(p.heardOnX); err != nil {
		return err
	}
	defer p.x.Close()
	if p.y, err = s.open(nil); err != nil {
		return err
	}
	defer p.y.Close()
	p.asker.Store(p.y.Client())

	if ok, err := p.works(ctx); err != nil || !ok {
		return err
	}
	found := &s.report.Lifetime
	for pause := s.cfg.LifetimeMax; ; pause = found.Alive + (found.Expired-found.Alive)/2 {
		switch alive, err := p.aliveAfter(ctx, pause); {
		case err != nil || alive == NotKnown:
			return err
		case alive == Yes:
			found.Alive = pause
		default:
			found.Expired = pause
		}
		if found.Expired == 0 { // outlives LifetimeMax
			return nil
		}
		if found.Expired-found.Alive <= s.cfg.LifetimePrecision {
			return p.inboundRefresh(ctx)
		}
	}
}

func (p *pair) heardOnX(b []byte, from netip.AddrPort) {
	if c := p.asker.Load(); c != nil {
		p.onX.Store(true)
		c.Handle(b, net.UDPAddrFromAddrPort(from))
	}
}

// works checks that the method does: the server knows RESPONSE-PORT, and both
// sockets have the same external address.
func (p *pair) works(ctx context.Context) (bool, error) {
	mapped, ok, err := p.refresh(ctx)
	if err != nil || !ok {
		return false, err
	}
	r, result, err := p.ask(ctx, BindingLifetime, p.y, probe{to: p.cfg.Server})
	switch {
	case err != nil:
		return false, err
	case result != answered:
		p.note(BindingLifetime, "%v did not answer", p.cfg.Server)
		return false, nil
	case r.Address().Addr() != mapped.Addr():
		p.note(BindingLifetime, "two sockets have different external addresses, %v and %v", mapped.Addr(), r.Address().Addr())
		return false, nil
	}
	onX, result, err := p.knock(ctx, mapped)
	switch {
	case err != nil:
		return false, err
	case result == refused || result == garbled || result == answered && !onX:
		p.note(BindingLifetime, "the server does not do RESPONSE-PORT")
		return false, nil
	case !onX:
		p.note(BindingLifetime, "an answer to another port of this host does not arrive even at once")
		return false, nil
	}
	return true, nil
}

// refresh makes X send, and tells its mapping.
func (p *pair) refresh(ctx context.Context) (netip.AddrPort, bool, error) {
	r, result, err := p.ask(ctx, BindingLifetime, p.x, probe{to: p.cfg.Server})
	if err == nil && result != answered {
		p.note(BindingLifetime, "%v did not answer", p.cfg.Server)
	}
	return r.Address(), result == answered, err
}

// knock makes Y ask for an answer to X.
func (p *pair) knock(ctx context.Context, x netip.AddrPort) (onX bool, _ result, _ error) {
	p.onX.Store(false)
	_, result, err := p.ask(ctx, BindingLifetime, p.y, probe{to: p.cfg.Server, setters: []pion.Setter{attr.ResponsePort(x.Port())}})
	return result == answered && p.onX.Load(), result, err
}

// aliveAfter says whether X's mapping survives a pause.
func (p *pair) aliveAfter(ctx context.Context, pause time.Duration) (Answer, error) {
	mapped, ok, err := p.refresh(ctx)
	if err != nil || !ok {
		return NotKnown, err
	}
	if err := sleep(ctx, pause); err != nil {
		return NotKnown, err
	}
	onX, _, err := p.knock(ctx, mapped)
	return answer(onX), err
}

// inboundRefresh lets answers arrive at X, none of them later than three
// quarters of the lifetime after the one before, until X itself has been quiet
// for longer than the lifetime.
func (p *pair) inboundRefresh(ctx context.Context) error {
	found := &p.report.Lifetime
	step := found.Alive * 3 / 4
	if step == 0 {
		p.note(BindingLifetime, "the mapping is too short-lived to test whether inbound packets prolong it")
		return nil
	}
	mapped, ok, err := p.refresh(ctx)
	if err != nil || !ok {
		return err
	}
	for quiet := step; ; quiet += step {
		if err := sleep(ctx, step); err != nil {
			return err
		}
		onX, _, err := p.knock(ctx, mapped)
		switch {
		case err != nil:
			return err
		case !onX:
			found.InboundRefresh = No
			return nil
		case quiet > found.Expired:
			found.InboundRefresh = Yes
			return nil
		}
	}
}
