package stateless

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/setting"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// Router is a [natmodels.Model] that forwards every packet unchanged in both directions: no
// translation and no filtering.
type Router struct{}

// PrefixTranslator is a [natmodels.Model] that rewrites the addresses of prefixes and
// nothing else, both ways, without state or filter: IPv6 as RFC 6296 has it, with the
// checksum left neutral where that is possible, IPv4 as Basic NAT with a static address for
// each host (RFC 2663 section 4.1.1).
type PrefixTranslator struct {
	Prefixes []natmodels.PrefixMapping
}

const (
	nowhereRouter = "a router translates and filters nothing"
	nowherePrefix = "a prefix translator has no state and no ports"
)

// behavior is that of both: what arrives goes on. There is no mapping to end; its timers are
// those that RFC 4787 recommends.
func behavior(kind natmodels.Kind) natmodels.Behavior {
	const idle = 5 * time.Minute // RFC 4787 section 4.3, REQ-5c
	return natmodels.Behavior{
		Kind: kind, Preserved: []natmodels.PortRange{{First: 1, Last: 65535}}, Unreplied: idle, Idle: idle,
	}
}

// Behavior is that of no NAT.
func (Router) Behavior() natmodels.Behavior { return behavior(natmodels.Router) }

// Announces are the prefixes outside.
func (x PrefixTranslator) Announces() []netip.Prefix { return judge.OutsideOf(x.Prefixes) }

// Behavior is that of addresses that change, and nothing else.
func (PrefixTranslator) Behavior() natmodels.Behavior { return behavior(natmodels.PrefixTranslator) }

var (
	routerSettings setting.Table[Router]
	prefixSettings = setting.Table[PrefixTranslator]{
		setting.Prefixes("prefixes", "prefixes that are translated 1:1, and what they are outside (RFC 6296)",
			func(t *PrefixTranslator) *[]natmodels.PrefixMapping { return &t.Prefixes }),
	}
)

// Settings lists none.
func (r Router) Settings() []natmodels.Setting { return routerSettings.List(r) }

// Settings lists the prefixes.
func (t PrefixTranslator) Settings() []natmodels.Setting { return prefixSettings.List(t) }

// With refuses every setting.
func (r Router) With(name string, words ...string) (natmodels.Model, error) {
	return routerSettings.With(r, name, words)
}

// With changes the prefixes.
func (t PrefixTranslator) With(name string, words ...string) (natmodels.Model, error) {
	return prefixSettings.With(t, name, words)
}

// Validate finds nothing.
func (Router) Validate() error { return nil }

// Validate checks the prefixes.
func (t PrefixTranslator) Validate() error { return errors.Join(t.problems()...) }

func (t PrefixTranslator) problems() judge.Problems {
	var p judge.Problems
	if len(t.Prefixes) == 0 {
		p.Add("prefixes", "a prefix translator needs prefixes")
	}
	for _, m := range t.Prefixes {
		if m.Internal.Addr().Is6() && m.Internal.Bits() > 64 {
			p.Add("prefixes", "%v: RFC 6296 translates prefixes of at most 64 bits here", m.Internal)
		}
	}
	p.Prefixes(t.Prefixes)
	return p
}

// New returns a router. Its place has neither external addresses nor port forwards.
func (Router) New(place natmodels.Place) (natmodels.Box, error) {
	var p judge.Problems
	p.Nowhere(place, nowhereRouter)
	if err := errors.Join(p...); err != nil {
		return nil, err
	}
	return &router{stateless{seed: place.Seed}}, nil
}

// New returns such a box. Its place has neither external addresses nor port forwards.
func (t PrefixTranslator) New(place natmodels.Place) (natmodels.Box, error) {
	p := t.problems()
	p.Nowhere(place, nowherePrefix)
	if err := errors.Join(p...); err != nil {
		return nil, err
	}
	t.Prefixes = slices.Clone(t.Prefixes)
	return &prefixBox{stateless{seed: place.Seed}, t, table.PackPrefixes(t.Prefixes)}, nil
}

// stateless is what a box without state has of a [natmodels.Box].
type stateless struct {
	seed  uint64
	stats natmodels.Stats
}

// Place has nothing but the seed.
func (b *stateless) Place() natmodels.Place { return natmodels.Place{Seed: b.seed} }

// Due returns nothing.
func (b *stateless) Due(time.Time) []natmodels.Packet { return nil }

// NextDue returns false.
func (b *stateless) NextDue() (at time.Time, ok bool) { return time.Time{}, false }

// Advance does nothing.
func (b *stateless) Advance(time.Time) {}

// Flush does nothing.
func (b *stateless) Flush() {}

// Mappings are none.
func (b *stateless) Mappings(time.Time) []natmodels.MappingInfo { return []natmodels.MappingInfo{} }

// Admitted is everyone.
func (b *stateless) Admitted(natmodels.MappingInfo, time.Time) (remotes []netip.AddrPort, everyone bool) {
	return nil, true
}

// Stats returns the counters.
func (b *stateless) Stats(time.Time) natmodels.Stats { return b.stats }

// renumber refuses addresses.
func (b *stateless) renumber(external []netip.Addr, why string) error {
	var p judge.Problems
	p.Nowhere(natmodels.Place{External: external}, why)
	return errors.Join(p...)
}

// expectable checks what no box without state can do.
func expectable(e natmodels.Expectation) natmodels.Reason {
	four := e.Internal.Addr().Is4()
	_, _, reason := judge.Expected(e, four, four)
	if reason == natmodels.NotDropped && e.Tracked != (natmodels.TrackedExpectation{}) {
		return natmodels.Invalid
	}
	return reason
}

// router is a Router in its place.
type router struct{ stateless }

// Model is a Router.
func (r *router) Model() natmodels.Model { return Router{} }

// Outbound forwards a packet.
func (r *router) Outbound(p natmodels.Packet, _ time.Time) natmodels.Verdict {
	r.stats.Outbound++
	return r.pass(p)
}

// Inbound forwards a packet.
func (r *router) Inbound(p natmodels.Packet, _ time.Time) natmodels.Verdict {
	r.stats.Inbound++
	return r.pass(p)
}

func (r *router) pass(p natmodels.Packet) natmodels.Verdict {
	r.stats.Forwarded++
	return natmodels.Verdict{Action: natmodels.Forward, Packet: p}
}

// Explain says that a packet was routed.
func (r *router) Explain(v natmodels.Verdict) string { return judge.Explain(v, judge.Drop) }

// Expect returns the internal endpoint, which is the external one.
func (r *router) Expect(e natmodels.Expectation, _ time.Time) (netip.AddrPort, natmodels.Reason) {
	if reason := expectable(e); reason != natmodels.NotDropped {
		return netip.AddrPort{}, reason
	}
	return e.Internal, natmodels.NotDropped
}

// SetBehavior has a router stay one.
func (r *router) SetBehavior(m natmodels.Model) error {
	if _, ok := m.(Router); !ok {
		return judge.Become(natmodels.Router, m.Behavior().Kind)
	}
	return nil
}

// Renumber is refused: a router has no external addresses.
func (r *router) Renumber(external []netip.Addr) error { return r.renumber(external, nowhereRouter) }

// Snapshot saves the box.
func (r *router) Snapshot() natmodels.Snapshot { return routerSnapshot(*r) }

type routerSnapshot router

// Restore returns a box with the same counters.
func (s routerSnapshot) Restore() natmodels.Box {
	r := router(s)
	return &r
}
