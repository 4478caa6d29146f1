package natmodels

import (
	"net/netip"
	"slices"
	"time"
)

// A NAT64 (RFC 6146) is a Translator between two families. Packets from the inside are
// turned into IPv4 at the boundary, all but their internal endpoint, which stays as it
// is, and so are those to the inside into IPv6. Between the two it is the NAT that all
// the others are: its mappings are the BIB entries of the RFC, with an IPv6 internal and
// an IPv4 external endpoint.

// minUDP64 is UDP_MIN of RFC 6146 section 4.
const minUDP64 = 2 * time.Minute

// lengths64 are the lengths of a prefix (RFC 6052 section 2.2).
var lengths64 = []int{32, 40, 48, 56, 64, 96}

// uOctet holds bits 64 to 71 of an address, which are zero (RFC 6052 section 2.2).
const uOctet = 8

// embed puts an IPv4 address behind a prefix (RFC 6052 section 2.3).
func embed(prefix netip.Prefix, a netip.Addr) netip.Addr {
	six, four := prefix.Addr().As16(), a.As4()
	for i, at := range places64(prefix) {
		six[at] = four[i]
	}
	return netip.AddrFrom16(six)
}

// extract returns the IPv4 address behind the prefix. What follows it, and the u octet,
// are not looked at (RFC 6052 section 2.3).
func extract(prefix netip.Prefix, a netip.Addr) (netip.Addr, bool) {
	if !prefix.Contains(a) {
		return netip.Addr{}, false
	}
	var four [4]byte
	six := a.As16()
	for i, at := range places64(prefix) {
		four[i] = six[at]
	}
	return netip.AddrFrom4(four), true
}

// places64 is where the octets of an IPv4 address are: after the prefix, around the u
// octet.
func places64(prefix netip.Prefix) (at [4]int) {
	next := prefix.Bits() / 8
	for i := range at {
		if next == uOctet {
			next++
		}
		at[i] = next
		next++
	}
	return at
}

// nat64 handles a packet at the boundary of a NAT64. A Drop has it as it came.
func (n *NAT) nat64(from side, p Packet, now time.Time) Verdict {
	in, problem := p, n.problem64(from, &p)
	if problem == NotDropped && from == fromInside {
		in, problem = toFour(n.cfg.NAT64, p)
	}
	if problem != NotDropped {
		n.expireSome(n.tick(now))
		n.count(from)
		return n.drop(p, problem)
	}
	send := n.Outbound
	if from == fromOutside {
		send = n.Inbound
	}
	n.elsewhere = false
	v := send(in, now)
	n.elsewhere = true

	toInside := v.Action == Hairpin || (v.Action == Reply) == (from == fromInside)
	switch {
	case v.Action == Drop:
		v.Packet = p
	case toInside && v.Action == Reply && v.Packet.Quoted != nil: // an error of its own
		v.Packet = unreachable(p, embed(n.cfg.NAT64, v.Packet.Src.Addr()), v.Packet.Code)
	case toInside:
		v.Packet = toSix(n.cfg.NAT64, v.Packet)
	}
	return v
}

// problem64 checks that a packet is of the family of its side, and can be translated.
func (n *NAT) problem64(from side, p *Packet) Reason {
	family := n.pools[0].ip
	if from == fromInside {
		family = n.cfg.NAT64.Addr()
	}
	if _, _, problem := unpackFor(p, family); problem != NotDropped {
		return problem
	}
	if from == fromInside && n.cfg.NAT64.Contains(p.Src.Addr()) {
		return BadPacket // it would go in circles (RFC 6146 section 3.5)
	}
	if p.Quoted != nil {
		if _, ok := errors64[icmpCode{p.Protocol, p.Type, p.Code}.general()]; !ok {
			return Invalid
		}
	}
	return NotDropped
}

