package translate

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// What the model knows of ICMP: RFC 5508, and RFC 4787 REQ-12.

func isICMP(p natmodels.Protocol) bool { return p == natmodels.ICMP || p == natmodels.ICMPv6 }

func isRequest(p natmodels.Packet) bool {
	return p.Protocol == natmodels.ICMP && p.Type == 8 || p.Protocol == natmodels.ICMPv6 && p.Type == 128
}

func isReply(p natmodels.Packet) bool {
	return p.Protocol == natmodels.ICMP && p.Type == 0 || p.Protocol == natmodels.ICMPv6 && p.Type == 129
}

// echoed is the reply to an echo request.
func echoed(p natmodels.Packet) natmodels.Packet {
	p.Src, p.Dst = p.Dst, p.Src
	p.Type = 0
	if p.Protocol == natmodels.ICMPv6 {
		p.Type = 129
	}
	return p
}

// complaint is the ICMP error "destination unreachable" about p from a box at an
// address. Codes are those of IPv4; RFC 4443 section 3.1 has other numbers.
func complaint(p natmodels.Packet, box netip.Addr, code uint8) natmodels.Packet {
	about := p
	e := natmodels.Packet{Protocol: natmodels.ICMP, Type: 3, Code: code, Quoted: &about, Src: netip.AddrPortFrom(box, 0), Dst: netip.AddrPortFrom(p.Src.Addr(), 0)}
	if box.Is6() {
		e.Protocol, e.Type = natmodels.ICMPv6, 1
		switch code {
		case natmodels.HostUnreachable:
			e.Code = 3
		case natmodels.PortUnreachable:
			e.Code = 4
		case natmodels.AdminProhibited:
			e.Code = 1
		}
	}
	return e
}

// carries reports whether packets to a remote endpoint go through f.
func (f *modelFlow) carries(remote netip.AddrPort) bool {
	for _, b := range []natmodels.Dependence{natmodels.EndpointIndependent, natmodels.AddressDependent, natmodels.AddressAndPortDependent} {
		if f.info.Remote == masked(b, remote) {
			return true
		}
	}
	return false
}

// sender is the flow that a packet seen outside went through, if any (RFC 5508 REQ-4).
func (m *model) sender(q natmodels.Packet) *modelFlow {
	f := m.byExternal(q.Protocol, q.Src)
	if f == nil || !f.carries(remoteOf(q.Protocol, q.Dst)) || isICMP(q.Protocol) && !isRequest(q) {
		return nil
	}
	return f
}

// expectErrorInbound translates an error about a packet that went out. It changes
// nothing (REQ-6).
func (m *model) expectErrorInbound(p natmodels.Packet) natmodels.Verdict {
	if !m.ours(p.Dst.Addr()) {
		return m.drop(p, natmodels.NotExternal, nil)
	}
	f := m.sender(*p.Quoted)
	if f == nil {
		return m.drop(p, natmodels.NoMapping, nil)
	}
	q := withSrc(*p.Quoted, f.info.Internal) // REQ-4a
	p.Quoted = &q
	p.Dst = netip.AddrPortFrom(f.info.Internal.Addr(), 0) // REQ-4c
	m.stats.Forwarded++
	return natmodels.Verdict{Action: natmodels.Forward, Packet: p, Mapping: f.info}
}

// expectErrorOutbound translates an error about a packet that came in; one about a
// hairpinned packet goes to the sender of that (REQ-7).
func (m *model) expectErrorOutbound(p natmodels.Packet) natmodels.Verdict {
	q := *p.Quoted
	f := m.byInternal(q.Protocol, q.Dst, remoteOf(q.Protocol, q.Src))
	if f == nil || isICMP(q.Protocol) && !isReply(q) {
		return m.drop(p, natmodels.NoMapping, nil)
	}
	out := p
	out.Src = netip.AddrPortFrom(f.info.External.Addr(), 0) // REQ-5c
	about := withDst(q, f.info.External)                    // REQ-5a
	out.Quoted = &about
	if !m.ours(q.Src.Addr()) {
		m.stats.Forwarded++
		return natmodels.Verdict{Action: natmodels.Forward, Packet: out, Mapping: f.info}
	}
	origin := m.sender(about)
	switch {
	case m.cfg.Hairpin == natmodels.NoHairpinning:
		return m.drop(p, natmodels.HairpinOff, nil)
	case origin == nil:
		return m.drop(p, natmodels.NoMapping, nil)
	}
	about.Src = origin.info.Internal
	out.Dst = netip.AddrPortFrom(about.Src.Addr(), 0) // REQ-7a
	m.stats.Hairpinned++
	return natmodels.Verdict{Action: natmodels.Hairpin, Packet: out, Mapping: f.info}
}
