package conntrack

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// expectations are what a Tracker waits for. It costs nothing while there are none.
type expectations struct {
	count   int
	byPlace map[kinKey][]*expected // by where the packet will come to, oldest first
	of      map[uint64][]*expected // by master, oldest first
	sweepAt int
}

// expected is one of them. It is replaced, never changed, so that snapshots share it.
type expected struct {
	protocol           natmodels.Protocol
	remote             table.Addr     // zero: anybody
	external, internal table.Endpoint // the packet comes to external and goes on to internal
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
func (k *Tracker) Unexpect(master uint64, class uint8, now time.Time) {
	k.clock.Tick(now)
	for _, x := range slices.Clone(k.expected.of[master]) {
		if x.class == class {
			k.expected.remove(x)
		}
	}
}

// RenewExpectation lets the newest expectation of a master and class for an external
// endpoint wait from now on, active; it reports whether there is one.
func (k *Tracker) RenewExpectation(master uint64, class uint8, external netip.AddrPort, lifetime time.Duration, now time.Time) bool {
	t := k.clock.Tick(now)
	at, _ := judge.PackAny(external)
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
func (k *Tracker) Expected(p natmodels.Protocol, remote netip.Addr, external netip.AddrPort, now time.Time) (natmodels.Expectation, bool) {
	if k.expected.count == 0 {
		return natmodels.Expectation{}, false
	}
	to, _ := judge.PackAny(external)
	x := k.expected.find(kinKey{p, to}, table.Pack(remote), k.clock.Tick(now), true)
	if x == nil {
		return natmodels.Expectation{}, false
	}
	return natmodels.Expectation{
		Protocol: p, Remote: x.remote.Netip(), Internal: x.internal.Netip(), Lifetime: time.Duration(x.deadline - k.clock.Now()),
		Tracked: natmodels.TrackedExpectation{
			Port: x.external.Port, Outward: x.outward, Permanent: x.permanent, Inactive: x.inactive, Signalling: x.signalling,
			Master: x.master, Class: x.class,
		},
	}, true
}

// HelpsSIP reports whether the box has a SIP helper (Config.SIPHelper).
func (k *Tracker) HelpsSIP() bool { return k.cfg.SIPHelper }

// Watched reports whether the SIP helper reads the messages of a mapping.
func (k *Tracker) Watched(id uint64) (natmodels.Watched, bool) {
	ref, ok := k.watched[id]
	if !ok {
		return natmodels.Watched{}, false
	}
	c := k.table.At(ref)
	return natmodels.Watched{Inward: c.inward, Expected: c.expected}, true
}

// Retract takes back the mapping that the last packet made, for a gateway that drops
// this packet: a connection exists once its first packet is through.
func (k *Tracker) Retract(id uint64, now time.Time) {
	if id == 0 || k.lastRef == 0 || k.table.At(k.lastRef).id != id {
		return
	}
	k.end(k.lastRef, natmodels.Closed, k.clock.Tick(now))
}

// Expect lets one flow in, which then is a connection as any other. A firewall has no other
// port to give than that of the internal endpoint.
func (k *Tracker) Expect(e natmodels.Expectation, now time.Time) (external netip.AddrPort, reason natmodels.Reason) {
	t := k.clock.Tick(now)
	if e.Lifetime <= 0 {
		e.Lifetime = natmodels.DefaultExpectationLifetime
	}
	four := e.Internal.Addr().Is4()
	if !k.firewall {
		four = k.family().Is4()
	}
	internal, remote, reason := judge.Expected(e, four, four)
	switch {
	case reason != natmodels.NotDropped:
		return netip.AddrPort{}, reason
	case k.firewall && e.Tracked.Port != 0 && e.Tracked.Port != internal.Port:
		return netip.AddrPort{}, natmodels.Invalid
	}
	return k.expect(e, internal, remote, t)
}

// expect opens the box for an expectation that has been checked.
func (k *Tracker) expect(e natmodels.Expectation, internal, remote table.Endpoint, t uint64) (netip.AddrPort, natmodels.Reason) {
	k.expireAll(t)
	k.expected.sweep(t)
	x := expected{
		protocol: e.Protocol, external: internal, internal: internal, master: e.Tracked.Master, class: e.Tracked.Class,
		outward: e.Tracked.Outward, permanent: e.Tracked.Permanent, inactive: e.Tracked.Inactive, signalling: e.Tracked.Signalling,
		deadline: t + uint64(e.Lifetime), remote: remote.Addr,
	}
	if !e.Tracked.Outward && !k.firewall {
		var ok bool
		if x.external.Addr, ok = k.address(internal.Addr, x.remote); !ok {
			return netip.AddrPort{}, natmodels.PortsExhausted
		}
	}
	if e.Tracked.Port != 0 {
		x.external.Port = e.Tracked.Port
	}
	wanted, last := int(x.external.Port), 1<<16-1
	if e.Tracked.Pair {
		last--
	}
	for port, attempts := wanted, expectAttempts; port <= last && attempts > 0; attempts-- {
		x.external.Port = uint16(port)
		switch k.expected.add(x, e, t) {
		case vacant:
			return x.external.Netip(), natmodels.NotDropped
		case occupied:
			return netip.AddrPort{}, natmodels.PortConflict
		case busy:
			if k.firewall { // which has no other port to give
				return netip.AddrPort{}, natmodels.PortConflict
			}
		}
		if e.Tracked.Pair {
			port += 2
		} else {
			port = wanted + k.random.IntN(1<<16-wanted)
		}
	}
	return netip.AddrPort{}, natmodels.PortsExhausted
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
func (s *expectations) add(x expected, e natmodels.Expectation, t uint64) vacancy {
	first := x
	if v := s.insert(&first, e.Tracked.Limit, t); v != vacant || !e.Tracked.Pair {
		return v
	}
	second := x
	second.external.Port++
	second.internal.Port++
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
			if other.remote == (table.Addr{}) || x.remote == (table.Addr{}) {
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
func (s *expectations) find(place kinKey, from table.Addr, t uint64, inactive bool) *expected {
	for _, x := range slices.Backward(s.byPlace[place]) {
		if x.deadline > t && (inactive || !x.inactive) && (x.remote == from || x.remote == (table.Addr{})) {
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
func (s *expectations) renumber(kept map[table.Addr]bool) {
	for _, list := range slices.Collect(maps.Values(s.byPlace)) {
		for _, x := range slices.Clone(list) {
			if !x.outward && !kept[x.external.Addr] {
				s.remove(x)
			}
		}
	}
}

// meet returns the expectation that the first packet of a connection meets, and uses it
// up.
func (k *Tracker) meet(from judge.Side, of *tuple, t uint64) *expected {
	k.expireAll(t)
	x := k.expected.find(kinKey{of.protocol, of.destination()}, of.src, t, false)
	if x == nil || x.outward != (from == judge.Inside) {
		return nil
	}
	if !x.permanent {
		k.expected.remove(x)
	}
	return x
}

// firstExpected handles a packet that was expected.
func (k *Tracker) firstExpected(from judge.Side, p natmodels.Packet, c connection, x *expected, t uint64) (v natmodels.Verdict) {
	toward := c.original
	toward.dst, toward.dstPort = x.internal.Addr, x.internal.Port
	c.reply = toward.inverse()
	c.expected, c.inward = true, from == judge.Outside
	c.watched = k.watches(&toward) || x.signalling
	if k.track(&c, forward, &p, t) != noteValid {
		return k.drop(p, natmodels.Invalid)
	}
	if !k.chooseExpected(&c, x, t) {
		return k.drop(p, natmodels.PortConflict)
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
func (k *Tracker) chooseExpected(c *connection, x *expected, t uint64) bool {
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
func (k *Tracker) announced(x *expected, sender table.Endpoint) *expected {
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
func (k *Tracker) awaited(p natmodels.Packet) (netip.Addr, bool) {
	if k.expected.count == 0 {
		return netip.Addr{}, false
	}
	to, _ := judge.PackAny(p.Dst)
	for _, x := range slices.Backward(k.expected.byPlace[kinKey{p.Protocol, to}]) {
		if x.deadline > k.clock.Now() && !x.inactive && x.remote != (table.Addr{}) {
			return x.remote.Netip(), true
		}
	}
	return netip.Addr{}, false
}
