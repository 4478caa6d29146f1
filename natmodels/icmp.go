package natmodels

import "net/netip"

// errorOutbound translates an ICMP error from the inside (RFC 5508 REQ-5): the packet
// in it is one that came in through a mapping, and gets the addresses back that it came
// with. The error leaves from the external address of that mapping, whoever inside
// sent it. Errors refresh nothing and end nothing (RFC 5508 REQ-6, RFC 4787 REQ-12).
func (n *NAT) errorOutbound(p Packet, t uint64) Verdict {
	q := *p.Quoted
	inside, _ := packAny(q.Dst)
	remote, _ := packAny(q.Src)
	if q.icmp() {
		remote.port = 0
	}
	_, m := n.findFlow(spaceOf(q.Protocol), q.Protocol, inside, remote, t)
	if _, reply := q.echo(); m == nil || q.icmp() && !reply {
		return n.drop(p, NoMapping)
	}
	external := n.pools[m.pool].external(m.port)
	q = withDestination(q, external)
	v := Verdict{Action: Forward, Packet: p, Mapping: n.info(m)}
	v.Packet.Src = netip.AddrPortFrom(external.Addr(), 0) // REQ-5c
	v.Packet.Quoted = &q
	if !n.isExternal(q.Src.Addr()) {
		n.stats.Forwarded++
		return v
	}
	if n.cfg.Hairpin == NoHairpinning {
		return n.drop(p, HairpinOff)
	}
	sender := n.sender(&q, t)
	if sender == nil {
		return n.drop(p, NoMapping)
	}
	q.Src = sender.internal() // REQ-7
	v.Packet.Dst = netip.AddrPortFrom(q.Src.Addr(), 0)
	v.Action = Hairpin
	n.stats.Hairpinned++
	return v
}

// errorInbound translates an ICMP error from the outside (RFC 5508 REQ-4): the packet
// in it went out through a mapping, and gets the inside source back that it had. Who
// sent the error does not matter (RFC 4787 REQ-12a).
func (n *NAT) errorInbound(p Packet, t uint64) Verdict {
	if !n.isExternal(p.Dst.Addr()) {
		return n.drop(p, NotExternal)
	}
	m := n.sender(p.Quoted, t)
	if m == nil {
		return n.drop(p, NoMapping)
	}
	q := withSource(*p.Quoted, m.internal())
	p.Dst = netip.AddrPortFrom(q.Src.Addr(), 0)
	p.Quoted = &q
	n.stats.Forwarded++
	return Verdict{Action: Forward, Packet: p, Mapping: n.info(m)}
}

// sender returns the mapping that a packet seen outside went through. A mapping for one
// remote endpoint carries no packet to another, and of ICMP only requests go out.
func (n *NAT) sender(q *Packet, t uint64) *mapping {
	external, _ := packAny(q.Src)
	remote, _ := packAny(q.Dst)
	at, ours := n.poolAt(external.addr)
	if request, _ := q.echo(); !ours || q.icmp() && !request {
		return nil
	}
	m := n.holder(&n.pools[at].ports[spaceOf(q.Protocol)], external.port, t)
	if m == nil || !m.carries(remote) {
		return nil
	}
	return m
}

// carries reports whether packets to a remote endpoint go through the mapping.
func (m *mapping) carries(remote endpoint) bool {
	return (m.flow.remote == addr{} || m.flow.remote == remote.addr) && (m.remotePort == 0 || m.remotePort == remote.port)
}

func (n *NAT) isExternal(a netip.Addr) bool {
	_, ours := n.poolAt(packAddr(a))
	return ours
}

// withSource and withDestination rewrite one end of a packet. The identifier of an
// ICMP query is one for both ends.
func withSource(p Packet, src netip.AddrPort) Packet {
	p.Src = src
	if p.icmp() {
		p.Dst = netip.AddrPortFrom(p.Dst.Addr(), src.Port())
	}
	return p
}

func withDestination(p Packet, dst netip.AddrPort) Packet {
	p.Dst = dst
	if p.icmp() {
		p.Src = netip.AddrPortFrom(p.Src.Addr(), dst.Port())
	}
	return p
}
