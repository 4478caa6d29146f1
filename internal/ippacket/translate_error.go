package ippacket

import "github.com/natproof/natproof/natmodels"

// translateError appends the translation of an ICMP error: its checksum is made anew, so that
// it must have been right.
func (v *View) translateError(to []byte, id uint16, p *natmodels.Packet, b []byte) ([]byte, Problem) {
	if v.Verify(b) != nil {
		return to, BadChecksum
	}
	var q View
	about := b[v.quoteAt:v.Len]
	if q.read(about, true) != none {
		return to, BadQuote
	}
	if !ofFamily(p.Quoted.Src.Addr(), 10-v.Version) || !ofFamily(p.Quoted.Dst.Addr(), 10-v.Version) {
		return to, OtherFamily
	}
	if p.Quoted.Protocol != otherProtocol(q.Packet.Protocol) {
		return to, OtherPacket
	}
	if !translates(q.Version, q.Packet.Protocol) {
		return to, NoTranslation
	}
	total := header6 + int(be.Uint16(about[4:]))
	room := maxError4 - header4 - icmpHeader
	if v.Version == 4 {
		total, room = int(be.Uint16(about[2:])), maxError6-header6-icmpHeader
	}
	rest, ok := translateRest(p, be.Uint32(b[v.HeaderLen+4:]), total)
	if !ok {
		return to, NoTranslation
	}
	// RFC 7915 sections 4.3 and 5.3: the packet in error is translated as any other.
	data := q.translate(nil, 0, p.Quoted, about, total-q.HeaderLen)
	data = data[:min(len(data), room)]
	at := len(to)
	to = v.appendOther(to, id, p, icmpHeader+len(data))
	l := len(to)
	to = append(to, p.Type, p.Code, 0, 0, byte(rest>>24), byte(rest>>16), byte(rest>>8), byte(rest))
	to = append(to, data...)
	seal(to[at:], l-at, p.Protocol)
	return to, none
}

// translateRest translates what follows the checksum of an error that becomes p, about a
// packet of that length: an MTU, which is that of a header 20 bytes shorter or longer, or a
// pointer; zero in all others (RFC 7915 sections 4.2 and 5.2).
func translateRest(p *natmodels.Packet, rest uint32, total int) (uint32, bool) {
	six := p.Protocol == natmodels.ICMPv6
	switch {
	case six && p.Type == natmodels.V6PacketTooBig:
		mtu := rest & 0xffff
		if mtu == 0 {
			mtu = plateau(total)
		}
		return mtu + header6 - header4, true
	case six && p.Type == natmodels.V6ParamProblem && p.Code == 1: // it was protocol unreachable
		return 6, true // the next header field
	case six && p.Type == natmodels.V6ParamProblem:
		return pointer(pointers4, rest>>24)
	case !six && p.Type == natmodels.DestUnreachable && p.Code == natmodels.FragmentationNeeded:
		return min(max(rest, header6-header4)-(header6-header4), 0xffff), true
	case !six && p.Type == natmodels.ParamProblem:
		to, ok := pointer(pointers6, rest)
		return to << 24, ok
	}
	return 0, true
}

// plateau is the greatest plateau of RFC 1191 section 7 below a length.
func plateau(total int) uint32 {
	for _, mtu := range []int{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296} {
		if mtu < total {
			return uint32(mtu)
		}
	}
	return minMTU4
}

// pointed is a field of one header, and where that of the same meaning begins in the other.
type pointed struct{ first, last, to uint32 }

var (
	// RFC 7915 section 4.2, figure 3
	pointers4 = []pointed{{0, 0, 0}, {1, 1, 1}, {2, 3, 4}, {8, 8, 7}, {9, 9, 6}, {12, 15, 8}, {16, 19, 24}}
	// RFC 7915 section 5.2, figure 6
	pointers6 = []pointed{{0, 0, 0}, {1, 1, 1}, {4, 5, 2}, {6, 6, 9}, {7, 7, 8}, {8, 23, 12}, {24, 39, 16}}
)

func pointer(table []pointed, at uint32) (uint32, bool) {
	for _, x := range table {
		if x.first <= at && at <= x.last {
			return x.to, true
		}
	}
	return 0, false
}
