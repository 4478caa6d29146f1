package natmodels

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// mapping is one entry of the translation table. It holds no pointers; see addr.
type mapping struct {
	flow       // internal endpoint, and the remote fields that the mapping depends on
	static     bool
	replied    bool
	stream     bool   // with StreamAfter: the flow is old enough
	short      bool   // nothing but well-known ports were sent to
	open       bool   // somebody is expected: see holes
	port       uint16 // external
	pool       uint16 // external address
	firstPort  uint16 // with firstAddr: the first remote that the filter admits
	firstAddr  addr
	last       uint64 // when the idle timer was restarted, ns since the epoch; of TCP, the deadline
	created    uint64 // ns since the epoch
	id         uint64 // 0: free
	timed             // when it may be dead
	moreGrants uint32 // further remotes that the filter admits
	sessions   uint32 // TCP connections, one of a ring
	elder      uint32 // with a limit: made before and after it
	younger    uint32
}

func (m *mapping) internal() netip.AddrPort {
	return netip.AddrPortFrom(m.flow.internal.netip(), m.internalPort)
}

func (m *mapping) remote() netip.AddrPort {
	return endpoint{m.flow.remote, m.remotePort}.netip()
}

func (n *NAT) info(m *mapping) MappingInfo {
	return MappingInfo{
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
		return never
	case m.open:
		return max(n.openUntil(m), n.usualDeadline(m))
	}
	return n.usualDeadline(m)
}

func (n *NAT) usualDeadline(m *mapping) uint64 {
	switch {
	case m.protocol != UDP:
		return n.otherDeadline(m)
	case m.short:
		return m.last + n.wellKnown
	case m.replied && (m.stream || n.streamAfter == 0):
		return m.last + n.idle
	}
	return m.last + n.unreplied
}

func (n *NAT) otherDeadline(m *mapping) uint64 {
	if m.protocol == TCP {
		return m.last
	}
	return m.last + n.icmp // RFC 5508 REQ-2
}

// findFlow returns the live mapping for packets from src to dst.
func (n *NAT) findFlow(sp space, proto Protocol, src, dst endpoint, t uint64) (uint32, *mapping) {
	if ref, m := n.findOpen(proto, src, dst, t); m != nil {
		return ref, m
	}
	f := flowOf(proto, src, n.mapping[sp].key(dst))
	return n.lookupLive(&f, t)
}

// lookupLive returns the mapping of a flow unless its time is over.
func (n *NAT) lookupLive(f *flow, t uint64) (uint32, *mapping) {
	ref, m := n.lookup(f)
	if m != nil {
		if d := n.deadline(m); d <= t {
			n.end(ref, Expired, d)
			return 0, nil
		}
	}
	return ref, m
}

func (n *NAT) lookup(f *flow) (uint32, *mapping) {
	p := n.byFlow.probe(n.hashing.flow(f))
	for ref := p.next(); ref != 0; ref = p.next() {
		if m := n.mappings.at(ref); m.flow == *f {
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
	m := n.mappings.at(ref)
	if d := n.deadline(m); d <= t {
		n.end(ref, Expired, d)
		return nil
	}
	return m
}

// create makes the mapping for a packet from src; remote holds the fields that the
// mapping depends on. Without a port it returns the verdict on the packet instead.
func (n *NAT) create(p Packet, src, remote endpoint, t uint64) (uint32, *mapping, Verdict) {
	ref, m, reason := n.make(p.Protocol, src, remote, t)
	if m == nil {
		v := n.drop(p, reason)
		if m := n.conflict(spaceOf(p.Protocol), src, reason, t); m != nil {
			v.Mapping = n.info(m)
		}
		return 0, nil, n.refuseFull(v)
	}
	return ref, m, Verdict{}
}

// make makes a mapping, or says why there can be none.
func (n *NAT) make(proto Protocol, src, remote endpoint, t uint64) (uint32, *mapping, Reason) {
	sp := spaceOf(proto)
	if n.limited() {
		if reason := n.makeRoom(src.addr, t); reason != NotDropped {
			return 0, nil, reason
		}
	}
	at, port, reason := n.choosePort(sp, src, t)
	if reason != NotDropped {
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
		n.wheel.schedule(ref, n.deadline(m))
	}
	n.stats.Created++
	return ref, m, NotDropped
}

// forward adds a port forward.
func (n *NAT) forward(s StaticMapping) {
	internal := endpoint{packAddr(s.Internal.Addr()), s.Internal.Port()}
	_, m := n.add(flowOf(s.Protocol, internal, endpoint{}), n.byAddr[packAddr(s.External.Addr())], s.External.Port())
	m.static = true
	n.statics++
}

func (n *NAT) add(f flow, at, port uint16) (uint32, *mapping) {
	ref := n.mappings.take()
	m := n.mappings.at(ref)
	n.lastID++
	n.live++
	*m = mapping{flow: f, pool: at, port: port, id: n.lastID}
	n.byFlow.insert(n.hashing.flow(&f), ref)
	sp := spaceOf(f.protocol)
	n.pools[at].ports[sp].hold(port, ref, n.ranges[sp])
	return ref, m
}

// end takes a mapping out of every table. The cause is Expired, Flushed or
// Renumbered.
func (n *NAT) end(ref uint32, cause Reason, at uint64) {
	m := n.mappings.at(ref)
	n.history.add(n.info(m), cause, at)
	if m.static {
		n.statics--
	} else {
		n.stats.ended(cause)
		n.wheel.unschedule(&m.timed)
	}
	n.revoke(ref, m)
	if m.open {
		delete(n.holes, ref)
	}
	n.endSessions(m)
	n.byFlow.remove(n.hashing.flow(&m.flow), ref)
	sp := spaceOf(m.protocol)
	until := uint64(0)
	if n.cfg.ReuseDelay > 0 && !m.static {
		until = at + uint64(n.cfg.ReuseDelay)
	}
	n.pools[m.pool].ports[sp].release(m.port, n.ranges[sp], until)
	if n.limited() && !m.static {
		n.leave(m)
	}
	n.mappings.release(ref)
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
	slices.SortFunc(refs, func(a, b uint32) int { return cmp.Compare(n.mappings.at(a).id, n.mappings.at(b).id) })
	return refs
}

// each calls f for every mapping, in the order of their numbers. f may end the
// mapping it is called for.
func (n *NAT) each(f func(ref uint32, m *mapping)) {
	for ref := uint32(1); ref <= n.mappings.made; ref++ {
		if m := n.mappings.at(ref); m.id != 0 {
			f(ref, m)
		}
	}
}

// Mappings returns the mappings alive at now, sorted by protocol, internal endpoint,
// remote and ID. A Router has none; those of a Conntrack are its connections.
func (n *NAT) Mappings(now time.Time) []MappingInfo {
	n.expireAll(n.tick(now))
	all := make([]MappingInfo, 0, n.live)
	n.each(func(_ uint32, m *mapping) { all = append(all, n.info(m)) })
	if k := n.tracker; k != nil {
		k.each(func(_ uint32, c *connection) { all = append(all, k.info(c)) })
	}
	slices.SortFunc(all, func(a, b MappingInfo) int {
		return cmp.Or(
			cmp.Compare(a.Protocol, b.Protocol),
			a.Internal.Compare(b.Internal),
			a.Remote.Compare(b.Remote),
			cmp.Compare(a.ID, b.ID),
		)
	})
	return all
}
