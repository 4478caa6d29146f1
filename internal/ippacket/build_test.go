package ippacket

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
)

// build makes a packet with our own builders.
func (s spec) build(t tb) []byte {
	t.Helper()
	h := Header{TTL: s.TTL, TOS: s.TOS, ID: s.ID, DF: s.DF}
	var b []byte
	var err error
	switch {
	case s.P.Protocol == natmodels.UDP:
		b, err = AppendUDP([]byte("before"), h, s.P.Src, s.P.Dst, s.Payload)
	case s.P.Protocol == natmodels.TCP:
		b, err = AppendTCP([]byte("before"), h, s.P, s.Window, s.Payload)
	case s.P.IsICMP():
		b, err = AppendEcho([]byte("before"), h, s.P, uint16(s.Rest), s.Payload)
	default:
		b, err = AppendIP([]byte("before"), h, s.P.Protocol, s.P.Src.Addr(), s.P.Dst.Addr(), s.Payload)
	}
	if err != nil || !bytes.HasPrefix(b, []byte("before")) {
		t.Fatalf("%v: % x", err, b)
	}
	return b[len("before"):]
}

func TestBuildersBuildWhatGopacketBuilds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), false)
		s.Options, s.NoSum, s.TTL = false, false, max(s.TTL, 1)
		if got, want := s.build(t), s.bytes(t); !bytes.Equal(got, want) {
			t.Fatalf("\ngot  % x\nwant % x", got, want)
		}
	})
}

// An ICMP error is what gopacket builds of as much of the packet as there may be.
func TestICMPErrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := rapid.Bool().Draw(t, "v4")
		about := drawSpec(t, v4, false)
		about.Payload = drawBytes(t, 0, 2000, "long payload")
		b := about.bytes(t)
		v := mustParse(t, b)
		from := drawAddr(t, v4, "from")
		want := spec{TTL: 64, TOS: 0xc0 | about.TOS&0x1e, Rest: rapid.Uint32().Draw(t, "rest"), About: &about, Quote: 548}
		want.P = natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.DestUnreachable, Code: natmodels.FragmentationNeeded}
		if !v4 {
			want.TOS, want.Quote = 0, 1232
			want.P.Protocol, want.P.Type, want.P.Code = natmodels.ICMPv6, natmodels.V6PacketTooBig, 0
		}
		want.P.Src, want.P.Dst = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(v.Packet.Src.Addr(), 0)
		got, err := v.AppendICMPError(nil, Header{}, from, want.P.Type, want.P.Code, want.Rest, b)
		if errors.Is(err, NoAnswer) {
			if a := v.Packet.Src.Addr(); single(a) && !v.Packet.Dst.Addr().IsMulticast() {
				t.Fatalf("no error about %v", v.Packet)
			}
			return
		}
		if err != nil || !bytes.Equal(got, want.bytes(t)) {
			t.Fatalf("%v\ngot  % x\nwant % x", err, got, want.bytes(t))
		}
		if e := mustParse(t, got); e.Verify(got) != nil || e.Packet.Quoted == nil || e.Len > 1280 {
			t.Fatalf("%+v", e)
		}
	})
}

