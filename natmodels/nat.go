package natmodels

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// NAT is a box between an inside and an outside. It is not safe for concurrent
// use.
//
// Time reaches it only as the argument of its methods and never runs backwards:
// an earlier time than one already seen counts as that one.
type NAT struct {
	cfg       Config
	ranges    [spaces]PortRange
	mapping   [spaces]Dependence
	filtering [spaces]Dependence
	idle      uint64 // ns
	unreplied uint64 // ns
	icmp      uint64 // ns

	// UDP timers that few configurations have, in ns
	streamAfter, wellKnown, permission uint64

	elsewhere  bool // packets go to other first: no Translator, or the boundary of a NAT64
	portChoice PortChoice
	picky      bool // not every free port of the range will do
	agesFlows  bool // packets change more of a mapping than its idle timer
	groups     map[addr]*group

	sessionTimeouts [sessionStates]uint64

	epoch   time.Time
	started bool
	now     time.Time // as last given
	clock   uint64    // ns since epoch

	source  *rand.PCG
	random  *rand.Rand // draws from source
	hashing hashKey

	mappings slab[mapping]
	byFlow   index
	wheel    wheel
	// How many timers one packet may handle. It shows in nothing but the time taken.
	timersPerPacket int
	pools           []*pool
	byAddr          map[addr]uint16 // position in pools
	statics         int
	live            int
	lastID          uint64

	grants   slab[grant]
	byGrant  index
	endpoint map[endpointKey]map[endpoint]int // FilterScope PerEndpoint only

	holes map[uint32][]hole // of the mappings for which somebody is expected

	sessions  slab[session]
	bySession index
	held      []heldSYN // oldest first

	history history
	stats   Stats

	// The engines of the other kinds, which use none of the tables above.
	tracker *tracker
	prefix  *prefixTranslator
}

// New returns a NAT without any mapping but the port forwards of the
// configuration. The error of a configuration that cannot be honoured is that of
// Config.Validate.
func New(cfg Config) (*NAT, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &NAT{timersPerPacket: enoughTimers}
	n.wheel.next = never
	n.wheel.timer = func(ref uint32) *timed { return &n.mappings.at(ref).timed }
	n.seed(cfg.Seed)
	n.hashing = hashKey{n.random.Uint64(), n.random.Uint64(), n.random.Uint64(), n.random.Uint64()}
	n.configure(cfg)
	switch cfg.Kind {
	case Conntrack, Firewall:
		n.tracker = newTracker(n.cfg, n.random, n.hashing, &n.stats)
		return n, nil
	case PrefixTranslator:
		n.prefix = &prefixTranslator{packPrefixes(cfg.Prefixes), &n.stats}
		return n, nil
	}
	n.setPools(cfg.External)
	for _, s := range cfg.Static {
		n.forward(s)
	}
	n.regroup()
	return n, nil
}

// Config returns the configuration in force.
func (n *NAT) Config() Config {
	cfg := n.cfg
	cfg.External = slices.Clone(cfg.External)
	cfg.Static = slices.Clone(cfg.Static)
	cfg.Prefixes = slices.Clone(cfg.Prefixes)
	return cfg
}

func (n *NAT) seed(seed uint64) {
	n.source = rand.NewPCG(seed, 0x6e617470726f6f66)
	n.random = rand.New(n.source)
}

// configure takes over every setting but the external addresses and port forwards.
func (n *NAT) configure(cfg Config) {
	cfg.External = slices.Clone(cfg.External)
	cfg.Static = slices.Clone(cfg.Static)
	cfg.Prefixes = slices.Clone(cfg.Prefixes)
	n.cfg = cfg
	n.elsewhere = cfg.Kind != Translator || cfg.NAT64.IsValid()
	ports := cfg.PortRange.orDefault()
	n.ranges = [spaces]PortRange{udpSpace: ports, tcpSpace: ports, icmpSpace: {0, 65535}}
	n.idle = uint64(cfg.Idle())
	n.unreplied = uint64(cfg.Unreplied())
	n.icmp = uint64(cfg.QueryTimeout())
	n.sessionTimeouts = cfg.TCP.sessionTimeouts()
	n.streamAfter, n.wellKnown = uint64(cfg.StreamAfter), uint64(cfg.WellKnownTimeout)
	n.permission = uint64(cfg.PermissionTimeout)
	n.agesFlows = n.streamAfter > 0 || n.wellKnown > 0
	n.picky = cfg.Parity || cfg.Contiguous || cfg.PortClasses || cfg.ReuseDelay > 0 || cfg.Blocks.Size > 0
	n.portChoice = cfg.PortChoice
	n.mapping = n.behaviors(cfg.Mapping)
	n.filtering = [spaces]Dependence{cfg.Filtering, cfg.Filtering, cfg.Filtering}
	if cfg.TCP.Own {
		n.filtering[tcpSpace] = cfg.TCP.Filtering
	}
	n.endpoint = nil
	if cfg.FilterScope == PerEndpoint {
		n.endpoint = make(map[endpointKey]map[endpoint]int)
	}
}