// toFour turns a packet from the inside into IPv4, but for its internal endpoint.
func toFour(prefix netip.Prefix, p Packet) (Packet, Reason) {
	to, ok := extract(prefix, p.Dst.Addr())
	switch {
	case !ok:
		return p, NotExternal
	case to.IsUnspecified():
		return p, BadPacket
	}
	p.Dst = netip.AddrPortFrom(to, p.Dst.Port())
	p.translateICMP(ICMPv6)
	if p.Quoted == nil {
		return p, NotDropped
	}
	q := *p.Quoted
	from, ok := extract(prefix, q.Src.Addr())
	if !ok {
		return p, NoMapping
	}
	q.Src = netip.AddrPortFrom(from, q.Src.Port())
	q.translateICMP(ICMPv6)
	p.Quoted = &q
	return p, NotDropped
}

// toSix turns a packet to the inside into IPv6.
func toSix(prefix netip.Prefix, p Packet) Packet {
	for _, end := range []*netip.AddrPort{&p.Src, &p.Dst} {
		if a := end.Addr(); a.Is4() {
			*end = netip.AddrPortFrom(embed(prefix, a), end.Port())
		}
	}
	p.translateICMP(ICMP)
	if p.Quoted != nil {
		q := toSix(prefix, *p.Quoted)
		p.Quoted = &q
	}
	return p
}

// translateICMP turns a message of one version of ICMP into one of the other.
func (p *Packet) translateICMP(from Protocol) {
	if p.Protocol != from {
		return
	}
	was := icmpCode{p.Protocol, p.Type, p.Code}
	now, ok := errors64[was.general()]
	if !ok {
		now = echoes64[icmpCode{was.protocol, was.kind, 0}]
	}
	p.Protocol, p.Type, p.Code = now.protocol, now.kind, now.code
	if now.code == sameCode {
		p.Code = was.code
	}
}

type icmpCode struct {
	protocol   Protocol
	kind, code uint8
}

// sameCode stands for every code in a type whose codes are the same in both versions.
const sameCode = 255

// general is the row of errors64 for a message.
func (c icmpCode) general() icmpCode {
	switch {
	case c.protocol == ICMP && c.kind == TimeExceeded, c.protocol == ICMPv6 && c.kind == V6TimeExceeded:
		c.code = sameCode
	case c.protocol == ICMPv6 && c.kind == V6PacketTooBig: // whose code is ignored (RFC 4443 section 3.2)
		c.code = 0
	}
	return c
}

var echoes64 = map[icmpCode]icmpCode{
	{ICMP, EchoRequest, 0}:     {ICMPv6, V6EchoRequest, 0},
	{ICMP, EchoReply, 0}:       {ICMPv6, V6EchoReply, 0},
	{ICMPv6, V6EchoRequest, 0}: {ICMP, EchoRequest, 0},
	{ICMPv6, V6EchoReply, 0}:   {ICMP, EchoReply, 0},
}

// errors64 translates ICMP errors. What it lacks is dropped.
var errors64 = map[icmpCode]icmpCode{
	// RFC 7915 section 4.2
	{ICMP, DestUnreachable, 0}:                   {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, HostUnreachable}:     {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, 2}:                   {ICMPv6, V6ParamProblem, 1}, // protocol unreachable
	{ICMP, DestUnreachable, PortUnreachable}:     {ICMPv6, V6DestUnreachable, 4},
	{ICMP, DestUnreachable, FragmentationNeeded}: {ICMPv6, V6PacketTooBig, 0},
	{ICMP, DestUnreachable, 5}:                   {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, 6}:                   {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, 7}:                   {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, 8}:                   {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, 9}:                   {ICMPv6, V6DestUnreachable, 1},
	{ICMP, DestUnreachable, 10}:                  {ICMPv6, V6DestUnreachable, 1},
	{ICMP, DestUnreachable, 11}:                  {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, 12}:                  {ICMPv6, V6DestUnreachable, 0},
	{ICMP, DestUnreachable, AdminProhibited}:     {ICMPv6, V6DestUnreachable, 1},
	{ICMP, DestUnreachable, 15}:                  {ICMPv6, V6DestUnreachable, 1},
	{ICMP, TimeExceeded, sameCode}:               {ICMPv6, V6TimeExceeded, sameCode},
	{ICMP, ParamProblem, 0}:                      {ICMPv6, V6ParamProblem, 0},
	{ICMP, ParamProblem, 2}:                      {ICMPv6, V6ParamProblem, 0},
	// RFC 7915 section 5.2
	{ICMPv6, V6DestUnreachable, 0}:     {ICMP, DestUnreachable, HostUnreachable},
	{ICMPv6, V6DestUnreachable, 1}:     {ICMP, DestUnreachable, 10},
	{ICMPv6, V6DestUnreachable, 2}:     {ICMP, DestUnreachable, HostUnreachable},
	{ICMPv6, V6DestUnreachable, 3}:     {ICMP, DestUnreachable, HostUnreachable},
	{ICMPv6, V6DestUnreachable, 4}:     {ICMP, DestUnreachable, PortUnreachable},
	{ICMPv6, V6PacketTooBig, 0}:        {ICMP, DestUnreachable, FragmentationNeeded},
	{ICMPv6, V6TimeExceeded, sameCode}: {ICMP, TimeExceeded, sameCode},
	{ICMPv6, V6ParamProblem, 0}:        {ICMP, ParamProblem, 0},
	{ICMPv6, V6ParamProblem, 1}:        {ICMP, DestUnreachable, 2},
}

