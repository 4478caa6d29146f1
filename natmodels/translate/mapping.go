package translate

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// flow is what a mapping is found by from the inside.
type flow struct {
	internal, remote         table.Addr
	internalPort, remotePort uint16
	protocol                 natmodels.Protocol
}

func flowOf(p natmodels.Protocol, internal, remote table.Endpoint) flow {
	return flow{internal.Addr, remote.Addr, internal.Port, remote.Port, p}
}

func hashFlow(k *table.HashKey, f *flow) uint32 {
	ports := uint64(f.internalPort) | uint64(f.remotePort)<<16 | uint64(f.protocol)<<32
	return k.Words(f.internal, f.remote, ports)
}

// mapping is one entry of the translation table. It holds no pointers; see addr.
type mapping struct {
	flow        // internal endpoint, and the remote fields that the mapping depends on
	static      bool
	replied     bool
	stream      bool   // with StreamAfter: the flow is old enough
	short       bool   // nothing but well-known ports were sent to
	open        bool   // somebody is expected: see holes
	port        uint16 // external
	pool        uint16 // external address
	firstPort   uint16 // with firstAddr: the first remote that the filter admits
	firstAddr   table.Addr
	last        uint64 // when the idle timer was restarted, ns since the epoch; of TCP, the deadline
	created     uint64 // ns since the epoch
	id          uint64 // 0: free
	table.Timed        // when it may be dead
	moreGrants  uint32 // further remotes that the filter admits
	sessions    uint32 // TCP connections, one of a ring
	elder       uint32 // with a limit: made before and after it
	younger     uint32
}

func (m *mapping) internal() netip.AddrPort {
	return netip.AddrPortFrom(m.flow.internal.Netip(), m.internalPort)
}

func (m *mapping) remote() netip.AddrPort {
	return table.Endpoint{Addr: m.flow.remote, Port: m.remotePort}.Netip()
}

func (n *NAT) info(m *mapping) natmodels.MappingInfo {
	return natmodels.MappingInfo{
		ID:       m.id,
		Protocol: m.protocol,
		Internal: m.internal(),
		External: n.pools[m.pool].external(m.port),
		Remote:   m.remote(),
		Static:   m.static,
	}
}

// deadline is the instant at which the mapping is dead: it is alive one nanosecond
// before (RFC 4787 section 4.3, REQ-5).
func (n *NAT) deadline(m *mapping) uint64 {
	switch {
	case m.static:
		return table.Never
	case m.open:
		return max(n.openUntil(m), n.usualDeadline(m))
	}
	return n.usualDeadline(m)
}

func (n *NAT) usualDeadline(m *mapping) uint64 {
	switch {
	case m.protocol != natmodels.UDP:
		return n.otherDeadline(m)
	case m.short:
		return m.last + n.wellKnown
	case m.replied && (m.stream || n.streamAfter == 0):
		return m.last + n.idle
	}
	return m.last + n.unreplied
}

func (n *NAT) otherDeadline(m *mapping) uint64 {
	if m.protocol == natmodels.TCP {
		return m.last
	}
	return m.last + n.icmp // RFC 5508 REQ-2
}

// findFlow returns the live mapping for packets from src to dst.
func (n *NAT) findFlow(sp space, proto natmodels.Protocol, src, dst table.Endpoint, t uint64) (uint32, *mapping) {
	if ref, m := n.findOpen(proto, src, dst, t); m != nil {
		return ref, m
	}
	f := flowOf(proto, src, table.Key(n.mapping[sp], dst))
	return n.lookupLive(&f, t)
}

// lookupLive returns the mapping of a flow unless its time is over.
func (n *NAT) lookupLive(f *flow, t uint64) (uint32, *mapping) {
	ref, m := n.lookup(f)
	if m != nil {
		if d := n.deadline(m); d <= t {
			n.end(ref, natmodels.Expired, d)
			return 0, nil
		}
	}
	return ref, m
}

func (n *NAT) lookup(f *flow) (uint32, *mapping) {
	p := n.byFlow.Probe(hashFlow(&n.hashing, f))
	for ref := p.Next(); ref != 0; ref = p.Next() {
		if m := n.mappings.At(ref); m.flow == *f {
			return ref, m
		}
	}
	return 0, nil
}

// holder returns the live mapping that has an external port.
func (n *NAT) holder(p *portSpace, port uint16, t uint64) *mapping {
	ref := p.at(port)
	if ref == 0 {
		return nil
	}
	m := n.mappings.At(ref)
	if d := n.deadline(m); d <= t {
		n.end(ref, natmodels.Expired, d)
		return nil
	}
	return m
}

