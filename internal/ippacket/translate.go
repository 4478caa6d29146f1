package ippacket

import "github.com/natproof/natproof/natmodels"

// Translate appends the packet in b that v is the view of as one of the other family, with
// the endpoints, type and code of p: what a NAT64 made of it. Headers are translated as RFC
// 7915 sections 4 and 5 say: options and extension headers but the fragment header are left
// out, and an ICMP error has what it quotes translated too. To IPv4, id is the
// identification of what has no fragment header.
//
// What RFC 7915 drops is NoTranslation: a fragment of ICMP, one of UDP without a checksum, a
// message that is neither echo nor error. A packet of IPv4 that may be fragmented and becomes
// longer than 1280 bytes is to be cut before (section 4.1). The TTL is the caller's business.
func (v *View) Translate(to []byte, id uint16, p natmodels.Packet, b []byte) ([]byte, error) {
	problem := v.translatable(&p, b)
	if problem != none {
		return to, problem
	}
	at := len(to)
	if p.Quoted != nil {
		to, problem = v.translateError(to, id, &p, b)
	} else {
		to = v.translate(to, id, &p, b, v.Len-v.HeaderLen)
		if v.Version == 4 && p.Protocol == natmodels.UDP && !v.later() {
			fillUDP(to[at:])
		}
		if v.Version == 6 && p.Protocol == natmodels.ICMP {
			mendZero(to[at+header4:])
		}
	}
	if problem != none {
		return to[:at], problem
	}
	return to, nil
}

// translatable says why a packet has no translation to p.
func (v *View) translatable(p *natmodels.Packet, b []byte) Problem {
	was, version := &v.Packet, 10-v.Version
	request, reply := was.Echo()
	icmp := was.IsICMP()
	switch {
	case len(b) < v.Len:
		return Truncated
	case !ofFamily(p.Src.Addr(), version) || !ofFamily(p.Dst.Addr(), version):
		return OtherFamily
	case v.routed:
		return SourceRouted // RFC 7915 sections 4.1 and 5.1
	case !translates(v.Version, was.Protocol), icmp && (v.Fragmented() || !request && !reply && was.Quoted == nil):
		return NoTranslation
	case p.Protocol != otherProtocol(was.Protocol), (p.Quoted == nil) != (was.Quoted == nil):
		return OtherPacket
	case v.Fragmented() && v.HeaderLen != v.fragmentableAt(): // extension headers that offsets count
		return NoTranslation
	case was.Protocol == natmodels.UDP && v.MF && !v.later() && be.Uint16(b[v.HeaderLen+6:]) == 0:
		return NoTranslation // RFC 7915 section 4.5
	case v.Version == 6 && header4+v.Len-v.HeaderLen > maxLen:
		return TooLong
	}
	return none
}

// translates reports whether the payload of a protocol is the same in the other family: not
// that of an ICMP that is of another family already, nor, in IPv4, of numbers that are
// extension headers in IPv6.
func translates(version uint8, p natmodels.Protocol) bool {
	return knows(version, p) && !(version == 4 && extension(uint8(p)))
}

// otherProtocol is what a protocol is in the other family.
func otherProtocol(p natmodels.Protocol) natmodels.Protocol {
	switch p {
	case natmodels.ICMP:
		return natmodels.ICMPv6
	case natmodels.ICMPv6:
		return natmodels.ICMP
	}
	return p
}

// translate appends the packet, which may end before the length that it says of what its
// header is followed by.
func (v *View) translate(to []byte, id uint16, p *natmodels.Packet, b []byte, length int) []byte {
	at := len(to)
	to = v.appendOther(to, id, p, length)
	l := len(to)
	to = append(to, b[v.HeaderLen:v.Len]...)
	if !v.later() {
		retarget(to[at:], b, to[l:], p, length)
	}
	return to
}

// appendOther appends the IP header of the translation, and a fragment header if the packet is
// a fragment.
func (v *View) appendOther(to []byte, id uint16, p *natmodels.Packet, length int) []byte {
	h := Header{TTL: v.TTL, TOS: v.TOS, ID: id}
	src, dst := p.Src.Addr(), p.Dst.Addr()
	if v.Version == 6 { // RFC 7915 sections 5.1 and 5.1.1
		h.DF = header4+length > 1260
		if v.fragmentAt != 0 {
			h.DF, h.ID = false, uint16(v.ID)
		}
		at := len(to)
		to = appendHeader4(to, h, p.Protocol, src, dst, length)
		setFragment(to[at:], v.Offset, v.MF)
		return to
	}
	if !v.Fragmented() { // RFC 7915 section 4.1
		return appendHeader6(to, h, p.Protocol, src, dst, length)
	}
	to = appendHeader6(to, h, fragment, src, dst, fragmentHeader+length)
	field := uint16(v.Offset)
	if v.MF {
		field |= 1
	}
	return be.AppendUint32(append(to, byte(p.Protocol), 0, byte(field>>8), byte(field)), v.ID)
}

// setFragment makes a packet of IPv4 a fragment, if it is one.
func setFragment(b []byte, offset int, more bool) {
	field := be.Uint16(b[6:]) | uint16(offset/8)
	if more {
		field |= flagMF
	}
	var d delta
	d.put16(b[6:], field)
	if d != 0 {
		be.PutUint16(b[10:], d.update(be.Uint16(b[10:])))
	}
}

// retarget writes the endpoints of p into a transport that may end anywhere, and brings its
// checksum up to date: the pseudo-header is another one, and ICMP has none in IPv4. Now and
// was are the packets around it.
func retarget(now, was, l []byte, p *natmodels.Packet, length int) {
	at, _, ok := checksumAt(p.Protocol)
	if !ok {
		return
	}
	var d delta
	switch p.Protocol {
	case natmodels.ICMPv6:
		d = delta(fold(pseudo(now, natmodels.ICMPv6, length)))
	case natmodels.ICMP:
		d = delta(^fold(pseudo(was, natmodels.ICMPv6, length)))
	default:
		d = change(fold(pseudo(was, 0, 0)), fold(pseudo(now, 0, 0)))
	}
	switch {
	case p.IsICMP():
		d.put16(l, uint16(p.Type)<<8|uint16(p.Code))
		d.put16(l[4:], p.Src.Port())
	case p.Protocol == natmodels.UDP, p.Protocol == natmodels.TCP:
		d.put16(l, p.Src.Port())
		d.put16(l[2:], p.Dst.Port())
	}
	if len(l) < at+2 || p.Protocol == natmodels.UDP && be.Uint16(l[at:]) == 0 {
		return
	}
	c := d.update(be.Uint16(l[at:]))
	if c == 0 && (p.Protocol == natmodels.UDP || p.Protocol == udpLite) {
		c = 0xffff
	}
	be.PutUint16(l[at:], c)
}

// fillUDP gives a datagram that has no checksum one: IPv6 wants it (RFC 7915 section 4.5).
func fillUDP(b []byte) {
	if v, err := Parse(b); err == nil && !v.Fragmented() && be.Uint16(b[v.HeaderLen+6:]) == 0 {
		seal(b[:v.PayloadEnd], v.HeaderLen, natmodels.UDP)
	}
}