// tick takes over the time of the caller.
func (n *NAT) tick(now time.Time) uint64 {
	if now == n.now && n.started {
		return n.clock
	}
	if !n.started {
		n.epoch, n.started = now, true
	}
	n.now = now
	if d := now.Sub(n.epoch); d > 0 && uint64(d) > n.clock {
		n.clock = uint64(d)
	}
	return n.clock
}

// Advance tells the NAT the time and ends the mappings whose time has come. Every
// method that takes a time does that too; Advance serves those that do not: Flush,
// Renumber and SetBehavior act at the time the NAT was told last.
func (n *NAT) Advance(now time.Time) { n.expireAll(n.tick(now)) }

// Outbound handles a packet that arrives from the inside.
func (n *NAT) Outbound(p Packet, now time.Time) (v Verdict) {
	if n.elsewhere {
		return n.other(fromInside, &p, now)
	}
	n.stats.Outbound++
	t := n.tick(now)
	n.expireSome(t)
	src, dst, problem := n.unpack(&p)
	if problem != NotDropped {
		return n.drop(p, problem)
	}
	if p.Quoted != nil {
		return n.errorOutbound(p, t)
	}
	sp := spaceOf(p.Protocol)
	at, hairpin := n.poolAt(dst.addr)
	if hairpin && n.cfg.Hairpin == NoHairpinning {
		return n.refuseHairpin(p, &n.pools[at].ports[sp], t)
	}
	if sp != udpSpace {
		if v, done := n.beforeOutbound(&p, &dst, hairpin); done {
			return v
		}
	}

	ref, m := n.findFlow(sp, p.Protocol, src, dst, t)
	created := false
	if m == nil {
		if sp == tcpSpace && segmentOf(p.Flags) != segSYN {
			return n.drop(p, Invalid)
		}
		if ref, m, v = n.create(p, src, n.mapping[sp].key(dst), t); m == nil {
			return v
		}
		created = true
	} else if n.cfg.Refresh != RefreshInbound && sp != tcpSpace {
		m.last = t // RFC 4787 section 4.3, REQ-6
	}
	if sp == tcpSpace {
		if v, ok := n.outboundTCP(p, ref, m, dst, created, t); !ok {
			return v
		}
	}
	if n.agesFlows {
		n.age(m, dst.port, t)
	}
	n.permit(ref, m, dst, t)

	if hairpin {
		v = n.hairpin(p, m, n.pools[at], t)
		v.Created = created
		return v
	}
	n.stats.Forwarded++
	external := n.pools[m.pool].external(m.port)
	v.Action, v.Packet, v.Created = Forward, p, created
	v.Packet.Src = external
	v.Mapping = MappingInfo{m.id, p.Protocol, p.Src, external, m.remote(), m.static, false}
	if sp == icmpSpace {
		v.Packet = withSource(p, external)
	}
	return v
}

// beforeOutbound handles what is special about packets from the inside that are not
// UDP. The identifier of an ICMP query is no port of its destination.
func (n *NAT) beforeOutbound(p *Packet, dst *endpoint, hairpin bool) (Verdict, bool) {
	if spaceOf(p.Protocol) != icmpSpace {
		return Verdict{}, false
	}
	dst.port = 0
	switch request, _ := p.echo(); {
	case !request:
		return n.drop(*p, Invalid), true
	case hairpin: // an address of the NAT itself, whose identifiers nobody can name
		reply, _ := hostAnswer(*p)
		n.stats.Replied++
		return Verdict{Action: Reply, Packet: reply, Reason: NoMapping}, true
	}
	return Verdict{}, false
}

