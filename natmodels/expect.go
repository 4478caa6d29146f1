package natmodels

import (
	"net/netip"
	"slices"
	"time"
)

// Expectation is a flow that an application level gateway knows will come from the
// outside, since a message announced it, and wants let in.
type Expectation struct {
	Protocol Protocol // UDP or TCP
	// Remote is who may send, from any port; the zero Addr stands for everybody.
	Remote netip.Addr
	// Internal is whom it is for.
	Internal netip.AddrPort
	// Lifetime is how long the NAT waits for the first packet of it; 0 is
	// DefaultExpectationLifetime.
	Lifetime time.Duration

	// Tracked is for a Conntrack or Firewall alone.
	Tracked TrackedExpectation
}

// TrackedExpectation is what the SIP helper of Linux can say of an expectation beyond
// who, to whom and for how long. The zero value expects one flow, at the port of
// Internal if it can be had.
type TrackedExpectation struct {
	// Port is the external port that is wanted; 0: that of Internal.
	Port uint16
	// Pair expects the next port too, by an expectation of its own: RTCP beside RTP (RFC
	// 3550 section 11).
	Pair bool
	// Outward turns it round: the packet comes from the inside, from the address Remote,
	// and goes to the endpoint Internal on the outside, which is announced as it is.
	Outward bool
	// Permanent: it lets in any number of flows until its time is over.
	Permanent bool
	// Inactive: it holds the port, and lets nothing in before it is renewed.
	Inactive bool
	// Signalling: what it lets in is watched by the gateway as well, and goes by itself;
	// otherwise the flow that it lets in, if Internal's peer expects one too, leaves from
	// the endpoint that was announced for its sender.
	Signalling bool

	// Master is the ID of the mapping that carried the announcement, with which the
	// expectation ends; 0: none.
	Master uint64
	// Class tells the expectations of a Master apart: if Limit is not 0, at most so many
	// of a class wait, and the oldest makes room.
	Class uint8
	Limit int
}

// DefaultExpectationLifetime is what Linux gives to expected media.
const DefaultExpectationLifetime = 3 * time.Minute

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
func (n *NAT) Expect(e Expectation, now time.Time) (external netip.AddrPort, reason Reason) {
	t := n.tick(now)
	n.expireSome(t)
	if e.Lifetime <= 0 {
		e.Lifetime = DefaultExpectationLifetime
	}
	internal, remote, reason := n.unpackExpected(e)
	switch {
	case reason != NotDropped:
		return netip.AddrPort{}, reason
	case n.tracker != nil:
		return n.tracker.expect(e, internal, remote, t)
	case e.Tracked != TrackedExpectation{}:
		return netip.AddrPort{}, Invalid
	case n.cfg.Kind == Router:
		return e.Internal, NotDropped
	case n.cfg.Kind != Translator:
		return netip.AddrPort{}, UnsupportedProtocol
	}
	ref, m, reason := n.expected(e.Protocol, internal, remote, t)
	if m == nil {
		return netip.AddrPort{}, reason
	}
	if !m.static {
		n.open(ref, m, remote.addr, t, t+uint64(e.Lifetime))
	}
	return n.pools[m.pool].external(m.port), NotDropped
}

// unpackExpected checks that there could be such packets.
func (n *NAT) unpackExpected(e Expectation) (internal, remote endpoint, reason Reason) {
	if e.Protocol != UDP && e.Protocol != TCP {
		return internal, remote, UnsupportedProtocol
	}
	internal, ok := packAny(e.Internal)
	if !ok || internal.port == 0 || internal.addr.unspecified() || n.cfg.NAT64.Contains(e.Internal.Addr()) {
		return internal, remote, BadPacket
	}
	family := e.Internal.Addr()
	switch {
	case n.cfg.Kind == Translator:
		family = n.pools[0].ip
	case n.cfg.Kind == Conntrack:
		family = n.tracker.family()
	}
	if e.Internal.Addr().Is4() != (family.Is4() && !n.cfg.NAT64.IsValid()) {
		return internal, remote, FamilyMismatch
	}
	if n.cfg.Kind == Firewall && e.Tracked.Port != 0 && e.Tracked.Port != internal.port {
		return internal, remote, Invalid
	}
	if e.Remote.IsValid() {
		if e.Remote.Is4() != family.Is4() || e.Remote.Is4In6() {
			return internal, remote, FamilyMismatch
		}
		remote.addr = packAddr(e.Remote)
	}
	return internal, remote, NotDropped
}

// expected returns the mapping that serves an expectation, which may be one that was
// there.
func (n *NAT) expected(p Protocol, internal, remote endpoint, t uint64) (uint32, *mapping, Reason) {
	sp := spaceOf(p)
	if ref, m := n.findOpen(p, internal, remote, t); m != nil {
		return ref, m, NotDropped
	}
	key := remote
	if n.mapping[sp] == EndpointIndependent {
		key = endpoint{}
	}
	f := flowOf(p, internal, key)
	if ref, m := n.lookupLive(&f, t); m != nil {
		return ref, m, NotDropped
	}
	ref, m, reason := n.make(p, internal, key, t)
	if m != nil && sp == tcpSpace { // no connection yet: its deadline is the expectation's
		m.last = t
		n.wheel.schedule(ref, t)
	}
	return ref, m, reason
}

// hole is what a mapping is open for.
type hole struct {
	remote addr // the zero addr: everybody
	until  uint64
	used   bool
}

// open lets a remote in through a mapping. Holes that nobody used in time are closed for
// good then.
func (n *NAT) open(ref uint32, m *mapping, remote addr, t, until uint64) {
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
func (n *NAT) findOpen(p Protocol, internal, dst endpoint, t uint64) (uint32, *mapping) {
	if n.statics == 0 && len(n.holes) == 0 {
		return 0, nil
	}
	for _, remote := range [2]endpoint{{addr: dst.addr}, {}} {
		f := flowOf(p, internal, remote)
		if ref, m := n.lookupLive(&f, t); m != nil && (m.static || m.open && n.expects(ref, dst.addr)) {
			return ref, m
		}
	}
	return 0, nil
}

// expects reports whether a remote is, or was, expected at a mapping.
func (n *NAT) expects(ref uint32, remote addr) bool {
	return slices.ContainsFunc(n.holes[ref], func(h hole) bool { return h.remote == addr{} || h.remote == remote })
}

// holeFor returns the hole through which a remote may send, or nil.
func (n *NAT) holeFor(ref uint32, m *mapping, remote addr, t uint64) *hole {
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

func (h *hole) admits(remote addr, t uint64) bool {
	return (h.remote == addr{} || h.remote == remote) && (h.used || t < h.until)
}

// openUntil is how long a mapping lives at least.
func (n *NAT) openUntil(m *mapping) (until uint64) {
	for _, h := range n.holes[n.pools[m.pool].ports[spaceOf(m.protocol)].at(m.port)] {
		until = max(until, h.until)
	}
	return until
}
