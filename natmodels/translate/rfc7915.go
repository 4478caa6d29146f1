package translate

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

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

// toFour turns a packet from the inside into IPv4, but for its internal endpoint.
func toFour(prefix netip.Prefix, p natmodels.Packet) (natmodels.Packet, natmodels.Reason) {
	to, ok := extract(prefix, p.Dst.Addr())
	switch {
	case !ok:
		return p, natmodels.NotExternal
	case to.IsUnspecified():
		return p, natmodels.BadPacket
	}
	p.Dst = netip.AddrPortFrom(to, p.Dst.Port())
	translateICMP(&p, natmodels.ICMPv6)
	if p.Quoted == nil {
		return p, natmodels.NotDropped
	}
	q := *p.Quoted
	from, ok := extract(prefix, q.Src.Addr())
	if !ok {
		return p, natmodels.NoMapping
	}
	q.Src = netip.AddrPortFrom(from, q.Src.Port())
	translateICMP(&q, natmodels.ICMPv6)
	p.Quoted = &q
	return p, natmodels.NotDropped
}

// toSix turns a packet to the inside into IPv6.
func toSix(prefix netip.Prefix, p natmodels.Packet) natmodels.Packet {
	for _, end := range []*netip.AddrPort{&p.Src, &p.Dst} {
		if a := end.Addr(); a.Is4() {
			*end = netip.AddrPortFrom(embed(prefix, a), end.Port())
		}
	}
	translateICMP(&p, natmodels.ICMP)
	if p.Quoted != nil {
		q := toSix(prefix, *p.Quoted)
		p.Quoted = &q
	}
	return p
}

// translateICMP turns a message of one version of ICMP into one of the other.
func translateICMP(p *natmodels.Packet, from natmodels.Protocol) {
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
	protocol   natmodels.Protocol
	kind, code uint8
}

// sameCode stands for every code in a type whose codes are the same in both versions.
const sameCode = 255

// general is the row of errors64 for a message.
func (c icmpCode) general() icmpCode {
	switch {
	case c.protocol == natmodels.ICMP && c.kind == natmodels.TimeExceeded, c.protocol == natmodels.ICMPv6 && c.kind == natmodels.V6TimeExceeded:
		c.code = sameCode
	case c.protocol == natmodels.ICMPv6 && c.kind == natmodels.V6PacketTooBig: // whose code is ignored (RFC 4443 section 3.2)
		c.code = 0
	}
	return c
}

var echoes64 = map[icmpCode]icmpCode{
	{natmodels.ICMP, natmodels.EchoRequest, 0}:     {natmodels.ICMPv6, natmodels.V6EchoRequest, 0},
	{natmodels.ICMP, natmodels.EchoReply, 0}:       {natmodels.ICMPv6, natmodels.V6EchoReply, 0},
	{natmodels.ICMPv6, natmodels.V6EchoRequest, 0}: {natmodels.ICMP, natmodels.EchoRequest, 0},
	{natmodels.ICMPv6, natmodels.V6EchoReply, 0}:   {natmodels.ICMP, natmodels.EchoReply, 0},
}

// errors64 translates ICMP errors. What it lacks is dropped.
var errors64 = map[icmpCode]icmpCode{
	// RFC 7915 section 4.2
	{natmodels.ICMP, natmodels.DestUnreachable, 0}:                             {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, natmodels.HostUnreachable}:     {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 2}:                             {natmodels.ICMPv6, natmodels.V6ParamProblem, 1}, // protocol unreachable
	{natmodels.ICMP, natmodels.DestUnreachable, natmodels.PortUnreachable}:     {natmodels.ICMPv6, natmodels.V6DestUnreachable, 4},
	{natmodels.ICMP, natmodels.DestUnreachable, natmodels.FragmentationNeeded}: {natmodels.ICMPv6, natmodels.V6PacketTooBig, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 5}:                             {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 6}:                             {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 7}:                             {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 8}:                             {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 9}:                             {natmodels.ICMPv6, natmodels.V6DestUnreachable, 1},
	{natmodels.ICMP, natmodels.DestUnreachable, 10}:                            {natmodels.ICMPv6, natmodels.V6DestUnreachable, 1},
	{natmodels.ICMP, natmodels.DestUnreachable, 11}:                            {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, 12}:                            {natmodels.ICMPv6, natmodels.V6DestUnreachable, 0},
	{natmodels.ICMP, natmodels.DestUnreachable, natmodels.AdminProhibited}:     {natmodels.ICMPv6, natmodels.V6DestUnreachable, 1},
	{natmodels.ICMP, natmodels.DestUnreachable, 15}:                            {natmodels.ICMPv6, natmodels.V6DestUnreachable, 1},
	{natmodels.ICMP, natmodels.TimeExceeded, sameCode}:                         {natmodels.ICMPv6, natmodels.V6TimeExceeded, sameCode},
	{natmodels.ICMP, natmodels.ParamProblem, 0}:                                {natmodels.ICMPv6, natmodels.V6ParamProblem, 0},
	{natmodels.ICMP, natmodels.ParamProblem, 2}:                                {natmodels.ICMPv6, natmodels.V6ParamProblem, 0},
	// RFC 7915 section 5.2
	{natmodels.ICMPv6, natmodels.V6DestUnreachable, 0}:     {natmodels.ICMP, natmodels.DestUnreachable, natmodels.HostUnreachable},
	{natmodels.ICMPv6, natmodels.V6DestUnreachable, 1}:     {natmodels.ICMP, natmodels.DestUnreachable, 10},
	{natmodels.ICMPv6, natmodels.V6DestUnreachable, 2}:     {natmodels.ICMP, natmodels.DestUnreachable, natmodels.HostUnreachable},
	{natmodels.ICMPv6, natmodels.V6DestUnreachable, 3}:     {natmodels.ICMP, natmodels.DestUnreachable, natmodels.HostUnreachable},
	{natmodels.ICMPv6, natmodels.V6DestUnreachable, 4}:     {natmodels.ICMP, natmodels.DestUnreachable, natmodels.PortUnreachable},
	{natmodels.ICMPv6, natmodels.V6PacketTooBig, 0}:        {natmodels.ICMP, natmodels.DestUnreachable, natmodels.FragmentationNeeded},
	{natmodels.ICMPv6, natmodels.V6TimeExceeded, sameCode}: {natmodels.ICMP, natmodels.TimeExceeded, sameCode},
	{natmodels.ICMPv6, natmodels.V6ParamProblem, 0}:        {natmodels.ICMP, natmodels.ParamProblem, 0},
	{natmodels.ICMPv6, natmodels.V6ParamProblem, 1}:        {natmodels.ICMP, natmodels.DestUnreachable, 2},
}
