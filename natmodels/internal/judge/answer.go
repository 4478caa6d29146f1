package judge

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// HostAnswer is what a host says to a packet for a port that it has not open: port
// unreachable to UDP (RFC 1122 section 4.1.3.1), reset to TCP (RFC 9293 section
// 3.10.7.1), an echo reply to an echo request. To a reset, an ICMP error and an echo
// reply it says nothing.
func HostAnswer(p natmodels.Packet) (natmodels.Packet, bool) {
	request, _ := p.Echo()
	switch {
	case p.Protocol == natmodels.UDP:
		return Unreachable(p, p.Dst.Addr(), natmodels.PortUnreachable), true
	case p.Protocol == natmodels.TCP && p.Flags&natmodels.RST == 0:
		return reset(p), true
	case request:
		a := p
		a.Src, a.Dst, a.Type = p.Dst, p.Src, natmodels.EchoReply
		if p.Protocol == natmodels.ICMPv6 {
			a.Type = natmodels.V6EchoReply
		}
		return a, true
	}
	return natmodels.Packet{}, false
}

// reset is the RST that answers a segment.
func reset(p natmodels.Packet) natmodels.Packet {
	a := natmodels.Packet{Protocol: natmodels.TCP, Src: p.Dst, Dst: p.Src, Flags: natmodels.RST}
	if p.Flags&natmodels.ACK != 0 {
		a.Seq = p.Ack
		return a
	}
	a.Flags |= natmodels.ACK
	a.Ack = p.Seq
	if p.Flags&natmodels.SYN != 0 {
		a.Ack++
	}
	if p.Flags&natmodels.FIN != 0 {
		a.Ack++
	}
	return a
}

// Unreachable is the ICMP error about p that a box at address from sends. The code is
// that of ICMP for IPv4; that of IPv6 with the same meaning takes its place there.
func Unreachable(p natmodels.Packet, from netip.Addr, code uint8) natmodels.Packet {
	quoted := p
	e := natmodels.Packet{
		Protocol: natmodels.ICMP, Type: natmodels.DestUnreachable, Code: code, Quoted: &quoted,
		Src: netip.AddrPortFrom(from, 0), Dst: netip.AddrPortFrom(p.Src.Addr(), 0),
	}
	if from.Is6() {
		e.Protocol, e.Type = natmodels.ICMPv6, natmodels.V6DestUnreachable
		e.Code = v6Codes[code]
	}
	return e
}

// v6Codes translates codes of "destination unreachable" (RFC 4443 section 3.1).
var v6Codes = map[uint8]uint8{natmodels.HostUnreachable: 3, natmodels.PortUnreachable: 4, natmodels.AdminProhibited: 1}
