package natmodels

import (
	"math/rand/v2"
	"net/netip"
	"slices"
)

// tracker is the engine of a Conntrack: a table of connections, each found by the
// packets of either direction.
type tracker struct {
	cfg      Config
	timeouts timeouts
	external map[addr]bool
	four     bool // the family that a Conntrack serves
	prefixes []prefixPair
	random   *rand.Rand
	hashing  hashKey

	table    slab[connection]
	byTuple  index // to 2*number + direction
	bySender kin   // connections of the same internal endpoint
	byHolder kin   // connections of the same external endpoint
	wheel    wheel
	live     int
	lastID   uint64
	stats    *Stats
	history  history
	expected expectations
	watched  map[uint64]uint32 // connections that the SIP helper reads, by ID
	lastRef  uint32            // the connection made last
	// How many timers one packet may handle.
	timersPerPacket int
}

// connection is one entry of the table.
type connection struct {
	original, reply tuple // the packets of either direction as they arrive
	id              uint64
	created         uint64 // ns since the epoch
	deadline        uint64
	timed
	kin     [2]kinLinks
	replied bool
	source  bool // from the inside, with its source chosen: it is among kin
	local   bool // to the box itself
	// What expectations and the SIP helper are about.
	expected, inward, watched bool

	tcp tcpTrack
}

func (c *connection) tuple(d direction) *tuple {
	if d == forward {
		return &c.original
	}
	return &c.reply
}

func newTracker(cfg Config, random *rand.Rand, hashing hashKey, stats *Stats) *tracker {
	k := &tracker{random: random, hashing: hashing, stats: stats, timersPerPacket: enoughTimers}
	k.wheel.next = never
	k.wheel.timer = func(ref uint32) *timed { return &k.table.at(ref).timed }
	k.bySender.which, k.byHolder.which = sameSender, sameHolder
	k.configure(cfg)
	return k
}

func (k *tracker) configure(cfg Config) {
	k.cfg = cfg
	k.timeouts = newTimeouts(cfg)
	k.external = make(map[addr]bool, len(cfg.External))
	for _, a := range cfg.External {
		k.external[packAddr(a)] = true
	}
	k.prefixes = packPrefixes(cfg.Prefixes)
	k.four = cfg.Kind == Conntrack && k.family().Is4()
}

// side of the box.
type side uint8

const (
	fromInside side = iota
	fromOutside
)

// send handles a packet that arrives from a side.
func (k *tracker) send(from side, p *Packet, t uint64) (v Verdict) {
	k.expireSome(t)
	src, dst, problem := k.unpack(p)
	if problem != NotDropped {
		return k.drop(*p, problem)
	}
	if p.Quoted != nil {
		return k.icmpError(from, *p, t)
	}
	ref, c, d := k.find(tupleOf(p, src, dst), t)
	if c == nil {
		return k.first(from, *p, src, dst, t)
	}
	n := k.track(c, d, p, t)
	switch n {
	case noteInvalid:
		return k.invalid(from, *p, dst, t)
	case noteReopens:
		k.end(ref, Closed, t)
		return k.first(from, *p, src, dst, t)
	}
	k.translate(&v, from, p, c, d, t)
	if n == noteEnds {
		k.end(ref, Closed, t)
	} else if d == backward {
		c.replied = true
	}
	return v
}

// track takes note of a packet of a connection: packets of both directions restart
// its timer.
func (k *tracker) track(c *connection, d direction, p *Packet, t uint64) note {
	switch p.Protocol {
	case TCP:
		return k.trackTCP(c, d, p, t)
	case UDP:
		c.deadline = t + k.timeouts.udp
		if c.replied && t-c.created > k.timeouts.streamAfter {
			c.deadline = t + k.timeouts.stream
		}
		if c.watched {
			c.deadline = t + uint64(sipHelperTimeout)
		}
	default:
		c.deadline = t + k.timeouts.icmp
	}
	return noteValid
}

