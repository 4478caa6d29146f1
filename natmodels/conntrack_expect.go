package natmodels

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// expectations are what a tracker waits for. It costs nothing while there are none.
type expectations struct {
	count   int
	byPlace map[kinKey][]*expected // by where the packet will come to, oldest first
	of      map[uint64][]*expected // by master, oldest first
	sweepAt int
}

// expected is one of them. It is replaced, never changed, so that snapshots share it.
type expected struct {
	protocol           Protocol
	remote             addr     // zero: anybody
	external, internal endpoint // the packet comes to external and goes on to internal
	deadline           uint64
	master             uint64
	class              uint8
	outward            bool
	permanent          bool
	inactive           bool
	signalling         bool
}

func (x *expected) place() kinKey { return kinKey{x.protocol, x.external} }

// Unexpect forgets what a mapping's messages announced, the expectations of one class.
func (n *NAT) Unexpect(master uint64, class uint8, now time.Time) {
	if k := n.tracker; k != nil {
		n.tick(now)
		for _, x := range slices.Clone(k.expected.of[master]) {
			if x.class == class {
				k.expected.remove(x)
			}
		}
	}
}

// RenewExpectation lets the newest expectation of a master and class for an external
// endpoint wait from now on, active; it reports whether there is one.
func (n *NAT) RenewExpectation(master uint64, class uint8, external netip.AddrPort, lifetime time.Duration, now time.Time) bool {
	k := n.tracker
	if k == nil {
		return false
	}
	t := n.tick(now)
	at, _ := packAny(external)
	for _, x := range slices.Backward(k.expected.of[master]) {
		if x.class == class && x.external == at && x.deadline > t {
			renewed := *x
			renewed.inactive, renewed.deadline = false, t+uint64(lifetime)
			k.expected.replace(x, &renewed)
			return true
		}
	}
	return false
}

// Expected returns what the NAT expects from an address to an endpoint of its outside,
// active or not.
func (n *NAT) Expected(p Protocol, remote netip.Addr, external netip.AddrPort, now time.Time) (Expectation, bool) {
	if n.tracker == nil || n.tracker.expected.count == 0 {
		return Expectation{}, false
	}
	to, _ := packAny(external)
	x := n.tracker.expected.find(kinKey{p, to}, packAddr(remote), n.tick(now), true)
	if x == nil {
		return Expectation{}, false
	}
	return Expectation{
		Protocol: p, Remote: x.remote.netip(), Internal: x.internal.netip(), Lifetime: time.Duration(x.deadline - n.clock),
		Tracked: TrackedExpectation{
			Port: x.external.port, Outward: x.outward, Permanent: x.permanent, Inactive: x.inactive, Signalling: x.signalling,
			Master: x.master, Class: x.class,
		},
	}, true
}

// Watched is what a Conntrack with a SIPHelper knows of a connection whose messages
// the helper reads.
type Watched struct {
	Inward   bool // the outside began it
	Expected bool // an expectation let it through
}

// HelpsSIP reports whether the NAT has a SIP helper (Config.SIPHelper).
func (n *NAT) HelpsSIP() bool { return n.tracker != nil && n.tracker.cfg.SIPHelper }

// Watched reports whether the SIP helper reads the messages of a mapping.
func (n *NAT) Watched(id uint64) (Watched, bool) {
	if n.tracker == nil {
		return Watched{}, false
	}
	ref, ok := n.tracker.watched[id]
	if !ok {
		return Watched{}, false
	}
	c := n.tracker.table.at(ref)
	return Watched{c.inward, c.expected}, true
}

// Retract takes back the mapping that the last packet made, for a gateway that drops
// this packet: a connection exists once its first packet is through.
func (n *NAT) Retract(id uint64, now time.Time) {
	k := n.tracker
	if k == nil || id == 0 || k.lastRef == 0 || k.table.at(k.lastRef).id != id {
		return
	}
	k.end(k.lastRef, Closed, n.tick(now))
}

