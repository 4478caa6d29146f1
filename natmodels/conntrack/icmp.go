package conntrack

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// icmpError translates an ICMP error together with the packet in it (RFC 5508 section
// 4). Neither direction restarts a timer or ends a connection, and the sender may be
// anybody.
func (k *Tracker) icmpError(from judge.Side, p natmodels.Packet, t uint64) natmodels.Verdict {
	q := *p.Quoted
	src, _ := judge.PackAny(q.Src)
	dst, _ := judge.PackAny(q.Dst)
	_, c, d := k.find(tupleOf(&q, src, dst).inverse(), t)
	if c == nil {
		outer, _ := judge.PackAny(p.Dst)
		return k.invalid(from, p, outer, t)
	}
	in, out := c.tuple(d), c.tuple(d^1)
	if c.local { // about an answer of the box itself
		return k.drop(p, natmodels.NoMapping)
	}
	if p.Type == natmodels.Redirect && p.Protocol == natmodels.ICMP && in.inverse() != *out {
		// It would have the two ends talk past the box (nf_nat_icmp_reply_translation in
		// net/netfilter/nf_nat_proto.c).
		return k.drop(p, natmodels.Invalid)
	}
	q.Src, q.Dst = out.source().Netip(), out.destination().Netip()
	p.Quoted = &q
	if in.dst != out.src {
		p.Dst = netip.AddrPortFrom(out.src.Netip(), 0)
	}
	if in.src != out.dst {
		p.Src = netip.AddrPortFrom(out.dst.Netip(), 0)
	}
	v := natmodels.Verdict{Action: natmodels.Forward, Packet: p, Mapping: k.info(c)}
	if from == judge.Inside && k.inside(table.Pack(p.Dst.Addr())) {
		v.Action = natmodels.Hairpin
		k.stats.Hairpinned++
		return v
	}
	k.stats.Forwarded++
	return v
}
