package certify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/vnet"
)

// bench is a lab in which the phone is looked at: it, the far end, and servers.
type bench struct {
	cell  cell.Cell
	world *stage.World
	phone stage.Endpoint
	able  able
	far   *farEnd
	seed  uint64
	stops []func() error

	mu     sync.Mutex
	events []vnet.Event
	said   map[string]error
	times  map[string]mark
}

// probeFlow is what the cells of probes are of: a call between two phones.
var probeFlow = flows.Call

// patience is how long the phone may take over a request.
const patience = 40 * time.Second

// probe is what is done to learn about a phone.
type probe struct {
	name string
	nat  string // in front of the phone
	// forwards: ports are forwarded to it.
	forwards bool
	// keepsPorts: the NAT has the same ports outside as inside, so that any phone registers.
	keepsPorts bool
	ring       time.Duration // how long the far end rings
	// registrar, if set, takes the place of the proxy.
	registrar *responder
	// waits is how long it waits for the phone to do something by itself.
	waits func(Options) time.Duration
	play  func(ctx context.Context, b *bench, wait time.Duration) error
}

// look plays a probe and reads what was seen.
func (p probe) look(ctx context.Context, phone stage.Phone, o Options) *tape {
	var b *bench
	var err, leak error
	if phone.Brings {
		b, err = p.run(ctx, phone, o)
	} else { // nothing of the outer context goes into the bubble
		leak = bubble.Run(func() { b, err = p.run(context.Background(), phone, o) })
	}
	t := read(p.name, b.events)
	t.err = errors.Join(err, leak)
	t.said, t.times, t.able = b.said, b.times, b.able
	return t
}

func (p probe) run(ctx context.Context, phone stage.Phone, o Options) (b *bench, err error) {
	b = &bench{seed: o.Seed, said: map[string]error{}, times: map[string]mark{}}
	b.cell = cell.Default(probeFlow, p.nat, cell.NoNAT)
	b.cell.PortManager, b.cell.Hosts = cell.ManagerLocal, cell.HostsNative
	if p.forwards {
		b.cell.PortManager = cell.ManagerStatic
	}
	b.cell.Registrar, b.cell.KeepAlive = cell.RegistrarReceived, cell.KeepAliveSTUN // which the proxy answers
	lab, err := vnet.New(vnet.Config{Seed: o.Seed, DiscardTrace: true, OnEvent: b.record})
	if err != nil {
		return b, err
	}
	b.stops = append(b.stops, lab.Close)
	defer func() {
		for i := len(b.stops) - 1; i >= 0; i-- {
			err = errors.Join(err, b.stops[i]())
		}
	}()
	if err := p.build(b, lab, phone); err != nil {
		return b, err
	}
	wait := time.Duration(0)
	if p.waits != nil {
		wait = p.waits(o)
	}
	err = p.play(ctx, b, wait)
	b.pass(ctx, time.Second) // what is still on its way arrives
	return b, errors.Join(err, ctx.Err())
}

func (p probe) build(b *bench, lab *vnet.Lab, phone stage.Phone) error {
	var err error
	if b.world, err = stage.NewWorld(lab, b.cell, b.seed, stage.DefaultLink, stage.Phones{cell.A: phone}.Bringing()...); err != nil {
		return err
	}
	if b.world.NATA != nil && !p.forwards && !p.keepsPorts { // other ports outside than inside, so that who writes which is seen
		m, err := catalogue.Lookup(p.nat)
		if err == nil {
			m, err = catalogue.Vary(m, "ports random")
		}
		if err == nil {
			err = b.world.NATA.SetBehavior(m)
		}
		if err != nil {
			return err
		}
	}
	stop, err := b.world.ServeSTUN()
	if err != nil {
		return err
	}
	b.stops = append(b.stops, stop)
	if r := p.registrar; r != nil {
		r := *r
		if r.conn, err = b.world.Proxy.Listen(cell.ProxyOf(b.cell)); err != nil {
			return err
		}
		r.start()
		b.stops = append(b.stops, r.close)
	} else {
		if stop, err = b.world.ServeProxy(b.cell, b.seed); err != nil {
			return err
		}
		b.stops = append(b.stops, stop)
		if b.far, err = newFarEnd(b.world.B, cell.ProxyOf(b.cell), b.seed, p.ring); err != nil {
			return err
		}
		b.stops = append(b.stops, b.far.close)
	}
	mine := b.cell
	mine.KeepAlive = cell.KeepAliveNone // nobody asks it for one
	if b.phone, err = b.world.Endpoint(mine, cell.A, phone, b.seed, func(wire.Told) {}); err != nil {
		return err
	}
	b.able = abilities(b.phone)
	b.stops = append(b.stops, b.phone.Close)
	return nil
}

func (b *bench) record(e vnet.Event) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
}

// now marks the time at which a part of the probe begins.
func (b *bench) now(what string) { b.times[what] = b.world.Lab.Now() }

// pass lets a time pass.
func (b *bench) pass(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// asks has the phone do something, and keeps what it says.
func (b *bench) asks(ctx context.Context, what string, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := do(ctx)
	b.said[what] = err
	return err == nil
}

// registers has the phone register.
func (b *bench) registers(ctx context.Context) bool {
	return b.asks(ctx, "register", b.phone.Register)
}

// meets has both register.
func (b *bench) meets(ctx context.Context) error {
	b.registers(ctx)
	if err := b.far.profile.Enable(ctx); err != nil {
		return fmt.Errorf("certify: the far end: %w", err)
	}
	return nil
}

// calls has one of the two call the other: the phone, or, if it cannot, the far end. The call is
// ended by who made it.
func (b *bench) calls(ctx context.Context) (hangup func(), ok bool) {
	var call stage.Call
	if b.asks(ctx, "call", func(ctx context.Context) (err error) {
		if call, err = b.phone.Call(ctx, "sip:b@"+cell.Domain); err == nil && call == nil {
			err = errNoCall
		}
		return err
	}) {
		return func() { b.asks(ctx, "hang up", call.Hangup) }, true
	}
	if !errors.Is(b.said["call"], stage.ErrCannot) {
		return nil, false
	}
	return b.isCalled(ctx)
}

// isCalled has the far end call the phone.
func (b *bench) isCalled(ctx context.Context) (hangup func(), ok bool) {
	if !b.asks(ctx, "answer", func(ctx context.Context) error { return b.far.call(ctx, "sip:a@"+cell.Domain) }) {
		return nil, false
	}
	return func() {
		b.asks(ctx, "be hung up on", func(ctx context.Context) error {
			s, err := b.far.session()
			if err == nil {
				err = s.Hangup(ctx)
			}
			return err
		})
	}, true
}

// strays sends the phone a request from somebody whom it has nothing to do with.
func (b *bench) strays(ctx context.Context, to netip.AddrPort) error {
	at := netip.AddrPortFrom(b.world.STUN.Addr(), 5070)
	conn, err := b.world.STUN.Listen(at)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.WriteTo(stray(at, "sip:a@"+to.String()), net.UDPAddrFromAddrPort(to))
	b.pass(ctx, 2*time.Second)
	return err
}
