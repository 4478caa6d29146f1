package translate

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// NAT is a [natmodels.Box] that translates by mappings.
type NAT struct {
	cfg       Config
	place     natmodels.Place
	ranges    [spaces]natmodels.PortRange
	mapping   [spaces]natmodels.Dependence
	filtering [spaces]natmodels.Dependence
	idle      uint64 // ns
	unreplied uint64 // ns
	icmp      uint64 // ns

	// UDP timers that few configurations have, in ns
	streamAfter, wellKnown, permission uint64

	mixed      bool // the core of a NAT64
	portChoice natmodels.PortChoice
	picky      bool // not every free port of the range will do
	agesFlows  bool // packets change more of a mapping than its idle timer
	groups     map[table.Addr]*group

	sessionTimeouts [sessionStates]uint64

	clock table.Clock

	source  *rand.PCG
	random  *rand.Rand // draws from source
	hashing table.HashKey

	mappings table.Slab[mapping]
	byFlow   table.Index
	wheel    table.Wheel
	// How many timers one packet may handle. It shows in nothing but the time taken.
	timersPerPacket int
	pools           []*pool
	byAddr          map[table.Addr]uint16 // position in pools
	statics         int
	live            int
	lastID          uint64

	grants   table.Slab[grant]
	byGrant  table.Index
	endpoint map[endpointKey]map[table.Endpoint]int // FilterScope PerEndpoint only

	holes map[uint32][]hole // of the mappings for which somebody is expected

	sessions  table.Slab[session]
	bySession table.Index
	held      []heldSYN // oldest first

	history table.History
	stats   natmodels.Stats
	said    *judge.Said // nil: nothing yet
}

// New returns a NAT in its place, without any mapping but the port forwards. The error of
// what cannot be honoured joins ConfigErrors.
func New(cfg Config, place natmodels.Place) (*NAT, error) {
	p := cfg.problems()
	cfg.checkPlace(&p, place, false)
	if err := errors.Join(p...); err != nil {
		return nil, err
	}
	return newNAT(cfg, place, false), nil
}

// newNAT makes a NAT of settings that were checked. A mixed one has IPv6 inside and IPv4
// outside, and is shown packets of the inside whose remote endpoint is IPv4.
func newNAT(cfg Config, place natmodels.Place, mixed bool) *NAT {
	n := &NAT{timersPerPacket: table.EnoughTimers, mixed: mixed}
	n.wheel.Start(n.timer)
	n.source = rand.NewPCG(place.Seed, 0x6e617470726f6f66)
	n.random = rand.New(n.source)
	n.hashing = table.NewHashKey(n.random)
	n.configure(cfg)
	n.place = clonePlace(place)
	n.setPools(place.External)
	for _, s := range place.Static {
		n.forward(s)
	}
	n.regroup()
	return n
}

func (n *NAT) timer(ref uint32) *table.Timed { return &n.mappings.At(ref).Timed }

// Config returns the configuration in force.
func (n *NAT) Config() Config { return n.cfg }

// Model is the configuration in force.
func (n *NAT) Model() natmodels.Model { return n.cfg }

// Mute says that nothing from the inside is answered.
func (n *NAT) Mute() bool { return n.cfg.WhenFull != RefuseICMP }

// Place is where the NAT stands now.
func (n *NAT) Place() natmodels.Place { return clonePlace(n.place) }

func clonePlace(p natmodels.Place) natmodels.Place {
	p.External, p.Static = slices.Clone(p.External), slices.Clone(p.Static)
	return p
}

// configure takes over the settings.
func (n *NAT) configure(cfg Config) {
	n.cfg = cfg
	ports := cfg.PortRange.OrDefault()
	n.ranges = [spaces]natmodels.PortRange{udpSpace: ports, tcpSpace: ports, icmpSpace: {Last: 65535}}
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
	n.filtering = [spaces]natmodels.Dependence{cfg.Filtering, cfg.Filtering, cfg.Filtering}
	if cfg.TCP.Own {
		n.filtering[tcpSpace] = cfg.TCP.Filtering
	}
	n.endpoint = nil
	if cfg.FilterScope == natmodels.PerEndpoint {
		n.endpoint = make(map[endpointKey]map[table.Endpoint]int)
	}
}

// Advance tells the NAT the time and ends the mappings whose time has come. Every
// method that takes a time does that too; Advance serves those that do not: Flush,
// Renumber and SetBehavior act at the time the NAT was told last.
func (n *NAT) Advance(now time.Time) { n.expireAll(n.clock.Tick(now)) }

