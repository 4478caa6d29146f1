package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// quotedLen is how much of the transport an ICMP error quotes at least (RFC 792).
const quotedLen = 8

// readTransport reads the header after the IP header; b ends with the packet. The first fragment
// may end within it, and within what an ICMP error quotes (RFC 791 section 3.2).
func (v *View) readTransport(b []byte, quoted bool) Problem {
	l := b[v.HeaderLen:]
	quoted = quoted || v.MF
	switch v.Packet.Protocol {
	case natmodels.UDP:
		return v.readUDP(l, quoted)
	case natmodels.TCP:
		return v.readTCP(l, quoted)
	case natmodels.ICMP, natmodels.ICMPv6:
		return v.readICMP(b, quoted)
	}
	return none
}

func (v *View) setPorts(src, dst uint16) {
	v.Packet.Src = netip.AddrPortFrom(v.Packet.Src.Addr(), src)
	v.Packet.Dst = netip.AddrPortFrom(v.Packet.Dst.Addr(), dst)
}

// readUDP reads a header of UDP (RFC 768). What IP carries beyond its length is not part of it.
func (v *View) readUDP(l []byte, quoted bool) Problem {
	if len(l) < udpHeader {
		return Truncated
	}
	v.setPorts(be.Uint16(l), be.Uint16(l[2:]))
	v.PayloadAt = v.HeaderLen + udpHeader
	if quoted {
		return none
	}
	length := int(be.Uint16(l[4:]))
	if length < udpHeader || length > len(l) {
		return BadLength
	}
	v.PayloadEnd = v.HeaderLen + length
	return none
}

// readTCP reads a header of TCP (RFC 9293 section 3.1).
func (v *View) readTCP(l []byte, quoted bool) Problem {
	if len(l) < quotedLen || len(l) < tcpHeader && !quoted {
		return Truncated
	}
	v.setPorts(be.Uint16(l), be.Uint16(l[2:]))
	v.Packet.Seq = be.Uint32(l[4:])
	if len(l) < tcpHeader {
		v.PayloadAt = v.PayloadEnd
		return none
	}
	v.Packet.Ack = be.Uint32(l[8:])
	v.Packet.Flags = natmodels.TCPFlags(l[13])
	header := int(l[12]>>4) * 4
	switch {
	case header < tcpHeader && !quoted:
		return BadLength
	case header > len(l) && !quoted:
		return Truncated
	}
	v.PayloadAt = v.HeaderLen + min(header, len(l))
	return none
}

// readICMP reads a message of ICMP (RFC 792) or ICMPv6 (RFC 4443).
func (v *View) readICMP(b []byte, quoted bool) Problem {
	l := b[v.HeaderLen:]
	if len(l) < icmpHeader {
		return Truncated
	}
	p := &v.Packet
	p.Type, p.Code = l[0], l[1]
	v.PayloadAt = v.HeaderLen + icmpHeader
	if request, reply := p.Echo(); request || reply {
		id := be.Uint16(l[4:])
		v.setPorts(id, id)
		return none
	}
	if quoted || !p.IsError() { // of an error about an error no more is told, nor of a part of one
		return none
	}
	var q View
	at := v.HeaderLen + icmpHeader
	if q.read(b[at:], true) != none || q.Version != v.Version {
		return BadQuote
	}
	about := q.Packet
	p.Quoted = &about
	v.quoteAt, v.quote = at, quoteView{q.HeaderLen, q.later()}
	return none
}
