package ippacket

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/translate"
)

// translated is the spec of the translation of a packet to endpoints of the other family.
func (s spec) translated(t *rapid.T, id uint16) spec {
	to6 := s.P.Src.Addr().Is4()
	p := &s.P
	if was := *p; was.IsICMP() {
		p.Protocol = otherProtocol(p.Protocol)
		request, reply := was.Echo()
		switch {
		case request && to6:
			p.Type = natmodels.V6EchoRequest
		case reply && to6:
			p.Type = natmodels.V6EchoReply
		case request:
			p.Type = natmodels.EchoRequest
		case reply:
			p.Type = natmodels.EchoReply
		case to6:
			p.Type, p.Code = natmodels.V6DestUnreachable, 4
		default:
			p.Type, p.Code = natmodels.DestUnreachable, natmodels.PortUnreachable
		}
	}
	drawEnds(t, p, !to6)
	length := s.transportLen()
	s.NoSum, s.Options, s.ID, s.DF = false, false, id, header4+length > 1260
	if s.About != nil {
		about := s.About.translated(t, 0)
		s.Quote += about.headerLen() - s.About.headerLen()
		s.About, s.Rest = &about, 0
		room := 548
		if to6 {
			room = 1232
		}
		s.Quote = min(s.Quote, room)
		quoted := min(s.Quote, about.headerLen()+about.transportLen())
		s.DF = header4+icmpHeader+quoted > 1260
	}
	return s
}

func (s spec) transportLen() int {
	switch {
	case s.P.Protocol == natmodels.TCP:
		return tcpHeader + len(s.Payload)
	case s.P.Protocol == natmodels.UDP, s.P.IsICMP():
		return 8 + len(s.Payload)
	}
	return len(s.Payload)
}

// A translation is what gopacket builds from nothing, both ways.
func TestTranslate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), true)
		if s.About != nil {
			s.About.NoSum = false // it would stay so
		} else {
			s.Payload = drawBytes(t, 0, 1500, "long payload")
		}
		id := rapid.Uint16().Draw(t, "id")
		want := s.translated(t, id)
		b := s.bytes(t)
		v := mustParse(t, b)
		got, err := v.Translate([]byte("before"), id, want.want(), b)
		if err != nil || !bytes.Equal(got[len("before"):], want.bytes(t)) {
			t.Fatalf("%v: %v\ngot  % x\nwant % x", want.want(), err, got[len("before"):], want.bytes(t))
		}
	})
}

// The fragments of a packet are translated one by one, and joined they are its translation.
func TestTranslateFragments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), false)
		s.DF, s.NoSum, s.Payload = false, false, bytes.Repeat([]byte("natproof"), 300)
		b := s.bytes(t)
		want := s.translated(t, uint16(77))
		want.DF = false
		r, _ := NewReassembler(ReassemblerConfig{})
		var whole []byte
		for _, f := range fragments(t, b, 1280) {
			v := mustParse(t, f)
			got, err := v.Translate(nil, 5, want.P, f)
			switch {
			case s.P.IsICMP() || s.Options && v.Version == 6 && v.HeaderLen != v.fragmentableAt():
				if !errors.Is(err, NoTranslation) {
					t.Fatal(err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			gv := mustParse(t, got)
			if whole, err = r.Add(got, &gv, epoch); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(whole, want.bytes(t)) {
			t.Fatalf("\ngot  % x\nwant % x", whole[:60], want.bytes(t)[:60])
		}
	})
}

// A NAT64 and the bytes agree, there and back, an error about it included.
func TestTranslateWhatNAT64Says(t *testing.T) {
	cfg := translate.NAT64{Config: translate.Config{IdleTimeout: 5 * time.Minute}, Prefix: translate.WellKnownPrefix}
	nat, err := cfg.New(natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}})
	if err != nil {
		t.Fatal(err)
	}
	six, err := AppendUDP(nil, Header{}, ap("[2001:db8::1]:5060"), ap("[64:ff9b::192.0.2.1]:5060"), []byte("REGISTER"))
	if err != nil {
		t.Fatal(err)
	}
	v := mustParse(t, six)
	out := nat.Outbound(v.Packet, epoch)
	four, err := v.Translate(nil, 1, out.Packet, six)
	if err != nil {
		t.Fatalf("%v: %v", out, err)
	}
	fv := mustParse(t, four)
	if !fv.Packet.Equal(out.Packet) || fv.Verify(four) != nil || string(fv.Payload(four)) != "REGISTER" {
		t.Fatalf("%v, want %v", fv.Packet, out.Packet)
	}
	e, err := fv.AppendICMPError(nil, Header{}, netip.MustParseAddr("192.0.2.9"), natmodels.DestUnreachable, natmodels.FragmentationNeeded, 1400, four)
	if err != nil {
		t.Fatal(err)
	}
	ev := mustParse(t, e)
	in := nat.Inbound(ev.Packet, epoch)
	back, err := ev.Translate(nil, 0, in.Packet, e)
	if err != nil {
		t.Fatalf("%v: %v", in, err)
	}
	bv := mustParse(t, back)
	if !bv.Packet.Equal(in.Packet) || bv.Verify(back) != nil || be.Uint32(back[bv.HeaderLen+4:]) != 1420 {
		t.Fatalf("%v, want %v", bv.Packet, in.Packet)
	}
	if !bytes.Equal(bv.Quoted(back)[40:], six[40:]) || bv.Packet.Quoted.Src != ap("[2001:db8::1]:5060") {
		t.Errorf("quotes % x", bv.Quoted(back))
	}
}