// Outbound handles a packet that arrives from the inside.
func (n *NAT) Outbound(p natmodels.Packet, now time.Time) (v natmodels.Verdict) {
	n.stats.Outbound++
	t := n.clock.Tick(now)
	n.expireSome(t)
	src, dst, problem := n.unpack(&p)
	if problem != natmodels.NotDropped {
		return n.drop(p, problem)
	}
	if p.Quoted != nil {
		return n.errorOutbound(p, t)
	}
	sp := spaceOf(p.Protocol)
	at, hairpin := n.poolAt(dst.Addr)
	if hairpin && n.cfg.Hairpin == natmodels.NoHairpinning {
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
		if sp == tcpSpace && judge.SegmentOf(p.Flags) != judge.SYN {
			return n.drop(p, natmodels.Invalid)
		}
		if ref, m, v = n.create(p, src, table.Key(n.mapping[sp], dst), t); m == nil {
			return v
		}
		created = true
	} else if n.cfg.Refresh != natmodels.RefreshInbound && sp != tcpSpace {
		m.last = t // RFC 4787 section 4.3, REQ-6
	}
	if sp == tcpSpace {
		if v, ok := n.outboundTCP(p, ref, m, dst, created, t); !ok {
			return v
		}
	}
	if n.agesFlows {
		n.age(m, dst.Port, t)
	}
	n.permit(ref, m, dst, t)

	if hairpin {
		v = n.hairpin(p, m, n.pools[at], t)
		v.Created = created
		return v
	}
	n.stats.Forwarded++
	external := n.pools[m.pool].external(m.port)
	v.Action, v.Packet, v.Created = natmodels.Forward, p, created
	v.Packet.Src = external
	v.Mapping = natmodels.MappingInfo{ID: m.id, Protocol: p.Protocol, Internal: p.Src, External: external, Remote: m.remote(), Static: m.static, Local: false}
	if sp == icmpSpace {
		v.Packet = withSource(p, external)
	}
	return v
}

// beforeOutbound handles what is special about packets from the inside that are not
// UDP. The identifier of an ICMP query is no port of its destination.
func (n *NAT) beforeOutbound(p *natmodels.Packet, dst *table.Endpoint, hairpin bool) (natmodels.Verdict, bool) {
	if spaceOf(p.Protocol) != icmpSpace {
		return natmodels.Verdict{}, false
	}
	dst.Port = 0
	switch request, _ := p.Echo(); {
	case !request:
		return n.drop(*p, natmodels.Invalid), true
	case hairpin: // an address of the NAT itself, whose identifiers nobody can name
		reply, _ := judge.HostAnswer(*p)
		n.stats.Replied++
		return natmodels.Verdict{Action: natmodels.Reply, Packet: reply, Reason: natmodels.NoMapping}, true
	}
	return natmodels.Verdict{}, false
}

// outboundTCP takes note of a segment from the inside.
func (n *NAT) outboundTCP(p natmodels.Packet, ref uint32, m *mapping, dst table.Endpoint, created bool, t uint64) (natmodels.Verdict, bool) {
	if !n.trackTCP(ref, m, judge.Inside, dst, p.Flags, t) {
		v := n.drop(p, natmodels.Invalid)
		v.Mapping = n.info(m)
		return v, false
	}
	if created {
		n.wheel.Schedule(ref, m.last)
	}
	if seg := judge.SegmentOf(p.Flags); len(n.held) > 0 && (seg == judge.SYN || seg == judge.SYNACK) {
		n.release(natmodels.Packet{Src: n.pools[m.pool].external(m.port), Dst: p.Dst})
	}
	return natmodels.Verdict{}, true
}

// Inbound handles a packet that arrives from the outside.
func (n *NAT) Inbound(p natmodels.Packet, now time.Time) (v natmodels.Verdict) {
	n.stats.Inbound++
	t := n.clock.Tick(now)
	n.expireSome(t)
	src, dst, problem := n.unpack(&p)
	if problem != natmodels.NotDropped {
		return n.drop(p, problem)
	}
	if p.Quoted != nil {
		return n.errorInbound(p, t)
	}
	at, ours := n.poolAt(dst.Addr)
	if !ours {
		return n.dropGone(p, p.Dst, natmodels.NotExternal, t)
	}
	m, reason := n.admit(&p, n.pools[at], src, t)
	if reason != natmodels.NotDropped {
		return n.unsolicited(n.dropAt(p, m, reason, p.Dst, t), t)
	}
	n.stats.Forwarded++
	internal := m.internal()
	v.Action, v.Packet = natmodels.Forward, p
	v.Packet.Dst = internal
	v.Mapping = natmodels.MappingInfo{ID: m.id, Protocol: p.Protocol, Internal: internal, External: p.Dst, Remote: m.remote(), Static: m.static, Local: false}
	if p.Protocol != natmodels.UDP {
		v.Packet = withDestination(p, internal)
	}
	return v
}

// unsolicited turns the drop of a packet that nothing was waiting for into an answer,
// where the configuration wants one.
func (n *NAT) unsolicited(v natmodels.Verdict, t uint64) natmodels.Verdict {
	p := v.Packet
	if p.Protocol == natmodels.TCP {
		switch {
		case judge.SegmentOf(p.Flags) != judge.SYN || n.cfg.TCP.SYN == DropSYN:
			return v
		case n.cfg.TCP.SYN == HoldSYN:
			n.hold(p, t)
			return v
		}
	} else if n.cfg.Unsolicited != natmodels.Reject {
		return v
	}
	reply, ok := judge.HostAnswer(p)
	if !ok {
		return v
	}
	n.stats.Dropped[v.Reason]--
	n.stats.Replied++
	v.Action, v.Packet = natmodels.Reply, reply
	return v
}