// expect opens the tracker for an expectation that has been checked.
func (k *tracker) expect(e Expectation, internal, remote endpoint, t uint64) (netip.AddrPort, Reason) {
	k.expireAll(t)
	k.expected.sweep(t)
	x := expected{
		protocol: e.Protocol, external: internal, internal: internal, master: e.Tracked.Master, class: e.Tracked.Class,
		outward: e.Tracked.Outward, permanent: e.Tracked.Permanent, inactive: e.Tracked.Inactive, signalling: e.Tracked.Signalling,
		deadline: t + uint64(e.Lifetime), remote: remote.addr,
	}
	if !e.Tracked.Outward && k.cfg.Kind == Conntrack {
		x.external.addr = k.address(internal.addr, x.remote)
	}
	if e.Tracked.Port != 0 {
		x.external.port = e.Tracked.Port
	}
	wanted, last := int(x.external.port), 1<<16-1
	if e.Tracked.Pair {
		last--
	}
	for port, attempts := wanted, expectAttempts; port <= last && attempts > 0; attempts-- {
		x.external.port = uint16(port)
		switch k.expected.add(x, e, t) {
		case vacant:
			return x.external.netip(), NotDropped
		case occupied:
			return netip.AddrPort{}, PortConflict
		case busy:
			if k.cfg.Kind == Firewall { // which has no other port to give
				return netip.AddrPort{}, PortConflict
			}
		}
		if e.Tracked.Pair {
			port += 2
		} else {
			port = wanted + k.random.IntN(1<<16-wanted)
		}
	}
	return netip.AddrPort{}, PortsExhausted
}

// expectAttempts is how many ports are tried, as by nf_nat_exp_find_port of Linux.
const expectAttempts = 128

// vacancy says whether a place can be had for an expectation.
type vacancy uint8

const (
	vacant   vacancy = iota
	busy             // another one overlaps: try another port
	occupied         // for another class, or media of another master: there is no other port
)

// add keeps an expectation, or a pair of them, if the place is vacant. It takes the
// place of one that its own master has announced before.
func (s *expectations) add(x expected, e Expectation, t uint64) vacancy {
	first := x
	if v := s.insert(&first, e.Tracked.Limit, t); v != vacant || !e.Tracked.Pair {
		return v
	}
	second := x
	second.external.port++
	second.internal.port++
	v := s.insert(&second, e.Tracked.Limit, t)
	if v != vacant {
		s.remove(&first)
	}
	return v
}

func (s *expectations) insert(x *expected, limit int, t uint64) vacancy {
	for _, other := range slices.Clone(s.byPlace[x.place()]) {
		switch {
		case other.deadline <= t:
			s.remove(other)
		case other.remote != x.remote:
			if other.remote == (addr{}) || x.remote == (addr{}) {
				return busy
			}
		case other.master != x.master && x.signalling:
			return busy
		case other.master != x.master || other.class != x.class:
			return occupied
		default:
			s.remove(other)
		}
	}
	s.makeRoom(x, limit, t)
	if s.byPlace == nil {
		s.byPlace, s.of = make(map[kinKey][]*expected), make(map[uint64][]*expected)
	}
	s.byPlace[x.place()] = append(s.byPlace[x.place()], x)
	s.of[x.master] = append(s.of[x.master], x)
	s.count++
	return vacant
}

// makeRoom removes the oldest of a class if there are as many as may be.
func (s *expectations) makeRoom(x *expected, limit int, t uint64) {
	if limit == 0 {
		return
	}
	var oldest *expected
	n := 0
	for _, other := range slices.Backward(s.of[x.master]) {
		if other.class == x.class && other.deadline > t {
			oldest = other
			n++
		}
	}
	if n >= limit {
		s.remove(oldest)
	}
}

func (s *expectations) remove(x *expected) {
	is := func(other *expected) bool { return other == x }
	at, of := s.byPlace[x.place()], s.of[x.master]
	if !slices.Contains(at, x) {
		return
	}
	s.count--
	if at = slices.DeleteFunc(slices.Clone(at), is); len(at) == 0 {
		delete(s.byPlace, x.place())
	} else {
		s.byPlace[x.place()] = at
	}
	if of = slices.DeleteFunc(slices.Clone(of), is); len(of) == 0 {
		delete(s.of, x.master)
	} else {
		s.of[x.master] = of
	}
}

// replace puts a changed one where it was.
func (s *expectations) replace(x, by *expected) {
	for _, list := range [][]*expected{s.byPlace[x.place()], s.of[x.master]} {
		list[slices.Index(list, x)] = by
	}
}

