package ippacket

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
)

// tb is what a test and a rapid check have in common.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// spec is a packet to build with gopacket, which computes lengths and checksums on its own.
type spec struct {
	P        natmodels.Packet
	TTL, TOS uint8
	ID       uint16
	DF       bool
	Options  bool   // of IPv4, or extension headers of IPv6
	NoSum    bool   // UDP without a checksum
	Window   uint16 // TCP
	Rest     uint32 // ICMP: the sequence number, or what follows the checksum of an error
	Payload  []byte
	About    *spec // ICMP errors
	Quote    int   // how much of it is quoted
}

// bytes builds it.
func (s spec) bytes(t tb) []byte {
	t.Helper()
	v4 := s.P.Src.Addr().Is4()
	var stack []gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	proto := layers.IPProtocol(s.P.Protocol)
	if v4 {
		ip := &layers.IPv4{Version: 4, TTL: s.TTL, TOS: s.TOS, Id: s.ID, Protocol: proto, SrcIP: s.P.Src.Addr().AsSlice(), DstIP: s.P.Dst.Addr().AsSlice()}
		if s.DF {
			ip.Flags = layers.IPv4DontFragment
		}
		if s.Options { // record route, not copied; router alert, copied (RFC 2113)
			ip.Options = []layers.IPv4Option{
				{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}}, {OptionType: 1, OptionLength: 1},
				{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}},
			}
		}
		stack, network = append(stack, ip), ip
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: s.TTL, TrafficClass: s.TOS, NextHeader: proto, SrcIP: s.P.Src.Addr().AsSlice(), DstIP: s.P.Dst.Addr().AsSlice()}
		stack, network = append(stack, ip), ip
		if s.Options {
			ip.NextHeader = hopByHop
			stack = append(stack, gopacket.Payload([]byte{destinationOptions, 0, 5, 2, 0, 0, 1, 0}), gopacket.Payload([]byte{byte(proto), 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
		}
	}
	payload := s.Payload
	switch s.P.Protocol {
	case natmodels.UDP:
		u := &layers.UDP{SrcPort: layers.UDPPort(s.P.Src.Port()), DstPort: layers.UDPPort(s.P.Dst.Port())}
		_ = u.SetNetworkLayerForChecksum(network)
		stack = append(stack, u)
	case natmodels.TCP:
		f := s.P.Flags
		c := &layers.TCP{
			SrcPort: layers.TCPPort(s.P.Src.Port()), DstPort: layers.TCPPort(s.P.Dst.Port()), Seq: s.P.Seq, Ack: s.P.Ack, Window: s.Window,
			FIN: f&natmodels.FIN != 0, SYN: f&natmodels.SYN != 0, RST: f&natmodels.RST != 0, PSH: f&natmodels.PSH != 0,
			ACK: f&natmodels.ACK != 0, URG: f&natmodels.URG != 0, ECE: f&natmodels.ECE != 0, CWR: f&natmodels.CWR != 0,
		}
		_ = c.SetNetworkLayerForChecksum(network)
		stack = append(stack, c)
	case natmodels.ICMP, natmodels.ICMPv6:
		rest := s.Rest
		if s.About != nil {
			payload = s.About.bytes(t)
			payload = payload[:min(s.Quote, len(payload))]
		} else {
			rest = uint32(s.P.Src.Port())<<16 | s.Rest&0xffff
		}
		if s.P.Protocol == natmodels.ICMP {
			stack = append(stack, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(s.P.Type, s.P.Code), Id: uint16(rest >> 16), Seq: uint16(rest)})
			break
		}
		c := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(s.P.Type, s.P.Code)}
		_ = c.SetNetworkLayerForChecksum(network)
		stack = append(stack, c, gopacket.Payload(be.AppendUint32(nil, rest)))
	}
	stack = append(stack, gopacket.Payload(payload))
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		t.Fatal(err)
	}
	b := buf.Bytes()
	if s.NoSum && s.P.Protocol == natmodels.UDP && v4 {
		header := int(b[0]&15) * 4
		be.PutUint16(b[header+6:], 0)
	}
	return b
}

// want is what a NAT sees of it.
func (s spec) want() natmodels.Packet {
	p := s.P
	if s.About != nil {
		q := s.About.want()
		if s.About.P.Protocol == natmodels.TCP && s.Quote < s.About.headerLen()+tcpHeader {
			q.Ack, q.Flags = 0, 0 // not quoted
		}
		p.Quoted = &q
	}
	return p
}

func (s spec) headerLen() int {
	switch {
	case s.P.Src.Addr().Is4() && s.Options:
		return 32
	case s.P.Src.Addr().Is4():
		return 20
	case s.Options:
		return 64
	}
	return 40
}

