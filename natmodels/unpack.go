package natmodels

import "net/netip"

// unpackFor checks that an engine which serves the family of an address can translate
// the packet, and packs its endpoints.
func unpackFor(p *Packet, family netip.Addr) (src, dst endpoint, problem Reason) {
	if p.Quoted != nil {
		if problem := checkQuoted(p, family); problem != NotDropped {
			return src, dst, problem
		}
	}
	return unpackEnds(p, family.Is4())
}

func unpackEnds(p *Packet, four bool) (src, dst endpoint, problem Reason) {
	needPort := true
	switch p.Protocol {
	case UDP, TCP:
		if p.Quoted != nil {
			return src, dst, BadPacket
		}
	case ICMP, ICMPv6:
		needPort = false
		request, reply := p.echo()
		switch {
		case !request && !reply && p.Quoted == nil:
			return src, dst, UnsupportedProtocol
		case (request || reply) && (p.Quoted != nil || p.Src.Port() != p.Dst.Port()):
			return src, dst, BadPacket
		case (p.Protocol == ICMP) != four:
			return src, dst, FamilyMismatch
		}
	default:
		return src, dst, UnsupportedProtocol
	}
	src, okSrc := packAny(p.Src)
	dst, okDst := packAny(p.Dst)
	if !okSrc || !okDst || needPort && (src.port == 0 || dst.port == 0) {
		return src, dst, BadPacket
	}
	if src.addr.is4() != four || dst.addr.is4() != four {
		return src, dst, FamilyMismatch
	}
	return src, dst, NotDropped
}

// unpackUDP does the same for UDP alone.
func unpackUDP(p *Packet, four bool) (src, dst endpoint, problem Reason) {
	src, okSrc := packAny(p.Src)
	dst, okDst := packAny(p.Dst)
	if !okSrc || !okDst || src.port == 0 || dst.port == 0 {
		return src, dst, BadPacket
	}
	if src.addr.is4() != four || dst.addr.is4() != four {
		return src, dst, FamilyMismatch
	}
	return src, dst, NotDropped
}

// checkQuoted looks into an ICMP error.
func checkQuoted(p *Packet, family netip.Addr) Reason {
	if _, known := icmpErrorNames[icmpKind{p.Protocol, p.Type}]; !known || p.Quoted.Quoted != nil {
		return BadPacket
	}
	_, _, problem := unpackEnds(p.Quoted, family.Is4())
	return problem
}

// packAny packs an endpoint that a packet may carry; its port may be zero.
func packAny(a netip.AddrPort) (endpoint, bool) {
	ip := a.Addr()
	if !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" {
		return endpoint{}, false
	}
	e := endpoint{packAddr(ip), a.Port()}
	return e, !e.addr.unspecified()
}
