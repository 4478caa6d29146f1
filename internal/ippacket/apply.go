package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// Apply writes the endpoints of a verdict into the packet: addresses, ports, identifiers of
// echoes, those of a packet quoted too, and brings every checksum that covers them up to
// date. The view is then that of the changed packet.
//
// A missing checksum of UDP stays missing (RFC 768), and half of one, where a quote ends within
// it, stays as it is. Ports are not written into a fragment
// that has none. A verdict that differs in more than endpoints is an OtherPacket, one of the
// other family OtherFamily; then nothing is written.
func (v *View) Apply(b []byte, to natmodels.Packet) error {
	if len(b) < v.Len {
		return Truncated
	}
	if problem := v.refuse(&to); problem != none {
		return problem
	}
	var inner delta
	if v.quotes() {
		inner = rewrite(b[v.quoteAt:v.Len], v.Version, v.quote.headerLen, v.quote.later, to.Quoted, 0)
	}
	rewrite(b[:v.Len], v.Version, v.HeaderLen, v.later(), &to, inner)
	v.Packet = to
	if v.Version == 4 && to.Protocol == natmodels.ICMP && !v.Fragmented() {
		mendZero(b[v.HeaderLen:v.Len])
	}
	return nil
}

// mendZero gives the one message that may be all zero, an echo reply of ICMP, its checksum:
// an update ends at zero, the other zero of ones' complement, where the sum of nothing is
// 0xffff (RFC 1624 section 3 shows the same of eqn. 2, for headers that are never all zero).
func mendZero(l []byte) {
	if be.Uint16(l[2:]) == 0 && sum(l, 0) == 0 {
		be.PutUint16(l[2:], 0xffff)
	}
}

// refuse says why the verdict cannot be that of the packet.
func (v *View) refuse(to *natmodels.Packet) Problem {
	was := &v.Packet
	if problem := refuseEnds(was, to, v.Version, v.later()); problem != none {
		return problem
	}
	if v.routed && was.Dst.Addr() != to.Dst.Addr() {
		return SourceRouted
	}
	switch {
	case v.later():
		return none
	case v.quotes() && was.Quoted != nil && to.Quoted != nil:
		return refuseEnds(was.Quoted, to.Quoted, v.Version, v.quote.later)
	case v.quotes() || to.Quoted != nil:
		return OtherPacket
	}
	return none
}

// quotes reports whether there is a packet quoted in the bytes.
func (v *View) quotes() bool { return v.quoteAt != 0 }

func refuseEnds(was, to *natmodels.Packet, version uint8, later bool) Problem {
	if !ofFamily(to.Src.Addr(), version) || !ofFamily(to.Dst.Addr(), version) {
		return OtherFamily
	}
	if was.Protocol != to.Protocol {
		return OtherPacket
	}
	if later {
		return none
	}
	if was.Type != to.Type || was.Code != to.Code || was.Flags != to.Flags || was.Seq != to.Seq || was.Ack != to.Ack {
		return OtherPacket
	}
	request, reply := to.Echo()
	switch {
	case to.Protocol == natmodels.UDP, to.Protocol == natmodels.TCP:
		return none
	case (request || reply) && knows(version, to.Protocol):
		if to.Src.Port() != to.Dst.Port() {
			return OtherPacket
		}
		return none
	}
	if to.Src.Port() != 0 || to.Dst.Port() != 0 {
		return OtherPacket
	}
	return none
}

func ofFamily(a netip.Addr, version uint8) bool {
	if version == 4 {
		return a.Is4()
	}
	return a.Is6() && a.Zone() == ""
}

// rewrite writes the endpoints into the packet that b begins with and may end before its
// end. Inner is what has changed in the packet that it quotes. It returns what has changed
// in all.
func rewrite(b []byte, version uint8, header int, later bool, to *natmodels.Packet, inner delta) delta {
	addresses, all := rewriteHeader(b, version, to)
	if later || !knows(version, to.Protocol) {
		return all
	}
	l, body := b[header:], inner
	switch to.Protocol {
	case natmodels.UDP, natmodels.TCP:
		body.put16(l, to.Src.Port())
		body.put16(l[2:], to.Dst.Port())
	case natmodels.ICMP, natmodels.ICMPv6:
		if request, reply := to.Echo(); request || reply {
			body.put16(l[4:], to.Src.Port())
		}
	}
	return all + body + updateTransport(l, to.Protocol, addresses, body)
}

// rewriteHeader writes the addresses and returns what has changed in them, and in all of the
// header.
func rewriteHeader(b []byte, version uint8, to *natmodels.Packet) (addresses, all delta) {
	if version == 6 {
		addresses.putAddr(b[8:24], to.Src.Addr())
		addresses.putAddr(b[24:40], to.Dst.Addr())
		return addresses, addresses
	}
	addresses.putAddr(b[12:16], to.Src.Addr())
	addresses.putAddr(b[16:20], to.Dst.Addr())
	all = addresses
	if addresses != 0 {
		all.put16(b[10:], addresses.update(be.Uint16(b[10:])))
	}
	return addresses, all
}

// updateTransport brings the transport's checksum up to date, if it is there, and returns
// its own change.
func updateTransport(l []byte, protocol natmodels.Protocol, addresses, body delta) (d delta) {
	at, covers, ok := checksumAt(protocol)
	if !ok || len(l) < at+2 {
		return 0
	}
	if covers {
		body += addresses
	}
	old := be.Uint16(l[at:])
	if body == 0 || protocol == natmodels.UDP && old == 0 {
		return 0
	}
	now := body.update(old)
	if now == 0 && (protocol == natmodels.UDP || protocol == udpLite) {
		now = 0xffff // RFC 768; RFC 3828 section 3.1
	}
	d.put16(l[at:], now)
	return d
}