func TestNoErrorAbout(t *testing.T) {
	udp := func(src, dst string) []byte {
		b, err := AppendUDP(nil, Header{}, ap(src), ap(dst), make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := udp("10.0.0.1:1", "192.0.2.1:2")
	v := mustParse(t, good)
	anError, err := v.AppendICMPError(nil, Header{}, ap("192.0.2.9:0").Addr(), 3, 3, 0, good)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"an ICMP error":         anError,
		"a later fragment":      fragments(t, good, 68)[1],
		"a broadcast":           udp("10.0.0.1:1", "255.255.255.255:2"),
		"a multicast":           udp("10.0.0.1:1", "224.0.0.1:2"),
		"nobody":                udp("0.0.0.0:1", "192.0.2.1:2"),
		"a multicast of IPv6":   udp("[2001:db8::1]:1", "[ff02::1]:2"),
		"a loopback":            udp("127.0.0.1:1", "192.0.2.1:2"),
		"from multicast (IPv6)": udp("[ff02::1]:1", "[2001:db8::1]:2"),
	} {
		v := mustParse(t, b)
		from, kind := ap("192.0.2.9:0").Addr(), natmodels.DestUnreachable
		if v.Version == 6 {
			from, kind = ap("[2001:db8::9]:0").Addr(), natmodels.V6DestUnreachable
		}
		if _, err := v.AppendICMPError(nil, Header{}, from, kind, 0, 0, b); !errors.Is(err, NoAnswer) {
			t.Errorf("about %s: %v", name, err)
		}
		if _, err := v.AppendEchoReply(nil, Header{}, b); !errors.Is(err, NoAnswer) {
			t.Errorf("%s answered as an echo: %v", name, err)
		}
	}
	b := udp("[2001:db8::1]:1", "[ff02::1]:2")
	v = mustParse(t, b)
	if _, err := v.AppendICMPError(nil, Header{}, ap("[2001:db8::9]:0").Addr(), natmodels.V6PacketTooBig, 0, 1280, b); err != nil {
		t.Errorf("packet too big about a multicast (RFC 4443 section 2.4(e.3)): %v", err)
	}
}

func TestEchoReply(t *testing.T) {
	for _, p := range []natmodels.Packet{
		{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest, Src: ap("10.0.0.1:7"), Dst: ap("192.0.2.1:7")},
		{Protocol: natmodels.ICMPv6, Type: natmodels.V6EchoRequest, Src: ap("[2001:db8::1]:7"), Dst: ap("[2001:db8::2]:7")},
	} {
		request, err := AppendEcho(nil, Header{}, p, 9, []byte("ping"))
		if err != nil {
			t.Fatal(err)
		}
		v := mustParse(t, request)
		got, err := v.AppendEchoReply(nil, Header{}, request)
		if err != nil {
			t.Fatal(err)
		}
		answer := other(p)
		answer.Type = natmodels.EchoReply
		if p.Protocol == natmodels.ICMPv6 {
			answer.Type = natmodels.V6EchoReply
		}
		want, _ := AppendEcho(nil, Header{}, answer, 9, []byte("ping"))
		if !bytes.Equal(got, want) {
			t.Errorf("\ngot  % x\nwant % x", got, want)
		}
	}
}

// A UDP checksum that comes out as zero is sent as 0xffff (RFC 768), built and applied.
func TestUDPChecksumIsNeverZero(t *testing.T) {
	for _, ends := range [][2]netip.AddrPort{{ap("10.0.0.1:0"), ap("10.0.0.2:5060")}, {ap("[2001:db8::1]:0"), ap("[2001:db8::2]:5060")}} {
		found := false
		for port := range 1 << 16 {
			src := netip.AddrPortFrom(ends[0].Addr(), uint16(port))
			b, _ := AppendUDP(nil, Header{}, src, ends[1], nil)
			v := mustParse(t, b)
			sum := be.Uint16(b[v.HeaderLen+6:])
			if sum == 0 || v.Verify(b) != nil {
				t.Fatalf("port %d: checksum %#x", port, sum)
			}
			if sum != 0xffff {
				continue
			}
			found = true
			from, _ := AppendUDP(nil, Header{}, netip.AddrPortFrom(src.Addr(), uint16(port)^0x8000), ends[1], nil)
			fv := mustParse(t, from)
			if err := fv.Apply(from, v.Packet); err != nil || !bytes.Equal(from, b) {
				t.Errorf("%v: got % x, want % x", err, from, b)
			}
		}
		if !found {
			t.Error("no port makes it zero")
		}
	}
}

func TestBuildersRefuse(t *testing.T) {
	a4, a6 := ap("10.0.0.1:1"), ap("[2001:db8::1]:1")
	for name, c := range map[string]struct {
		src, dst netip.AddrPort
		payload  int
		want     error
	}{
		"two families":     {a4, a6, 0, OtherFamily},
		"no address":       {a4, netip.AddrPort{}, 0, OtherFamily},
		"a zone":           {a6, netip.AddrPortFrom(a6.Addr().WithZone("eth0"), 1), 0, OtherFamily},
		"the longest":      {a4, a4, 65507, nil},
		"too long":         {a4, a4, 65508, TooLong},
		"the longest (v6)": {a6, a6, 65527, nil},
		"too long (v6)":    {a6, a6, 65528, TooLong},
	} {
		b, err := AppendUDP([]byte("b"), Header{}, c.src, c.dst, make([]byte, c.payload))
		if !errors.Is(err, c.want) || err != nil && string(b) != "b" {
			t.Errorf("%s: %v and %d bytes, want %v", name, err, len(b), c.want)
		}
	}
	icmp := natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest, Src: a6, Dst: a6}
	if _, err := AppendEcho(nil, Header{}, icmp, 0, nil); !errors.Is(err, OtherFamily) {
		t.Errorf("ICMP in IPv6: %v", err)
	}
	if _, err := AppendEcho(nil, Header{}, natmodels.Packet{Protocol: natmodels.UDP, Src: a4, Dst: a4}, 0, nil); !errors.Is(err, OtherPacket) {
		t.Errorf("UDP as an echo: %v", err)
	}
	if _, err := AppendTCP(nil, Header{}, icmp, 0, nil); !errors.Is(err, OtherPacket) {
		t.Errorf("ICMP as TCP: %v", err)
	}
}