// create makes the mapping for a packet from src; remote holds the fields that the
// mapping depends on. Without a port it returns the verdict on the packet instead.
func (n *NAT) create(p natmodels.Packet, src, remote table.Endpoint, t uint64) (uint32, *mapping, natmodels.Verdict) {
	ref, m, reason := n.make(p.Protocol, src, remote, t)
	if m == nil {
		v := n.drop(p, reason)
		if m := n.conflict(spaceOf(p.Protocol), src, reason, t); m != nil {
			v.Mapping = n.info(m)
		}
		return 0, nil, n.refuseFull(v)
	}
	return ref, m, natmodels.Verdict{}
}

// make makes a mapping, or says why there can be none.
func (n *NAT) make(proto natmodels.Protocol, src, remote table.Endpoint, t uint64) (uint32, *mapping, natmodels.Reason) {
	sp := spaceOf(proto)
	if n.limited() {
		if reason := n.makeRoom(src.Addr, t); reason != natmodels.NotDropped {
			return 0, nil, reason
		}
	}
	at, port, reason := n.choosePort(sp, src, t)
	if reason != natmodels.NotDropped {
		return 0, nil, reason
	}
	ref, m := n.add(flowOf(proto, src, remote), at, port)
	m.last, m.created = t, t
	m.short = sp == udpSpace && n.wellKnown > 0
	if n.limited() {
		n.join(ref, m)
	}
	n.measure()
	if sp != tcpSpace { // its first session has not begun
		n.wheel.Schedule(ref, n.deadline(m))
	}
	n.stats.Created++
	return ref, m, natmodels.NotDropped
}

// forward adds a port forward.
func (n *NAT) forward(s natmodels.StaticMapping) {
	internal := table.Endpoint{Addr: table.Pack(s.Internal.Addr()), Port: s.Internal.Port()}
	_, m := n.add(flowOf(s.Protocol, internal, table.Endpoint{}), n.byAddr[table.Pack(s.External.Addr())], s.External.Port())
	m.static = true
	n.statics++
}

func (n *NAT) add(f flow, at, port uint16) (uint32, *mapping) {
	ref := n.mappings.Take()
	m := n.mappings.At(ref)
	n.lastID++
	n.live++
	*m = mapping{flow: f, pool: at, port: port, id: n.lastID}
	n.byFlow.Insert(hashFlow(&n.hashing, &f), ref)
	sp := spaceOf(f.protocol)
	n.pools[at].ports[sp].hold(port, ref, n.ranges[sp])
	return ref, m
}

// end takes a mapping out of every table. The cause is Expired, Flushed or
// Renumbered.
func (n *NAT) end(ref uint32, cause natmodels.Reason, at uint64) {
	m := n.mappings.At(ref)
	n.history.Add(n.info(m), cause, at)
	if m.static {
		n.statics--
	} else {
		n.stats.Ended(cause)
		n.wheel.Unschedule(&m.Timed)
	}
	n.revoke(ref, m)
	if m.open {
		delete(n.holes, ref)
	}
	n.endSessions(m)
	n.byFlow.Remove(hashFlow(&n.hashing, &m.flow), ref)
	sp := spaceOf(m.protocol)
	until := uint64(0)
	if n.cfg.ReuseDelay > 0 && !m.static {
		until = at + uint64(n.cfg.ReuseDelay)
	}
	n.pools[m.pool].ports[sp].release(m.port, n.ranges[sp], until)
	if n.limited() && !m.static {
		n.leave(m)
	}
	n.mappings.Release(ref)
	n.live--
	n.measure()
}

// byAge lists the mappings that are no port forwards, the oldest first.
func (n *NAT) byAge() []uint32 {
	var refs []uint32
	n.each(func(ref uint32, m *mapping) {
		if !m.static {
			refs = append(refs, ref)
		}
	})
	slices.SortFunc(refs, func(a, b uint32) int { return cmp.Compare(n.mappings.At(a).id, n.mappings.At(b).id) })
	return refs
}

// each calls f for every mapping, in the order of their numbers. f may end the
// mapping it is called for.
func (n *NAT) each(f func(ref uint32, m *mapping)) {
	for ref := uint32(1); ref <= n.mappings.Made(); ref++ {
		if m := n.mappings.At(ref); m.id != 0 {
			f(ref, m)
		}
	}
}

// Mappings returns the mappings alive at now, sorted by protocol, internal endpoint,
// remote and ID.
func (n *NAT) Mappings(now time.Time) []natmodels.MappingInfo {
	n.expireAll(n.clock.Tick(now))
	all := make([]natmodels.MappingInfo, 0, n.live)
	n.each(func(_ uint32, m *mapping) { all = append(all, n.info(m)) })
	judge.Sort(all)
	return all
}
