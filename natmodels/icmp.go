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
	if m == nil {
		return n.drop(p, NoMapping)
	}
	external := n.pools[m.pool].external(m.port)
	q.Dst = external
	p.Src = netip.AddrPortFrom(external.Addr(), 0) // REQ-5c
	v := Verdict{Action: Forward, Mapping: n.info(m)}
	if at, hairpin := n.poolAt(remote.addr); hairpin {
		sender := n.holder(&n.pools[at].ports[spaceOf(q.Protocol)], q.Src.Port(), t)
		if n.cfg.Hairpin == NoHairpinning || sender == nil {
			return n.drop(p, HairpinOff)
		}
		q.Src = sender.internal() // REQ-7
		p.Dst = netip.AddrPortFrom(q.Src.Addr(), 0)
		v.Action = Hairpin
		n.stats.Hairpinned++
	} else {
		if q.icmp() {
			q.Src = netip.AddrPortFrom(q.Src.Addr(), external.Port())
		}
		n.stats.Forwarded++
	}
	p.Quoted = &q
	v.Packet = p
	return v
}

// errorInbound translates an ICMP error from the outside (RFC 5508 REQ-4): the packet
// in it went out through a mapping, and gets the inside source back that it had. Who
// sent the error does not matter (RFC 4787 REQ-12a).
func (n *NAT) errorInbound(p Packet, t uint64) Verdict {
	q := *p.Quoted
	external, _ := packAny(q.Src)
	at, ours := n.poolAt(external.addr)
	if !ours {
		return n.drop(p, NoMapping)
	}
	m := n.holder(&n.pools[at].ports[spaceOf(q.Protocol)], external.port, t)
	if m == nil {
		return n.drop(p, NoMapping)
	}
	q.Src = m.internal()
	if q.icmp() {
		q.Dst = netip.AddrPortFrom(q.Dst.Addr(), q.Src.Port())
	}
	p.Dst = netip.AddrPortFrom(q.Src.Addr(), 0)
	p.Quoted = &q
	n.stats.Forwarded++
	return Verdict{Action: Forward, Packet: p, Mapping: n.info(m)}
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
