package translate

import (
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// Expect opens the NAT for an expectation and returns the external endpoint to
// announce. The Reason is NotDropped, or says why there is none: BadPacket,
// UnsupportedProtocol or FamilyMismatch of what could not be translated, a lack of ports
// or mappings as for any packet, or Invalid if a box is asked for what it cannot do: a
// Translator for what only tracking connections can, a Firewall for another port.
//
// In a Translator this is a mapping that serves, in both directions, whatever the
// internal endpoint exchanges with the remotes that are expected, with all of them the
// same, whatever the mapping behavior is, and that admits them whatever the filtering is.
// It lives until the lifetime is over, and then by the timers of any mapping; it admits
// those who were expected for the lifetime and, once one of them has sent, until the
// mapping ends. Expecting the same again prolongs it.
//
// A Conntrack or Firewall lets one flow in, which then is a connection as any other.
func (n *NAT) Expect(e natmodels.Expectation, now time.Time) (external netip.AddrPort, reason natmodels.Reason) {
	t := n.clock.Tick(now)
	n.expireSome(t)
	if e.Lifetime <= 0 {
		e.Lifetime = natmodels.DefaultExpectationLifetime
	}
	outside4 := n.pools[0].ip.Is4()
	internal, remote, reason := judge.Expected(e, outside4 && !n.mixed, outside4)
	switch {
	case reason != natmodels.NotDropped:
		return netip.AddrPort{}, reason
	case e.Tracked != natmodels.TrackedExpectation{}:
		return netip.AddrPort{}, natmodels.Invalid
	}
	ref, m, reason := n.expected(e.Protocol, internal, remote, t)
	if m == nil {
		return netip.AddrPort{}, reason
	}
	if !m.static {
		n.open(ref, m, remote.Addr, t, t+uint64(e.Lifetime))
	}
	return n.pools[m.pool].external(m.port), natmodels.NotDropped
}

// expected returns the mapping that serves an expectation, which may be one that was
// there.
func (n *NAT) expected(p natmodels.Protocol, internal, remote table.Endpoint, t uint64) (uint32, *mapping, natmodels.Reason) {
	sp := spaceOf(p)
	if ref, m := n.findOpen(p, internal, remote, t); m != nil {
		return ref, m, natmodels.NotDropped
	}
	key := remote
	if n.mapping[sp] == natmodels.EndpointIndependent {
		key = table.Endpoint{}
	}
	f := flowOf(p, internal, key)
	if ref, m := n.lookupLive(&f, t); m != nil {
		return ref, m, natmodels.NotDropped
	}
	ref, m, reason := n.make(p, internal, key, t)
	if m != nil && sp == tcpSpace { // no connection yet: its deadline is the expectation's
		m.last = t
		n.wheel.Schedule(ref, t)
	}
	return ref, m, reason
}

// hole is what a mapping is open for.
type hole struct {
	remote table.Addr // the zero addr: everybody
	until  uint64
	used   bool
}

// open lets a remote in through a mapping. Holes that nobody used in time are closed for
// good then.
func (n *NAT) open(ref uint32, m *mapping, remote table.Addr, t, until uint64) {
	if n.holes == nil {
		n.holes = make(map[uint32][]hole)
	}
	m.open = true
	n.holes[ref] = slices.DeleteFunc(n.holes[ref], func(h hole) bool { return !h.used && h.until <= t })
	for i := range n.holes[ref] {
		if h := &n.holes[ref][i]; h.remote == remote {
			h.until = max(h.until, until)
			return
		}
	}
	n.holes[ref] = append(n.holes[ref], hole{remote: remote, until: until})
}

// findOpen returns the live mapping that was made for what the internal endpoint
// exchanges with dst, or is a port forward of it.
func (n *NAT) findOpen(p natmodels.Protocol, internal, dst table.Endpoint, t uint64) (uint32, *mapping) {
	if n.statics == 0 && len(n.holes) == 0 {
		return 0, nil
	}
	for _, remote := range [2]table.Endpoint{{Addr: dst.Addr}, {}} {
		f := flowOf(p, internal, remote)
		if ref, m := n.lookupLive(&f, t); m != nil && (m.static || m.open && n.expects(ref, dst.Addr)) {
			return ref, m
		}
	}
	return 0, nil
}

// expects reports whether a remote is, or was, expected at a mapping.
func (n *NAT) expects(ref uint32, remote table.Addr) bool {
	return slices.ContainsFunc(n.holes[ref], func(h hole) bool { return h.remote == table.Addr{} || h.remote == remote })
}

// holeFor returns the hole through which a remote may send, or nil.
func (n *NAT) holeFor(ref uint32, m *mapping, remote table.Addr, t uint64) *hole {
	if !m.open {
		return nil
	}
	for i := range n.holes[ref] {
		if h := &n.holes[ref][i]; h.admits(remote, t) {
			return h
		}
	}
	return nil
}

func (h *hole) admits(remote table.Addr, t uint64) bool {
	return (h.remote == table.Addr{} || h.remote == remote) && (h.used || t < h.until)
}

// openUntil is how long a mapping lives at least.
func (n *NAT) openUntil(m *mapping) (until uint64) {
	for _, h := range n.holes[n.pools[m.pool].ports[spaceOf(m.protocol)].at(m.port)] {
		until = max(until, h.until)
	}
	return until
}
