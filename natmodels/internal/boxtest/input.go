package boxtest

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Input hands out the bytes of a fuzz case, and zeros when they are used up.
type Input []byte

func (in *Input) Take(n int) []byte {
	b := make([]byte, n)
	*in = (*in)[copy(b, *in):]
	return b
}

func (in *Input) Byte() byte { return in.Take(1)[0] }

func (in *Input) Uint16() uint16 { return binary.BigEndian.Uint16(in.Take(2)) }

func (in *Input) Duration() time.Duration {
	return time.Duration(int32(binary.BigEndian.Uint32(in.Take(4)))) * time.Millisecond
}

// Addr returns one of the addresses that matter, or any other, valid or not.
func (in *Input) Addr() netip.Addr {
	known := []netip.Addr{
		OutsideA, OutsideB, InsideA.Addr(), InsideB.Addr(), RemoteY1.Addr(), RemoteY2.Addr(),
		{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:10.0.0.2"),
		netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("255.255.255.255"),
	}
	switch b := in.Byte(); {
	case int(b) < len(known):
		return known[b]
	case b < 128:
		return netip.AddrFrom4([4]byte(in.Take(4)))
	}
	return netip.AddrFrom16([16]byte(in.Take(16)))
}

func (in *Input) Endpoint() netip.AddrPort { return netip.AddrPortFrom(in.Addr(), in.Uint16()) }

// Near reads an endpoint out of few, so that packets meet.
func (in *Input) Near() netip.AddrPort {
	addresses := []netip.Addr{InsideA.Addr(), InsideB.Addr(), RemoteY1.Addr(), RemoteY2.Addr(), OutsideA, OutsideB}
	ports := []uint16{5060, 5061, 3478, 80, 0, 65535}
	b := int(in.Byte())
	if b == 255 {
		return in.Endpoint()
	}
	return netip.AddrPortFrom(addresses[b%len(addresses)], ports[b/len(addresses)%len(ports)])
}

// Packet reads a packet of any protocol, with another one in it or without.
func (in *Input) Packet(depth int) natmodels.Packet {
	p := natmodels.Packet{Protocol: []natmodels.Protocol{natmodels.UDP, natmodels.TCP, natmodels.TCP, natmodels.ICMP, natmodels.ICMP, natmodels.ICMPv6, 47}[in.Byte()%7], Src: in.Near(), Dst: in.Near()}
	switch {
	case p.Protocol == natmodels.TCP:
		p.Flags = natmodels.TCPFlags(in.Byte())
		p.Seq, p.Ack = uint32(in.Byte()%4), uint32(in.Byte()%4)
	case p.IsICMP():
		p.Type = []uint8{natmodels.EchoRequest, natmodels.EchoReply, natmodels.DestUnreachable, natmodels.TimeExceeded, natmodels.V6EchoRequest, natmodels.V6EchoReply, natmodels.V6DestUnreachable, 200}[in.Byte()%8]
		p.Code = in.Byte()
		if request, reply := p.Echo(); request || reply {
			p.Dst = netip.AddrPortFrom(p.Dst.Addr(), p.Src.Port())
		}
	}
	if flags := in.Byte(); depth < 3 && (p.IsICMP() && flags%2 == 1 || flags > 250) {
		q := in.Packet(depth + 1)
		p.Quoted = &q
	}
	return p
}