// moved is the same packet with other endpoints.
func (s spec) moved(to natmodels.Packet) spec {
	s.P.Src, s.P.Dst = to.Src, to.Dst
	if s.About != nil {
		about := s.About.moved(*to.Quoted)
		s.About = &about
	}
	return s
}

// Generators.

func drawAddr(t *rapid.T, v4 bool, label string) netip.Addr {
	if v4 {
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, label)))
	}
	return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label)))
}

// drawBytes draws a number of bytes; rapid by itself likes short slices.
func drawBytes(t *rapid.T, least, most int, label string) []byte {
	b := make([]byte, rapid.IntRange(least, most).Draw(t, label+" length"))
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, label), 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func drawEnds(t *rapid.T, p *natmodels.Packet, v4 bool) {
	sport, dport := rapid.Uint16().Draw(t, "sport"), rapid.Uint16().Draw(t, "dport")
	switch request, reply := p.Echo(); {
	case request || reply:
		dport = sport
	case p.Protocol != natmodels.UDP && p.Protocol != natmodels.TCP:
		sport, dport = 0, 0
	}
	p.Src = netip.AddrPortFrom(drawAddr(t, v4, "src"), sport)
	p.Dst = netip.AddrPortFrom(drawAddr(t, v4, "dst"), dport)
}

// drawSpec draws a packet of UDP, TCP or echo, another protocol, or, if it may be, an error.
func drawSpec(t *rapid.T, v4, mayBeError bool) spec {
	s := spec{
		TTL: rapid.Uint8().Draw(t, "ttl"), TOS: rapid.Uint8().Draw(t, "tos"), ID: rapid.Uint16().Draw(t, "id"), DF: rapid.Bool().Draw(t, "df"),
		Options: rapid.Bool().Draw(t, "options"), NoSum: v4 && rapid.Bool().Draw(t, "nosum"),
		Window: rapid.Uint16().Draw(t, "window"), Rest: uint32(rapid.Uint16().Draw(t, "rest")),
		Payload: drawBytes(t, 0, rapid.SampledFrom([]int{20, 200, 1500}).Draw(t, "most"), "payload"),
	}
	icmp, request, reply, unreachable := natmodels.ICMP, natmodels.EchoRequest, natmodels.EchoReply, natmodels.DestUnreachable
	if !v4 {
		icmp, request, reply, unreachable = natmodels.ICMPv6, natmodels.V6EchoRequest, natmodels.V6EchoReply, natmodels.V6DestUnreachable
	}
	kinds := 5
	if mayBeError {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		s.P.Protocol = natmodels.UDP
	case 1:
		s.P.Protocol = natmodels.TCP
		s.P.Flags = natmodels.TCPFlags(rapid.Uint8().Draw(t, "flags"))
		s.P.Seq, s.P.Ack = rapid.Uint32().Draw(t, "seq"), rapid.Uint32().Draw(t, "ack")
	case 2:
		s.P.Protocol, s.P.Type = icmp, request
	case 3:
		s.P.Protocol, s.P.Type = icmp, reply
	case 4:
		s.P.Protocol = 132 // SCTP, whose checksum does not cover addresses
	case 5:
		about := drawSpec(t, v4, false)
		s.P.Protocol, s.P.Type, s.P.Code = icmp, unreachable, rapid.Uint8Range(0, 15).Draw(t, "code")
		about.Rest |= 1                                                              // an echo reply that is all zero has another checksum, of which a quote may not tell
		quote := rapid.IntRange(8, 1500).Filter(func(n int) bool { return n != 17 }) // half a checksum of TCP
		s.About, s.Quote = &about, about.headerLen()+quote.Draw(t, "quote")
	}
	drawEnds(t, &s.P, v4)
	return s
}

// drawMoved draws other endpoints for a packet; some stay.
func drawMoved(t *rapid.T, p natmodels.Packet, v4 bool) natmodels.Packet {
	was := p
	drawEnds(t, &p, v4)
	if rapid.Bool().Draw(t, "keep src") {
		p.Src = netip.AddrPortFrom(was.Src.Addr(), p.Src.Port())
	}
	if rapid.Bool().Draw(t, "keep dst") {
		p.Dst = netip.AddrPortFrom(was.Dst.Addr(), p.Dst.Port())
	}
	if was.Quoted != nil {
		q := drawMoved(t, *was.Quoted, v4)
		p.Quoted = &q
	}
	return p
}

func mustParse(t tb, b []byte) View {
	t.Helper()
	v, err := Parse(b)
	if err != nil {
		t.Fatalf("%v: % x", err, b)
	}
	return v
}

var _ tb = (*testing.T)(nil)