func (n *NAT) count(from judge.Side) {
	if from == judge.Inside {
		n.stats.Outbound++
	} else {
		n.stats.Inbound++
	}
}

// admit finds the mapping behind the external port that a packet is for, and asks its
// filter about src. It returns the mapping also when that is Filtered.
func (n *NAT) admit(p *natmodels.Packet, pl *pool, src table.Endpoint, t uint64) (*mapping, natmodels.Reason) {
	sp := spaceOf(p.Protocol)
	ports, port := &pl.ports[sp], p.Dst.Port()
	if sp == icmpSpace {
		src.Port = 0
		if _, reply := p.Echo(); !reply {
			return nil, natmodels.NoMapping
		}
	}
	m := n.holder(ports, port, t)
	if m == nil {
		return nil, natmodels.NoMapping
	}
	ref := ports.at(port)
	if sp == tcpSpace {
		return m, n.admitTCP(p, ref, m, src, t)
	}
	if !n.permits(ref, m, src, t) {
		return m, natmodels.Filtered
	}
	if h := n.holeFor(ref, m, src.Addr, t); h != nil {
		h.used = true
	}
	m.replied = true
	if n.agesFlows {
		n.age(m, 0, t)
	}
	if n.cfg.Refresh != natmodels.RefreshOutbound {
		m.last = t // RFC 4787 section 4.3, REQ-6a
	}
	return m, natmodels.NotDropped
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
func (n *NAT) admitTCP(p *natmodels.Packet, ref uint32, m *mapping, src table.Endpoint, t uint64) natmodels.Reason {
	if n.session(ref, src, t) == nil {
		switch {
		case !n.permits(ref, m, src, t):
			return natmodels.Filtered
		case judge.SegmentOf(p.Flags) != judge.SYN:
			return natmodels.Invalid
		}
	}
	n.trackTCP(ref, m, judge.Outside, src, p.Flags, t)
	if h := n.holeFor(ref, m, src.Addr, t); h != nil {
		h.used = true
	}
	m.replied = true
	return natmodels.NotDropped
}

// hairpin delivers a packet from the inside to an external port of this NAT: out
// through the sender's mapping m and in again (RFC 4787 section 6).
func (n *NAT) hairpin(p natmodels.Packet, m *mapping, pl *pool, t uint64) natmodels.Verdict {
	external := n.pools[m.pool].external(m.port)
	target, reason := n.admit(&p, pl, table.Endpoint{Addr: n.pools[m.pool].addr, Port: m.port}, t)
	if reason != natmodels.NotDropped {
		return n.dropAt(p, target, reason, p.Dst, t)
	}
	source := external // REQ-9a
	if n.cfg.Hairpin == natmodels.InternalSource {
		source = p.Src
	}
	n.stats.Hairpinned++
	v := natmodels.Verdict{Action: natmodels.Hairpin, Packet: p, Mapping: n.info(m)}
	v.Packet.Src, v.Packet.Dst = source, target.internal()
	return v
}

func (n *NAT) refuseHairpin(p natmodels.Packet, ports *portSpace, t uint64) natmodels.Verdict {
	v := n.drop(p, natmodels.HairpinOff)
	if m := n.holder(ports, p.Dst.Port(), t); m != nil {
		v.Mapping = n.info(m)
	}
	return v
}

func (n *NAT) drop(p natmodels.Packet, reason natmodels.Reason) natmodels.Verdict {
	n.stats.Dropped[reason]++
	return natmodels.Verdict{Action: natmodels.Drop, Packet: p, Reason: reason}
}

// dropAt drops a packet to an external endpoint because of its mapping m, or because
// there is none.
func (n *NAT) dropAt(p natmodels.Packet, m *mapping, reason natmodels.Reason, external netip.AddrPort, t uint64) natmodels.Verdict {
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
func (n *NAT) dropGone(p natmodels.Packet, external netip.AddrPort, reason natmodels.Reason, t uint64) natmodels.Verdict {
	g, ok := n.history.Find(p.Protocol, external)
	if request, _ := p.Echo(); !ok || request {
		return n.drop(p, reason)
	}
	v := n.drop(p, g.Cause)
	v.Mapping = g.Info
	if g.Cause == natmodels.Expired {
		v.Since = time.Duration(t - g.At)
	}
	return v
}

// unpack checks that the NAT can translate the packet, and packs its endpoints. At the
// boundary of a NAT64 it was checked before, and now has two families.
func (n *NAT) unpack(p *natmodels.Packet) (src, dst table.Endpoint, problem natmodels.Reason) {
	if p.Protocol != natmodels.UDP || p.Quoted != nil {
		src, dst, problem = judge.UnpackFor(p, n.pools[0].ip)
	} else {
		src, dst, problem = judge.UnpackUDP(p, n.pools[0].addr.Is4())
	}
	if problem == natmodels.FamilyMismatch && n.mixed {
		problem = natmodels.NotDropped
	}
	return src, dst, problem
}
