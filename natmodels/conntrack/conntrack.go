package conntrack

import (
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// Tracker is a [natmodels.Box] that judges each connection by itself: a table of
// connections, each found by the packets of either direction.
type Tracker struct {
	rules
	place    natmodels.Place
	clock    table.Clock
	timeouts timeouts
	external map[table.Addr]bool
	four     bool // the family that a Conntrack serves
	prefixes []table.PrefixPair
	source   *rand.PCG
	random   *rand.Rand // draws from source
	hashing  table.HashKey

	table    table.Slab[connection]
	byTuple  table.Index // to 2*number + direction
	bySender kin         // connections of the same internal endpoint
	byHolder kin         // connections of the same external endpoint
	wheel    table.Wheel
	live     int
	lastID   uint64
	stats    natmodels.Stats
	history  table.History
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
	table.Timed
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

// newTracker makes a box of rules and a place that were checked.
func newTracker(r rules, place natmodels.Place) *Tracker {
	k := &Tracker{timersPerPacket: table.EnoughTimers}
	k.source = rand.NewPCG(place.Seed, 0x6e617470726f6f66)
	k.random = rand.New(k.source)
	k.hashing = table.NewHashKey(k.random)
	k.wheel.Start(k.timer)
	k.bySender.which, k.byHolder.which = sameSender, sameHolder
	k.configure(r)
	k.settle(place)
	return k
}

func (k *Tracker) timer(ref uint32) *table.Timed { return &k.table.At(ref).Timed }

// configure takes over rules.
func (k *Tracker) configure(r rules) {
	k.rules = r
	k.timeouts = newTimeouts(r.cfg.Timers)
	k.prefixes = table.PackPrefixes(r.cfg.Prefixes)
}

// settle takes over a place.
func (k *Tracker) settle(place natmodels.Place) {
	k.place = place
	k.place.External = slices.Clone(place.External)
	k.external = make(map[table.Addr]bool, len(place.External))
	for _, a := range place.External {
		k.external[table.Pack(a)] = true
	}
	k.four = !k.firewall && k.family().Is4()
}

// send handles a packet that arrives from a side.
func (k *Tracker) send(from judge.Side, p *natmodels.Packet, t uint64) (v natmodels.Verdict) {
	k.expireSome(t)
	src, dst, problem := k.unpack(p)
	if problem != natmodels.NotDropped {
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
		k.end(ref, natmodels.Closed, t)
		return k.first(from, *p, src, dst, t)
	}
	k.translate(&v, from, p, c, d, t)
	if n == noteEnds {
		k.end(ref, natmodels.Closed, t)
	} else if d == backward {
		c.replied = true
	}
	return v
}

// track takes note of a packet of a connection: packets of both directions restart
// its timer.
func (k *Tracker) track(c *connection, d direction, p *natmodels.Packet, t uint64) note {
	switch p.Protocol {
	case natmodels.TCP:
		return k.trackTCP(c, d, p, t)
	case natmodels.UDP:
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
func (k *Tracker) translate(v *natmodels.Verdict, from judge.Side, p *natmodels.Packet, c *connection, d direction, t uint64) {
	if c.local {
		*v = k.answer(from, *p, k.info(c), t)
		return
	}
	v.Action, v.Packet = natmodels.Forward, *p
	switch {
	case !c.source || p.Protocol != natmodels.UDP && p.Protocol != natmodels.TCP:
		out := c.tuple(d ^ 1) // a packet leaves as the inverse of what its answer comes as
		v.Packet.Src, v.Packet.Dst = out.destination().Netip(), out.source().Netip()
		v.Mapping = k.info(c)
	case d == forward:
		v.Packet.Src = c.reply.destination().Netip()
		v.Mapping = natmodels.MappingInfo{ID: c.id, Protocol: p.Protocol, Internal: p.Src, External: v.Packet.Src, Remote: p.Dst, Static: false, Local: false}
	default:
		v.Packet.Dst = c.original.source().Netip()
		v.Mapping = natmodels.MappingInfo{ID: c.id, Protocol: p.Protocol, Internal: v.Packet.Dst, External: p.Dst, Remote: p.Src, Static: false, Local: false}
	}
	if from == judge.Inside && len(k.prefixes) > 0 && k.inside(c.tuple(d^1).src) {
		v.Action = natmodels.Hairpin
		k.stats.Hairpinned++
		return
	}
	k.stats.Forwarded++
}

// first handles a packet that belongs to no connection.
func (k *Tracker) first(from judge.Side, p natmodels.Packet, src, dst table.Endpoint, t uint64) (v natmodels.Verdict) {
	original := tupleOf(&p, src, dst)
	c := connection{original: original, created: t}
	if k.expected.count > 0 {
		if x := k.meet(from, &original, t); x != nil {
			return k.firstExpected(from, p, c, x, t)
		}
	}
	c.watched = k.watches(&original)
	request, _ := p.Echo()
	if p.IsICMP() && !request || k.track(&c, forward, &p, t) != noteValid {
		return k.invalid(from, p, dst, t)
	}
	if k.firewall {
		return k.firstThrough(from, p, c, t)
	}
	toward := original
	toward.dst = k.unstatic(dst.Addr)
	c.reply = toward.inverse()
	switch {
	case k.local(toward.dst):
		return k.firstLocal(from, p, c, t)
	case from == judge.Outside && toward.dst == dst.Addr:
		return k.drop(p, natmodels.NotExternal)
	case from == judge.Inside && toward.dst == dst.Addr:
		if !k.choose(&c, t) {
			return k.drop(p, natmodels.PortsExhausted)
		}
	}
	_, added := k.add(c)
	k.translate(&v, from, &p, added, forward, t)
	v.Created = true
	return v
}

// watches reports whether the SIP helper reads the messages of a new connection.
func (k *Tracker) watches(toward *tuple) bool {
	return k.cfg.SIPHelper && toward.dstPort == sipPort && toward.protocol == natmodels.UDP
}

// local reports whether an address is the box's own.
func (k *Tracker) local(a table.Addr) bool { return k.external[a] }

// find returns the live connection that a packet belongs to.
func (k *Tracker) find(of tuple, t uint64) (uint32, *connection, direction) {
	p := k.byTuple.Probe(hashTuple(&k.hashing, &of))
	for found := p.Next(); found != 0; found = p.Next() {
		ref, d := found>>1, direction(found&1)
		c := k.table.At(ref)
		if *c.tuple(d) != of {
			continue
		}
		if c.deadline <= t {
			k.end(ref, natmodels.Expired, c.deadline)
			return 0, nil, 0
		}
		return ref, c, d
	}
	return 0, nil, 0
}

// add puts a connection into the tables.
func (k *Tracker) add(c connection) (uint32, *connection) {
	ref := k.table.Take()
	added := k.table.At(ref)
	k.lastID++
	k.live++
	k.stats.Created++
	*added = c
	added.id = k.lastID
	k.byTuple.Insert(hashTuple(&k.hashing, &c.original), ref<<1|uint32(forward))
	k.byTuple.Insert(hashTuple(&k.hashing, &c.reply), ref<<1|uint32(backward))
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
	k.wheel.Schedule(ref, c.deadline)
	return ref, added
}

// end takes a connection out of every table.
func (k *Tracker) end(ref uint32, cause natmodels.Reason, at uint64) {
	c := k.table.At(ref)
	k.stats.Ended(cause)
	k.wheel.Unschedule(&c.Timed)
	k.byTuple.Remove(hashTuple(&k.hashing, &c.original), ref<<1|uint32(forward))
	k.byTuple.Remove(hashTuple(&k.hashing, &c.reply), ref<<1|uint32(backward))
	if c.source {
		k.bySender.unlink(k, ref, c)
		k.byHolder.unlink(k, ref, c)
		k.history.Add(k.info(c), cause, at)
	}
	if c.watched {
		delete(k.watched, c.id)
	}
	if k.expected.count > 0 {
		k.expected.endOf(c.id)
	}
	k.table.Release(ref)
	k.live--
}

func (k *Tracker) expireSome(t uint64) {
	if k.wheel.Next() <= t {
		k.runTimers(t, k.timersPerPacket)
	}
}

func (k *Tracker) expireAll(t uint64) {
	if k.wheel.Next() <= t {
		k.runTimers(t, -1)
	}
}

func (k *Tracker) runTimers(t uint64, budget int) {
	k.wheel.Run(t, budget, func(ref uint32) {
		c := k.table.At(ref)
		if c.deadline > t {
			k.wheel.Unschedule(&c.Timed)
			k.wheel.Schedule(ref, c.deadline)
		} else {
			k.end(ref, natmodels.Expired, c.deadline)
		}
	})
}

// each calls f for every connection; f may end it.
func (k *Tracker) each(f func(ref uint32, c *connection)) {
	for ref := uint32(1); ref <= k.table.Made(); ref++ {
		if c := k.table.At(ref); c.id != 0 {
			f(ref, c)
		}
	}
}

// info describes a connection: from the inside to the outside, whoever began.
func (k *Tracker) info(c *connection) natmodels.MappingInfo {
	m := natmodels.MappingInfo{ID: c.id, Protocol: c.original.protocol}
	switch {
	case c.source:
		m.Internal, m.External = c.original.source().Netip(), c.reply.destination().Netip()
		m.Remote = c.original.destination().Netip()
	case c.local:
		m.External, m.Remote, m.Local = c.original.destination().Netip(), c.original.source().Netip(), true
	case k.firewall:
		m.Internal, m.External = c.original.destination().Netip(), c.original.destination().Netip()
		m.Remote = c.original.source().Netip()
	default: // from the outside, or another inside host, to a static address
		m.Internal, m.External = c.reply.source().Netip(), c.original.destination().Netip()
		m.Remote = c.original.source().Netip()
		m.Static = !c.expected
	}
	return m
}

func (k *Tracker) unpack(p *natmodels.Packet) (src, dst table.Endpoint, problem natmodels.Reason) {
	if k.firewall { // it serves both families
		return judge.UnpackFor(p, p.Src.Addr())
	}
	if p.Protocol != natmodels.UDP || p.Quoted != nil {
		return judge.UnpackFor(p, k.family())
	}
	return judge.UnpackUDP(p, k.four)
}

// family returns an address of the family that is served.
func (k *Tracker) family() netip.Addr {
	if len(k.place.External) > 0 {
		return k.place.External[0]
	}
	if len(k.cfg.Prefixes) > 0 {
		return k.cfg.Prefixes[0].External.Addr()
	}
	return netip.Addr{}
}