// RFC 7915 sections 4.2 and 5.2.
func TestTranslateRest(t *testing.T) {
	four := func(kind, code uint8) natmodels.Packet {
		return natmodels.Packet{Protocol: natmodels.ICMP, Type: kind, Code: code}
	}
	six := func(kind, code uint8) natmodels.Packet {
		return natmodels.Packet{Protocol: natmodels.ICMPv6, Type: kind, Code: code}
	}
	for _, c := range []struct {
		p     natmodels.Packet
		rest  uint32
		total int
		want  uint32
		ok    bool
	}{
		{six(2, 0), 1400, 1500, 1420, true},
		{six(2, 0), 0, 1500, 1512, true},
		{six(2, 0), 0, 60, 88, true},
		{six(4, 1), 0, 60, 6, true},
		{six(4, 0), 9 << 24, 60, 6, true},
		{six(4, 0), 13 << 24, 60, 8, true},
		{six(4, 0), 4 << 24, 60, 0, false},
		{six(1, 0), 77, 60, 0, true},
		{four(3, 4), 1280, 60, 1260, true},
		{four(3, 4), 1 << 20, 60, 0xffff, true},
		{four(12, 0), 30, 60, 16 << 24, true},
		{four(12, 0), 2, 60, 0, false},
		{four(12, 0), 40, 60, 0, false},
		{four(11, 0), 0, 60, 0, true},
	} {
		if got, ok := translateRest(&c.p, c.rest, c.total); got != c.want || ok != c.ok {
			t.Errorf("%v, %d: %d, %v, want %d, %v", c.p.What(), c.rest, got, ok, c.want, c.ok)
		}
	}
}

func TestTranslateRefuses(t *testing.T) {
	b := broken(t, false, func(b []byte) []byte { return b })
	v := mustParse(t, b)
	to := natmodels.Packet{Protocol: natmodels.UDP, Src: ap("[2001:db8::1]:1"), Dst: ap("[2001:db8::2]:2")}
	tcp, quotes := to, to
	tcp.Protocol, quotes.Quoted = natmodels.TCP, &to
	for name, c := range map[string]struct {
		b    []byte
		to   natmodels.Packet
		want error
	}{
		"the same family":  {b, v.Packet, OtherFamily},
		"another protocol": {b, tcp, OtherPacket},
		"a quote":          {b, quotes, OtherPacket},
		"too few bytes":    {b[:30], to, Truncated},
	} {
		if got, err := v.Translate([]byte("b"), 0, c.to, c.b); !errors.Is(err, c.want) || string(got) != "b" {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	noSum := spec{P: mustPacket("10.0.0.1:1", "10.0.0.2:2"), TTL: 9, NoSum: true, Payload: make([]byte, 200)}
	first := fragments(t, noSum.bytes(t), 100)[0]
	v = mustParse(t, first)
	if _, err := v.Translate(nil, 0, to, first); !errors.Is(err, NoTranslation) {
		t.Errorf("fragments without a checksum: %v", err)
	}
	hop, _ := AppendIP(nil, Header{}, hopByHop, ap("10.0.0.1:1").Addr(), ap("10.0.0.2:2").Addr(), make([]byte, 8))
	v = mustParse(t, hop)
	if _, err := v.Translate(nil, 0, otherFamily(v.Packet), hop); !errors.Is(err, NoTranslation) {
		t.Errorf("a protocol that is an extension header: %v", err)
	}
	e, _ := v.AppendICMPError(nil, Header{}, ap("10.0.0.9:0").Addr(), 3, 1, 0, hop)
	v = mustParse(t, e)
	if _, err := v.Translate(nil, 0, otherFamily(v.Packet), e); !errors.Is(err, NoTranslation) {
		t.Errorf("an error about such a one: %v", err)
	}
	p := natmodels.Packet{Protocol: natmodels.ICMP, Type: 13, Src: ap("10.0.0.1:0"), Dst: ap("10.0.0.2:0")}
	stamp, _ := AppendICMP(nil, Header{}, p, 0, make([]byte, 12))
	v = mustParse(t, stamp)
	if _, err := v.Translate(nil, 0, to, stamp); !errors.Is(err, NoTranslation) {
		t.Errorf("a timestamp: %v", err)
	}
}