// translate rewrites a packet of a connection and says where it goes.
func (k *tracker) translate(v *Verdict, from side, p *Packet, c *connection, d direction, t uint64) {
	if c.local {
		*v = k.answer(from, *p, k.info(c), t)
		return
	}
	v.Action, v.Packet = Forward, *p
	switch {
	case !c.source || p.Protocol != UDP && p.Protocol != TCP:
		out := c.tuple(d ^ 1) // a packet leaves as the inverse of what its answer comes as
		v.Packet.Src, v.Packet.Dst = out.destination().netip(), out.source().netip()
		v.Mapping = k.info(c)
	case d == forward:
		v.Packet.Src = c.reply.destination().netip()
		v.Mapping = MappingInfo{c.id, p.Protocol, p.Src, v.Packet.Src, p.Dst, false, false}
	default:
		v.Packet.Dst = c.original.source().netip()
		v.Mapping = MappingInfo{c.id, p.Protocol, v.Packet.Dst, p.Dst, p.Src, false, false}
	}
	if from == fromInside && len(k.prefixes) > 0 && k.inside(c.tuple(d^1).src) {
		v.Action = Hairpin
		k.stats.Hairpinned++
		return
	}
	k.stats.Forwarded++
}

// first handles a packet that belongs to no connection.
func (k *tracker) first(from side, p Packet, src, dst endpoint, t uint64) (v Verdict) {
	original := tupleOf(&p, src, dst)
	c := connection{original: original, created: t}
	if k.expected.count > 0 {
		if x := k.meet(from, &original, t); x != nil {
			return k.firstExpected(from, p, c, x, t)
		}
	}
	c.watched = k.watches(&original)
	request, _ := p.echo()
	if p.icmp() && !request || k.track(&c, forward, &p, t) != noteValid {
		return k.invalid(from, p, dst, t)
	}
	if k.cfg.Kind == Firewall {
		return k.firstThrough(from, p, c, t)
	}
	toward := original
	toward.dst = k.unstatic(dst.addr)
	c.reply = toward.inverse()
	switch {
	case k.local(toward.dst):
		return k.firstLocal(from, p, c, t)
	case from == fromOutside && toward.dst == dst.addr:
		return k.drop(p, NotExternal)
	case from == fromInside && toward.dst == dst.addr:
		if !k.choose(&c, t) {
			return k.drop(p, PortsExhausted)
		}
	}
	_, added := k.add(c)
	k.translate(&v, from, &p, added, forward, t)
	v.Created = true
	return v
}

// watches reports whether the SIP helper reads the messages of a new connection.
func (k *tracker) watches(toward *tuple) bool {
	return k.cfg.SIPHelper && toward.dstPort == sipPort && toward.protocol == UDP
}

// local reports whether an address is the box's own.
func (k *tracker) local(a addr) bool { return k.external[a] }

// find returns the live connection that a packet belongs to.
func (k *tracker) find(of tuple, t uint64) (uint32, *connection, direction) {
	p := k.byTuple.probe(k.hashing.tuple(&of))
	for found := p.next(); found != 0; found = p.next() {
		ref, d := found>>1, direction(found&1)
		c := k.table.at(ref)
		if *c.tuple(d) != of {
			continue
		}
		if c.deadline <= t {
			k.end(ref, Expired, c.deadline)
			return 0, nil, 0
		}
		return ref, c, d
	}
	return 0, nil, 0
}

// add puts a connection into the tables.
func (k *tracker) add(c connection) (uint32, *connection) {
	ref := k.table.take()
	added := k.table.at(ref)
	k.lastID++
	k.live++
	k.stats.Created++
	*added = c
	added.id = k.lastID
	k.byTuple.insert(k.hashing.tuple(&c.original), ref<<1|uint32(forward))
	k.byTuple.insert(k.hashing.tuple(&c.reply), ref<<1|uint32(backward))
	if c.source {
		k.bySender.link(k, ref, added)
		k.byHolder.link(k, ref, added)
	}
	if c.watched {
		if k.watched == nil {
			k.watched = make(map[uint64]uint32)
		}
		k.watched[added.id] = ref
	}
	k.lastRef = ref
	k.wheel.schedule(ref, c.deadline)
	return ref, added
}

