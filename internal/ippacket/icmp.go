package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// AppendICMP appends a message of ICMP (RFC 792) or ICMPv6 (RFC 4443): p has its type, code
// and addresses, rest is what follows the checksum. Its data may be anything; what is quoted
// in p is not looked at.
func AppendICMP(b []byte, h Header, p natmodels.Packet, rest uint32, data []byte) ([]byte, error) {
	if !p.IsICMP() {
		return b, OtherPacket
	}
	return appendICMP(b, h, p.Protocol, p.Src.Addr(), p.Dst.Addr(), p.Type, p.Code, rest, data)
}

// AppendEcho appends an echo request or reply (RFC 792, RFC 4443 section 4): p says which,
// and has the identifier as its ports.
func AppendEcho(b []byte, h Header, p natmodels.Packet, seq uint16, data []byte) ([]byte, error) {
	request, reply := p.Echo()
	if !request && !reply || p.Src.Port() != p.Dst.Port() || p.Quoted != nil {
		return b, OtherPacket
	}
	return AppendICMP(b, h, p, uint32(p.Src.Port())<<16|uint32(seq), data)
}

// AppendEchoReply appends what a host answers to the echo request in b that v is the view
// of: the same data, from the address that was asked (RFC 1122 section 3.2.2.6, RFC 4443
// section 4.2), with the TOS of the request if h has none (RFC 1349 section 5.1). Anything else is NoAnswer, as is a request from or to a multicast address.
func (v *View) AppendEchoReply(to []byte, h Header, b []byte) ([]byte, error) {
	p := v.Packet
	request, _ := p.Echo()
	if !request || v.Fragmented() || !knows(v.Version, p.Protocol) || !single(p.Src.Addr()) || p.Dst.Addr().IsMulticast() {
		return to, NoAnswer
	}
	if h.TOS == 0 {
		h.TOS = v.TOS
	}
	kind := natmodels.EchoReply
	if v.Version == 6 {
		kind = natmodels.V6EchoReply
	}
	rest := be.Uint32(b[v.HeaderLen+4:])
	return appendICMP(to, h, p.Protocol, p.Dst.Addr(), p.Src.Addr(), kind, 0, rest, v.Payload(b))
}

// How long an ICMP error may be: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4(c).
const (
	maxError4 = 576
	maxError6 = 1280
)

// AppendICMPError appends the ICMP error from that address about the packet in b that v is
// the view of. Rest is what follows the checksum: the MTU of the next hop in "fragmentation
// needed" (RFC 1191 section 4) and "packet too big" (RFC 4443 section 3.2), the pointer of
// "parameter problem" (of ICMP, in the highest eight bits), zero in most.
//
// It quotes as much as there may be, and is NoAnswer if there may be none: about an ICMP
// error, a fragment that is not the first, or a packet from or to no single host (RFC 1122
// section 3.2.2, RFC 4443 section 2.4(e)). In IPv4 it has the precedence of internetwork
// control and otherwise the service asked for (RFC 1812 section 4.3.2.5), if h has no TOS.
func (v *View) AppendICMPError(to []byte, h Header, from netip.Addr, kind, code uint8, rest uint32, b []byte) ([]byte, error) {
	if !v.errorAllowed(kind, code) {
		return to, NoAnswer
	}
	protocol, room := natmodels.ICMPv6, maxError6-header6-icmpHeader
	if v.Version == 4 {
		protocol, room = natmodels.ICMP, maxError4-header4-icmpHeader
		if h.TOS == 0 {
			h.TOS = internetControl | v.TOS&serviceBits
		}
	}
	return appendICMP(to, h, protocol, from, v.Packet.Src.Addr(), kind, code, rest, b[:min(v.Len, room)])
}

const (
	internetControl = 0xc0 // precedence 6
	serviceBits     = 0x1e // RFC 1349 section 3
)

func (v *View) errorAllowed(kind, code uint8) bool {
	p := &v.Packet
	if v.later() || !single(p.Src.Addr()) {
		return false
	}
	if knows(v.Version, p.Protocol) && p.IsICMP() && errorType(v.Version, p.Type) {
		return false
	}
	if !p.Dst.Addr().IsMulticast() && p.Dst.Addr() != broadcast {
		return true
	}
	// RFC 4443 section 2.4(e.3): for path MTU discovery, and options that ask for it.
	return v.Version == 6 && (kind == natmodels.V6PacketTooBig || kind == natmodels.V6ParamProblem && code == 2)
}

// errorType is whether a message must not be answered with an error: those that are errors,
// and a redirect of ICMPv6 (RFC 4443 section 2.4(e.1) and (e.2)).
func errorType(version, kind uint8) bool {
	if version == 6 {
		return kind < 128 || kind == 137
	}
	p := natmodels.Packet{Protocol: natmodels.ICMP, Type: kind}
	return p.IsError()
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// single reports whether an address is that of a single host (RFC 1122 section 3.2.2).
func single(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != broadcast && !(a.Is4() && a.IsLoopback())
}

func appendICMP(b []byte, h Header, protocol natmodels.Protocol, src, dst netip.Addr, kind, code uint8, rest uint32, data []byte) ([]byte, error) {
	at := len(b)
	b, problem := appendHeader(b, h, protocol, src, dst, icmpHeader+len(data))
	if problem == none && !knows(b[at]>>4, protocol) {
		problem = OtherFamily
	}
	if problem != none {
		return b[:at], problem
	}
	l := len(b)
	b = append(b, kind, code, 0, 0, byte(rest>>24), byte(rest>>16), byte(rest>>8), byte(rest))
	b = append(b, data...)
	seal(b[at:], l-at, protocol)
	return b, nil
}