// outboundTCP takes note of a segment from the inside.
func (n *NAT) outboundTCP(p Packet, ref uint32, m *mapping, dst endpoint, created bool, t uint64) (Verdict, bool) {
	if !n.trackTCP(ref, m, fromInside, dst, p.Flags, t) {
		v := n.drop(p, Invalid)
		v.Mapping = n.info(m)
		return v, false
	}
	if created {
		n.wheel.schedule(ref, m.last)
	}
	if seg := segmentOf(p.Flags); len(n.held) > 0 && (seg == segSYN || seg == segSYNACK) {
		n.release(Packet{Src: n.pools[m.pool].external(m.port), Dst: p.Dst})
	}
	return Verdict{}, true
}

// Inbound handles a packet that arrives from the outside.
func (n *NAT) Inbound(p Packet, now time.Time) (v Verdict) {
	if n.elsewhere {
		return n.other(fromOutside, &p, now)
	}
	n.stats.Inbound++
	t := n.tick(now)
	n.expireSome(t)
	src, dst, problem := n.unpack(&p)
	if problem != NotDropped {
		return n.drop(p, problem)
	}
	if p.Quoted != nil {
		return n.errorInbound(p, t)
	}
	at, ours := n.poolAt(dst.addr)
	if !ours {
		return n.dropGone(p, p.Dst, NotExternal, t)
	}
	m, reason := n.admit(&p, n.pools[at], src, t)
	if reason != NotDropped {
		return n.unsolicited(n.dropAt(p, m, reason, p.Dst, t), t)
	}
	n.stats.Forwarded++
	internal := m.internal()
	v.Action, v.Packet = Forward, p
	v.Packet.Dst = internal
	v.Mapping = MappingInfo{m.id, p.Protocol, internal, p.Dst, m.remote(), m.static, false}
	if p.Protocol != UDP {
		v.Packet = withDestination(p, internal)
	}
	return v
}

// unsolicited turns the drop of a packet that nothing was waiting for into an answer,
// where the configuration wants one.
func (n *NAT) unsolicited(v Verdict, t uint64) Verdict {
	p := v.Packet
	if p.Protocol == TCP {
		switch {
		case segmentOf(p.Flags) != segSYN || n.cfg.TCP.SYN == DropSYN:
			return v
		case n.cfg.TCP.SYN == HoldSYN:
			n.hold(p, t)
			return v
		}
	} else if n.cfg.Unsolicited != Reject {
		return v
	}
	reply, ok := hostAnswer(p)
	if !ok {
		return v
	}
	n.stats.Dropped[v.Reason]--
	n.stats.Replied++
	v.Action, v.Packet = Reply, reply
	return v
}

// other handles a packet through a box that is no Translator, or is a NAT64.
func (n *NAT) other(from side, p *Packet, now time.Time) Verdict {
	if n.cfg.Kind == Translator {
		return n.nat64(from, *p, now)
	}
	n.count(from)
	if n.tracker != nil {
		return n.tracker.send(from, p, n.tick(now))
	}
	if n.prefix != nil {
		return n.prefix.send(from, *p)
	}
	return n.pass(*p)
}

func (n *NAT) count(from side) {
	if from == fromInside {
		n.stats.Outbound++
	} else {
		n.stats.Inbound++
	}
}

// admit finds the mapping behind the external port that a packet is for, and asks its
// filter about src. It returns the mapping also when that is Filtered.
func (n *NAT) admit(p *Packet, pl *pool, src endpoint, t uint64) (*mapping, Reason) {
	sp := spaceOf(p.Protocol)
	ports, port := &pl.ports[sp], p.Dst.Port()
	if sp == icmpSpace {
		src.port = 0
		if _, reply := p.echo(); !reply {
			return nil, NoMapping
		}
	}
	m := n.holder(ports, port, t)
	if m == nil {
		return nil, NoMapping
	}
	ref := ports.at(port)
	if sp == tcpSpace {
		return m, n.admitTCP(p, ref, m, src, t)
	}
	if !n.permits(ref, m, src, t) {
		return m, Filtered
	}
	if h := n.holeFor(ref, m, src.addr, t); h != nil {
		h.used = true
	}
	m.replied = true
	if n.agesFlows {
		n.age(m, 0, t)
	}
	if n.cfg.Refresh != RefreshOutbound {
		m.last = t // RFC 4787 section 4.3, REQ-6a
	}
	return m, NotDropped
}