// sweep forgets what was waited for in vain, now and then.
func (s *expectations) sweep(t uint64) {
	if s.count < s.sweepAt {
		return
	}
	for _, list := range slices.Collect(maps.Values(s.byPlace)) {
		for _, x := range slices.Clone(list) {
			if x.deadline <= t {
				s.remove(x)
			}
		}
	}
	s.sweepAt = 2*s.count + 64
}

// find returns the expectation of a packet, if there is one.
func (s *expectations) find(place kinKey, from addr, t uint64, inactive bool) *expected {
	for _, x := range slices.Backward(s.byPlace[place]) {
		if x.deadline > t && (inactive || !x.inactive) && (x.remote == from || x.remote == (addr{})) {
			return x
		}
	}
	return nil
}

func (s *expectations) clone() expectations {
	c := *s
	c.byPlace, c.of = maps.Clone(s.byPlace), maps.Clone(s.of)
	for key, list := range c.byPlace {
		c.byPlace[key] = slices.Clone(list)
	}
	for key, list := range c.of {
		c.of[key] = slices.Clone(list)
	}
	return c
}

// endOf forgets what a mapping announced when it ends.
func (s *expectations) endOf(master uint64) {
	for _, x := range slices.Clone(s.of[master]) {
		s.remove(x)
	}
}

// renumber forgets what was announced with an address that is gone.
func (s *expectations) renumber(kept map[addr]bool) {
	for _, list := range slices.Collect(maps.Values(s.byPlace)) {
		for _, x := range slices.Clone(list) {
			if !x.outward && !kept[x.external.addr] {
				s.remove(x)
			}
		}
	}
}

// meet returns the expectation that the first packet of a connection meets, and uses it
// up.
func (k *tracker) meet(from side, of *tuple, t uint64) *expected {
	k.expireAll(t)
	x := k.expected.find(kinKey{of.protocol, of.destination()}, of.src, t, false)
	if x == nil || x.outward != (from == fromInside) {
		return nil
	}
	if !x.permanent {
		k.expected.remove(x)
	}
	return x
}

// firstExpected handles a packet that was expected.
func (k *tracker) firstExpected(from side, p Packet, c connection, x *expected, t uint64) (v Verdict) {
	toward := c.original
	toward.dst, toward.dstPort = x.internal.addr, x.internal.port
	c.reply = toward.inverse()
	c.expected, c.inward = true, from == fromOutside
	c.watched = k.watches(&toward) || x.signalling
	if k.track(&c, forward, &p, t) != noteValid {
		return k.drop(p, Invalid)
	}
	if !k.chooseExpected(&c, x, t) {
		return k.drop(p, PortConflict)
	}
	_, added := k.add(c)
	k.translate(&v, from, &p, added, forward, t)
	v.Created = true
	return v
}

// chooseExpected picks the source that an expected connection goes on with: what was
// announced for its sender by the same master; else, for one from the inside, as for
// any other; for one from the outside the port that it came from, unless the inside
// knows a connection with that already.
func (k *tracker) chooseExpected(c *connection, x *expected, t uint64) bool {
	if announced := k.announced(x, c.original.source()); announced != nil {
		c.source = !c.inward
		return k.try(c, announced.external, t)
	}
	if !c.inward {
		return k.choose(c, t)
	}
	if k.try(c, c.original.source(), t) {
		return true
	}
	return k.chooseRandom(c, c.original.src, t)
}

// announced returns the newest expectation with the same master for a sender.
func (k *tracker) announced(x *expected, sender endpoint) *expected {
	if x.signalling {
		return nil
	}
	for _, other := range slices.Backward(k.expected.of[x.master]) {
		if other.protocol == x.protocol && other.internal == sender {
			return other
		}
	}
	return nil
}

// awaited returns the address that is expected to send to the destination of a packet,
// if somebody is.
func (n *NAT) awaited(p Packet) (netip.Addr, bool) {
	if n.tracker == nil || n.tracker.expected.count == 0 {
		return netip.Addr{}, false
	}
	to, _ := packAny(p.Dst)
	for _, x := range slices.Backward(n.tracker.expected.byPlace[kinKey{p.Protocol, to}]) {
		if x.deadline > n.clock && !x.inactive && x.remote != (addr{}) {
			return x.remote.netip(), true
		}
	}
	return netip.Addr{}, false
}