// inside4 reports whether internal addresses are IPv4.
func (c Config) inside4() bool { return c.External[0].Is4() && !c.NAT64.IsValid() }

// checkNAT64 refuses what RFC 6146 does not allow.
func (c Config) checkNAT64(p *problems) {
	if c.NAT64 == (netip.Prefix{}) {
		return
	}
	prefix := c.NAT64
	switch a := prefix.Addr(); {
	case !prefix.IsValid() || prefix != prefix.Masked() || !a.Is6() || addrProblem(a) != "":
		p.add("NAT64", "%v is not a prefix of IPv6", prefix)
	case !slices.Contains(lengths64, prefix.Bits()):
		p.add("NAT64", "%v: its length must be one of %v (RFC 6052 section 2.2)", prefix, lengths64)
	case a.As16()[uOctet] != 0:
		p.add("NAT64", "%v: bits 64 to 71 must be zero (RFC 6052 section 2.2)", prefix)
	}
	if len(c.External) > 0 && !c.External[0].Is4() {
		p.add("External", "%v: a NAT64 has IPv4 outside", c.External[0])
	}
	for _, s := range c.Static {
		if prefix.Contains(s.Internal.Addr()) {
			p.add("Static", "internal %v is in the prefix %v of the NAT64", s.Internal, prefix)
		}
	}
	c.checkBehavior64(p)
}

func (c Config) checkBehavior64(p *problems) {
	for _, s := range []struct {
		field string
		is    Dependence
	}{{"Mapping", c.Mapping}, {"TCP.Mapping", c.TCP.Mapping}, {"UnderLoad.Mapping", c.UnderLoad.Mapping}} {
		if s.is != EndpointIndependent {
			p.add(s.field, "a NAT64 has endpoint-independent mapping (RFC 6146 section 3.5), not %v", s.is)
		}
	}
	for _, s := range []struct {
		field string
		is    Dependence
	}{{"Filtering", c.Filtering}, {"TCP.Filtering", c.TCP.Filtering}} {
		if s.is == AddressAndPortDependent {
			p.add(s.field, "a NAT64 has endpoint-independent or address-dependent filtering (RFC 6146 section 3.5), not %v", s.is)
		}
	}
	for _, t := range []struct {
		field string
		lasts time.Duration
	}{
		{"IdleTimeout", c.IdleTimeout}, {"UnrepliedTimeout", c.UnrepliedTimeout},
		{"WellKnownTimeout", c.WellKnownTimeout}, {"PermissionTimeout", c.PermissionTimeout},
	} {
		if t.lasts > 0 && t.lasts < minUDP64 {
			p.add(t.field, "%v is less than the %v that a UDP session of a NAT64 lives at least (RFC 6146 section 4)", t.lasts, minUDP64)
		}
	}
	if c.Hairpin == InternalSource {
		p.add("Hairpin", "what a NAT64 hairpins is from the external endpoint of its sender (RFC 6146 section 3.8)")
	}
}
