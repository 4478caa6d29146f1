package judge

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// UnpackFor checks that an engine which serves the family of an address can translate
// the packet, and packs its endpoints.
func UnpackFor(p *natmodels.Packet, family netip.Addr) (src, dst table.Endpoint, problem natmodels.Reason) {
	if p.Quoted != nil {
		if problem := checkQuoted(p, family); problem != natmodels.NotDropped {
			return src, dst, problem
		}
	}
	return unpackEnds(p, family.Is4())
}

func unpackEnds(p *natmodels.Packet, four bool) (src, dst table.Endpoint, problem natmodels.Reason) {
	needPort := true
	switch p.Protocol {
	case natmodels.UDP, natmodels.TCP:
		if p.Quoted != nil {
			return src, dst, natmodels.BadPacket
		}
	case natmodels.ICMP, natmodels.ICMPv6:
		needPort = false
		request, reply := p.Echo()
		switch {
		case !request && !reply && p.Quoted == nil:
			return src, dst, natmodels.UnsupportedProtocol
		case (request || reply) && (p.Quoted != nil || p.Src.Port() != p.Dst.Port()):
			return src, dst, natmodels.BadPacket
		case (p.Protocol == natmodels.ICMP) != four:
			return src, dst, natmodels.FamilyMismatch
		}
	default:
		return src, dst, natmodels.UnsupportedProtocol
	}
	src, okSrc := PackAny(p.Src)
	dst, okDst := PackAny(p.Dst)
	if !okSrc || !okDst || needPort && (src.Port == 0 || dst.Port == 0) {
		return src, dst, natmodels.BadPacket
	}
	if src.Addr.Is4() != four || dst.Addr.Is4() != four {
		return src, dst, natmodels.FamilyMismatch
	}
	return src, dst, natmodels.NotDropped
}

// UnpackUDP does the same for UDP alone.
func UnpackUDP(p *natmodels.Packet, four bool) (src, dst table.Endpoint, problem natmodels.Reason) {
	src, okSrc := PackAny(p.Src)
	dst, okDst := PackAny(p.Dst)
	if !okSrc || !okDst || src.Port == 0 || dst.Port == 0 {
		return src, dst, natmodels.BadPacket
	}
	if src.Addr.Is4() != four || dst.Addr.Is4() != four {
		return src, dst, natmodels.FamilyMismatch
	}
	return src, dst, natmodels.NotDropped
}

// checkQuoted looks into an ICMP error.
func checkQuoted(p *natmodels.Packet, family netip.Addr) natmodels.Reason {
	if !p.IsError() || p.Quoted.Quoted != nil {
		return natmodels.BadPacket
	}
	_, _, problem := unpackEnds(p.Quoted, family.Is4())
	return problem
}

// PackAny packs an endpoint that a packet may carry; its port may be zero.
func PackAny(a netip.AddrPort) (table.Endpoint, bool) {
	ip := a.Addr()
	if !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" {
		return table.Endpoint{}, false
	}
	e := table.Endpoint{Addr: table.Pack(ip), Port: a.Port()}
	return e, !e.Addr.Unspecified()
}

// Expected checks that there could be packets as they are expected, by a box of a family
// inside and outside, and packs their ends.
func Expected(e natmodels.Expectation, inside4, outside4 bool) (internal, remote table.Endpoint, problem natmodels.Reason) {
	if e.Protocol != natmodels.UDP && e.Protocol != natmodels.TCP {
		return internal, remote, natmodels.UnsupportedProtocol
	}
	internal, ok := PackAny(e.Internal)
	if !ok || internal.Port == 0 {
		return internal, remote, natmodels.BadPacket
	}
	if e.Internal.Addr().Is4() != inside4 {
		return internal, remote, natmodels.FamilyMismatch
	}
	if e.Remote.IsValid() {
		if e.Remote.Is4() != outside4 || e.Remote.Is4In6() {
			return internal, remote, natmodels.FamilyMismatch
		}
		remote.Addr = table.Pack(e.Remote)
	}
	return internal, remote, natmodels.NotDropped
}
