package natmodels

import "net/netip"

// hostAnswer is what a host says to a packet for a port that it has not open: port
// unreachable to UDP (RFC 1122 section 4.1.3.1), reset to TCP (RFC 9293 section
// 3.10.7.1), an echo reply to an echo request. To a reset, an ICMP error and an echo
// reply it says nothing.
func hostAnswer(p Packet) (Packet, bool) {
	request, _ := p.echo()
	switch {
	case p.Protocol == UDP:
		return unreachable(p, p.Dst.Addr(), PortUnreachable), true
	case p.Protocol == TCP && p.Flags&RST == 0:
		return reset(p), true
	case request:
		a := p
		a.Src, a.Dst, a.Type = p.Dst, p.Src, EchoReply
		if p.Protocol == ICMPv6 {
			a.Type = V6EchoReply
		}
		return a, true
	}
	return Packet{}, false
}

// reset is the RST that answers a segment.
func reset(p Packet) Packet {
	a := Packet{Protocol: TCP, Src: p.Dst, Dst: p.Src, Flags: RST}
	if p.Flags&ACK != 0 {
		a.Seq = p.Ack
		return a
	}
	a.Flags |= ACK
	a.Ack = p.Seq
	if p.Flags&SYN != 0 {
		a.Ack++
	}
	if p.Flags&FIN != 0 {
		a.Ack++
	}
	return a
}

// unreachable is the ICMP error about p that a box at address from sends. The code is
// that of ICMP for IPv4; that of IPv6 with the same meaning takes its place there.
func unreachable(p Packet, from netip.Addr, code uint8) Packet {
	quoted := p
	e := Packet{
		Protocol: ICMP, Type: DestUnreachable, Code: code, Quoted: &quoted,
		Src: netip.AddrPortFrom(from, 0), Dst: netip.AddrPortFrom(p.Src.Addr(), 0),
	}
	if from.Is6() {
		e.Protocol, e.Type = ICMPv6, V6DestUnreachable
		e.Code = v6Codes[code]
	}
	return e
}

// v6Codes translates codes of "destination unreachable" (RFC 4443 section 3.1).
var v6Codes = map[uint8]uint8{HostUnreachable: 3, PortUnreachable: 4, AdminProhibited: 1}

// mayAnswer reports whether an ICMP error may be sent about p: never about another
// error (RFC 1122 section 3.2.2).
func mayAnswer(p *Packet) bool { return p.Quoted == nil }
