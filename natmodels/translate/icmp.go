package translate

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// errorOutbound translates an ICMP error from the inside (RFC 5508 REQ-5): the packet
// in it is one that came in through a mapping, and gets the addresses back that it came
// with. The error leaves from the external address of that mapping, whoever inside
// sent it. Errors refresh nothing and end nothing (RFC 5508 REQ-6, RFC 4787 REQ-12).
func (n *NAT) errorOutbound(p natmodels.Packet, t uint64) natmodels.Verdict {
	q := *p.Quoted
	inside, _ := judge.PackAny(q.Dst)
	remote, _ := judge.PackAny(q.Src)
	if q.IsICMP() {
		remote.Port = 0
	}
	_, m := n.findFlow(spaceOf(q.Protocol), q.Protocol, inside, remote, t)
	if _, reply := q.Echo(); m == nil || q.IsICMP() && !reply {
		return n.drop(p, natmodels.NoMapping)
	}
	external := n.pools[m.pool].external(m.port)
	q = withDestination(q, external)
	v := natmodels.Verdict{Action: natmodels.Forward, Packet: p, Mapping: n.info(m)}
	v.Packet.Src = netip.AddrPortFrom(external.Addr(), 0) // REQ-5c
	v.Packet.Quoted = &q
	if !n.isExternal(q.Src.Addr()) {
		n.stats.Forwarded++
		return v
	}
	if n.cfg.Hairpin == natmodels.NoHairpinning {
		return n.drop(p, natmodels.HairpinOff)
	}
	sender := n.sender(&q, t)
	if sender == nil {
		return n.drop(p, natmodels.NoMapping)
	}
	q.Src = sender.internal() // REQ-7
	v.Packet.Dst = netip.AddrPortFrom(q.Src.Addr(), 0)
	v.Action = natmodels.Hairpin
	n.stats.Hairpinned++
	return v
}

// errorInbound translates an ICMP error from the outside (RFC 5508 REQ-4): the packet
// in it went out through a mapping, and gets the inside source back that it had. Who
// sent the error does not matter (RFC 4787 REQ-12a).
func (n *NAT) errorInbound(p natmodels.Packet, t uint64) natmodels.Verdict {
	if !n.isExternal(p.Dst.Addr()) {
		return n.drop(p, natmodels.NotExternal)
	}
	m := n.sender(p.Quoted, t)
	if m == nil {
		return n.drop(p, natmodels.NoMapping)
	}
	q := withSource(*p.Quoted, m.internal())
	p.Dst = netip.AddrPortFrom(q.Src.Addr(), 0)
	p.Quoted = &q
	n.stats.Forwarded++
	return natmodels.Verdict{Action: natmodels.Forward, Packet: p, Mapping: n.info(m)}
}

// sender returns the mapping that a packet seen outside went through. A mapping for one
// remote endpoint carries no packet to another, and of ICMP only requests go out.
func (n *NAT) sender(q *natmodels.Packet, t uint64) *mapping {
	external, _ := judge.PackAny(q.Src)
	remote, _ := judge.PackAny(q.Dst)
	at, ours := n.poolAt(external.Addr)
	if request, _ := q.Echo(); !ours || q.IsICMP() && !request {
		return nil
	}
	m := n.holder(&n.pools[at].ports[spaceOf(q.Protocol)], external.Port, t)
	if m == nil || !m.carries(remote) {
		return nil
	}
	return m
}

// carries reports whether packets to a remote endpoint go through the mapping.
func (m *mapping) carries(remote table.Endpoint) bool {
	return (m.flow.remote == table.Addr{} || m.flow.remote == remote.Addr) && (m.remotePort == 0 || m.remotePort == remote.Port)
}

func (n *NAT) isExternal(a netip.Addr) bool {
	_, ours := n.poolAt(table.Pack(a))
	return ours
}

// withSource and withDestination rewrite one end of a packet. The identifier of an
// ICMP query is one for both ends.
func withSource(p natmodels.Packet, src netip.AddrPort) natmodels.Packet {
	p.Src = src
	if p.IsICMP() {
		p.Dst = netip.AddrPortFrom(p.Dst.Addr(), src.Port())
	}
	return p
}

func withDestination(p natmodels.Packet, dst netip.AddrPort) natmodels.Packet {
	p.Dst = dst
	if p.IsICMP() {
		p.Src = netip.AddrPortFrom(p.Src.Addr(), dst.Port())
	}
	return p
}