// end takes a connection out of every table.
func (k *tracker) end(ref uint32, cause Reason, at uint64) {
	c := k.table.at(ref)
	k.stats.ended(cause)
	k.wheel.unschedule(&c.timed)
	k.byTuple.remove(k.hashing.tuple(&c.original), ref<<1|uint32(forward))
	k.byTuple.remove(k.hashing.tuple(&c.reply), ref<<1|uint32(backward))
	if c.source {
		k.bySender.unlink(k, ref, c)
		k.byHolder.unlink(k, ref, c)
		k.history.add(k.info(c), cause, at)
	}
	if c.watched {
		delete(k.watched, c.id)
	}
	if k.expected.count > 0 {
		k.expected.endOf(c.id)
	}
	k.table.release(ref)
	k.live--
}

func (k *tracker) expireSome(t uint64) {
	if k.wheel.next <= t {
		k.runTimers(t, k.timersPerPacket)
	}
}

func (k *tracker) expireAll(t uint64) {
	if k.wheel.next <= t {
		k.runTimers(t, -1)
	}
}

func (k *tracker) runTimers(t uint64, budget int) {
	k.wheel.run(t, budget, func(ref uint32) {
		c := k.table.at(ref)
		if c.deadline > t {
			k.wheel.unschedule(&c.timed)
			k.wheel.schedule(ref, c.deadline)
		} else {
			k.end(ref, Expired, c.deadline)
		}
	})
}

// each calls f for every connection; f may end it.
func (k *tracker) each(f func(ref uint32, c *connection)) {
	for ref := uint32(1); ref <= k.table.made; ref++ {
		if c := k.table.at(ref); c.id != 0 {
			f(ref, c)
		}
	}
}

// info describes a connection: from the inside to the outside, whoever began.
func (k *tracker) info(c *connection) MappingInfo {
	m := MappingInfo{ID: c.id, Protocol: c.original.protocol}
	switch {
	case c.source:
		m.Internal, m.External = c.original.source().netip(), c.reply.destination().netip()
		m.Remote = c.original.destination().netip()
	case c.local:
		m.External, m.Remote, m.Local = c.original.destination().netip(), c.original.source().netip(), true
	case k.cfg.Kind == Firewall:
		m.Internal, m.External = c.original.destination().netip(), c.original.destination().netip()
		m.Remote = c.original.source().netip()
	default: // from the outside, or another inside host, to a static address
		m.Internal, m.External = c.reply.source().netip(), c.original.destination().netip()
		m.Remote = c.original.source().netip()
		m.Static = !c.expected
	}
	return m
}

// admitted lists who may send to the external endpoint of a connection: the remotes of
// all connections that share it.
func (k *tracker) admitted(m MappingInfo) (remotes []netip.AddrPort) {
	e, _ := packAny(m.External)
	for ref := k.byHolder.newest(k, kinKey{m.Protocol, e}); ref != 0; ref = k.table.at(ref).kin[sameHolder].older {
		if c := k.info(k.table.at(ref)); c.Internal == m.Internal {
			remotes = append(remotes, k.cfg.Filtering.key(endpoint{packAddr(c.Remote.Addr()), c.Remote.Port()}).netip())
		}
	}
	slices.SortFunc(remotes, netip.AddrPort.Compare)
	return slices.Compact(remotes)
}

func (k *tracker) flush(t uint64) {
	k.expireAll(t)
	k.each(func(ref uint32, _ *connection) { k.end(ref, Flushed, t) })
	k.expected = expectations{}
}

// renumber ends the connections whose external address is no longer there.
func (k *tracker) renumber(cfg Config, t uint64) {
	k.expireAll(t)
	k.configure(cfg)
	k.expected.renumber(k.external)
	k.each(func(ref uint32, c *connection) {
		if a := k.info(c).External.Addr(); !slices.Contains(cfg.External, a) && k.unstatic(packAddr(a)) == packAddr(a) {
			k.end(ref, Renumbered, t)
		}
	})
}

func (k *tracker) unpack(p *Packet) (src, dst endpoint, problem Reason) {
	if k.cfg.Kind == Firewall { // it serves both families
		return unpackFor(p, p.Src.Addr())
	}
	if p.Protocol != UDP || p.Quoted != nil {
		return unpackFor(p, k.family())
	}
	return unpackUDP(p, k.four)
}

// family returns an address of the family that is served.
func (k *tracker) family() netip.Addr {
	if len(k.cfg.External) > 0 {
		return k.cfg.External[0]
	}
	if len(k.cfg.Prefixes) > 0 {
		return k.cfg.Prefixes[0].External.Addr()
	}
	return netip.Addr{}
}
