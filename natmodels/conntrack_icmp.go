package natmodels

import "net/netip"

// icmpError translates an ICMP error together with the packet in it (RFC 5508 section
// 4). Neither direction restarts a timer or ends a connection, and the sender may be
// anybody.
func (k *tracker) icmpError(from side, p Packet, t uint64) Verdict {
	q := *p.Quoted
	src, _ := packAny(q.Src)
	dst, _ := packAny(q.Dst)
	_, c, d := k.find(tupleOf(&q, src, dst).inverse(), t)
	if c == nil {
		outer, _ := packAny(p.Dst)
		return k.invalid(from, p, outer, t)
	}
	in, out := c.tuple(d), c.tuple(d^1)
	if c.local { // about an answer of the box itself
		return k.drop(p, NoMapping)
	}
	q.Src, q.Dst = out.source().netip(), out.destination().netip()
	p.Quoted = &q
	if in.dst != out.src {
		p.Dst = netip.AddrPortFrom(out.src.netip(), 0)
	}
	if in.src != out.dst {
		p.Src = netip.AddrPortFrom(out.dst.netip(), 0)
	}
	v := Verdict{Action: Forward, Packet: p, Mapping: k.info(c)}
	if from == fromInside && k.inside(packAddr(p.Dst.Addr())) {
		v.Action = Hairpin
		k.stats.Hairpinned++
		return v
	}
	k.stats.Forwarded++
	return v
}