// age takes note of what a flow is used for: port is where a packet goes, or 0 for one
// that came in.
func (n *NAT) age(m *mapping, port uint16, t uint64) {
	m.stream = m.stream || m.replied && t-m.created > n.streamAfter
	if m.short && port >= 1024 {
		m.short = false
	}
}

// admitTCP admits the segments of a connection, and a SYN that the filter lets in.
func (n *NAT) admitTCP(p *Packet, ref uint32, m *mapping, src endpoint, t uint64) Reason {
	if n.session(ref, src, t) == nil {
		switch {
		case !n.permits(ref, m, src, t):
			return Filtered
		case segmentOf(p.Flags) != segSYN:
			return Invalid
		}
	}
	n.trackTCP(ref, m, fromOutside, src, p.Flags, t)
	if h := n.holeFor(ref, m, src.addr, t); h != nil {
		h.used = true
	}
	m.replied = true
	return NotDropped
}

// hairpin delivers a packet from the inside to an external port of this NAT: out
// through the sender's mapping m and in again (RFC 4787 section 6).
func (n *NAT) hairpin(p Packet, m *mapping, pl *pool, t uint64) Verdict {
	external := n.pools[m.pool].external(m.port)
	target, reason := n.admit(&p, pl, endpoint{n.pools[m.pool].addr, m.port}, t)
	if reason != NotDropped {
		return n.dropAt(p, target, reason, p.Dst, t)
	}
	source := external // REQ-9a
	if n.cfg.Hairpin == InternalSource {
		source = p.Src
	}
	n.stats.Hairpinned++
	v := Verdict{Action: Hairpin, Packet: p, Mapping: n.info(m)}
	v.Packet.Src, v.Packet.Dst = source, target.internal()
	return v
}

func (n *NAT) refuseHairpin(p Packet, ports *portSpace, t uint64) Verdict {
	v := n.drop(p, HairpinOff)
	if m := n.holder(ports, p.Dst.Port(), t); m != nil {
		v.Mapping = n.info(m)
	}
	return v
}

// pass forwards a packet through a Router.
func (n *NAT) pass(p Packet) Verdict {
	n.stats.Forwarded++
	return Verdict{Action: Forward, Packet: p}
}

func (n *NAT) drop(p Packet, reason Reason) Verdict {
	n.stats.Dropped[reason]++
	return Verdict{Action: Drop, Packet: p, Reason: reason}
}

// dropAt drops a packet to an external endpoint because of its mapping m, or because
// there is none.
func (n *NAT) dropAt(p Packet, m *mapping, reason Reason, external netip.AddrPort, t uint64) Verdict {
	if m == nil {
		return n.dropGone(p, external, reason, t)
	}
	v := n.drop(p, reason)
	v.Mapping = n.info(m)
	return v
}

// dropGone drops a packet to an external endpoint that has no mapping. If it had one
// until recently, the reason is how that ended. The identifier of an echo request is its
// sender's, and names no mapping.
func (n *NAT) dropGone(p Packet, external netip.AddrPort, reason Reason, t uint64) Verdict {
	g, ok := n.history.find(p.Protocol, external)
	if request, _ := p.echo(); !ok || request {
		return n.drop(p, reason)
	}
	v := n.drop(p, g.cause)
	v.Mapping = g.info
	if g.cause == Expired {
		v.Since = time.Duration(t - g.at)
	}
	return v
}

// unpack checks that the NAT can translate the packet, and packs its endpoints. At the
// boundary of a NAT64 it was checked before, and now has two families.
func (n *NAT) unpack(p *Packet) (src, dst endpoint, problem Reason) {
	if p.Protocol != UDP || p.Quoted != nil {
		src, dst, problem = unpackFor(p, n.pools[0].ip)
	} else {
		src, dst, problem = unpackUDP(p, n.pools[0].addr.is4())
	}
	if problem == FamilyMismatch && n.cfg.NAT64.IsValid() {
		problem = NotDropped
	}
	return src, dst, problem
}
