package ippacket

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
)

// broken is a UDP packet of 13 bytes of payload with something done to it.
func broken(t *testing.T, v6 bool, f func(b []byte) []byte) []byte {
	src, dst := ap("10.0.0.1:5060"), ap("192.0.2.1:5060")
	if v6 {
		src, dst = ap("[2001:db8::1]:5060"), ap("[2001:db8::2]:5060")
	}
	b, err := AppendUDP(nil, Header{}, src, dst, []byte("thirteen byte"))
	if err != nil {
		t.Fatal(err)
	}
	return mended(f(b))
}

// put overwrites bytes.
func put(at int, with ...byte) func([]byte) []byte {
	return func(b []byte) []byte {
		copy(b[at:], with)
		return b
	}
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }

func TestParseErrors(t *testing.T) {
	for name, c := range map[string]struct {
		v6   bool
		f    func([]byte) []byte
		want error
	}{
		"nothing":                     {false, cut(0), Truncated},
		"half a header":               {false, cut(19), Truncated},
		"half of an IPv6 header":      {true, cut(39), Truncated},
		"shorter than it says":        {false, cut(40), Truncated},
		"shorter than it says (v6)":   {true, cut(60), Truncated},
		"version 5":                   {false, put(0, 0x55), BadVersion},
		"a header of 16 bytes":        {false, put(0, 0x44), BadLength},
		"a length below the header's": {false, put(2, 0, 19), BadLength},
		"no room for UDP":             {false, put(2, 0, 27), Truncated},
		"UDP of 7 bytes":              {false, put(24, 0, 7), BadLength},
		"UDP longer than IP":          {false, put(24, 0, 22), BadLength},
		"an option of 1 byte":         {false, put(0, 0x46), BadLength}, // ports as options: 0x13 0xc4
		"ICMP that quotes nothing":    {false, put(9, 1, 0, 0, 10, 0, 0, 1, 192, 0, 2, 1, 3), BadQuote},
		"TCP of 10 bytes":             {false, func(b []byte) []byte { return put(9, 6)(put(2, 0, 30)(b)) }, Truncated},
		"hop-by-hop options later":    {true, put(6, 60, 64, 0x20), BadExtension},
		"hop-by-hop without an end":   {true, put(6, 0), Truncated},
		"two fragment headers":        {true, func(b []byte) []byte { return put(40, 44, 0, 0, 1, 0, 0, 0, 1, 17)(put(6, 44)(b)) }, BadExtension},
		"a first fragment without":    {true, func(b []byte) []byte { return put(40, 17, 0, 0, 1)(put(4, 0, 8, 44)(b)) }, Truncated},
	} {
		b := broken(t, c.v6, c.f)
		if name == "hop-by-hop options later" { // destination options first
			copy(b[40:], []byte{0, 0, 1, 4, 0, 0, 0, 0})
		}
		if _, err := Parse(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	b := broken(t, false, cut(41))
	b[10] ^= 1
	if _, err := Parse(b); !errors.Is(err, BadChecksum) {
		t.Errorf("header checksum: %v", err)
	}
}

// With an ICMP error that quotes nothing to understand, the rest of the view is there: a
// router passes it on.
func TestBadQuoteCanBeForwarded(t *testing.T) {
	p := natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.DestUnreachable, Src: ap("10.0.0.1:0"), Dst: ap("192.0.2.1:0")}
	b, _ := AppendICMP(nil, Header{}, p, 0, []byte("nothing"))
	v, err := Parse(b)
	if !errors.Is(err, BadQuote) || !v.Packet.Equal(p) || v.Len != len(b) || v.Verify(b) != nil {
		t.Fatalf("%v, %+v", err, v)
	}
	if err := v.DecTTL(b); err != nil || b[8] != 63 || Checksum(b[:20]) != 0 {
		t.Errorf("%v, TTL %d", err, b[8])
	}
}

func TestVerify(t *testing.T) {
	b := broken(t, false, cut(41))
	v := mustParse(t, b)
	b[40]++
	if err := v.Verify(b); !errors.Is(err, BadChecksum) {
		t.Errorf("a byte changed: %v", err)
	}
	put(26, 0, 0)(b)
	if err := v.Verify(b); err != nil {
		t.Errorf("no checksum in IPv4: %v", err)
	}
	b = broken(t, true, put(46, 0, 0))
	v = mustParse(t, b)
	if err := v.Verify(b); !errors.Is(err, BadChecksum) {
		t.Errorf("no checksum in IPv6: %v", err)
	}
	b = broken(t, false, func(b []byte) []byte { return append(b, 1, 2, 3) })
	be.PutUint16(b[2:], uint16(len(b)))
	b = mended(b)
	v = mustParse(t, b)
	if err := v.Verify(b); err != nil || string(v.Payload(b)) != "thirteen byte" {
		t.Errorf("IP longer than UDP: %v, %q", err, v.Payload(b))
	}
}

func TestSourceRouted(t *testing.T) {
	s := spec{P: mustPacket("[2001:db8::1]:1", "[2001:db8::2]:2"), TTL: 9, Payload: []byte("x")}
	b := s.bytes(t)
	route := append([]byte{17, 2, 4, 1, 0, 0, 0, 0}, make([]byte, 16)...) // RFC 8754, one segment left
	b = append(append(bytes.Clone(b[:40]), route...), b[40:]...)
	b[6] = routing
	be.PutUint16(b[4:], uint16(len(b)-40))
	v := mustParse(t, b)
	to := v.Packet
	to.Dst = ap("[2001:db8::3]:2")
	if err := v.Apply(b, to); !errors.Is(err, SourceRouted) {
		t.Errorf("IPv6: %v", err)
	}
	b = broken(t, false, func(b []byte) []byte {
		b = append(append(bytes.Clone(b[:20]), optionLSRR, 7, 4, 10, 0, 0, 9, optionEnd), b[20:]...)
		b[0] = 0x47
		be.PutUint16(b[2:], uint16(len(b)))
		return b
	})
	v = mustParse(t, b)
	to = v.Packet
	to.Dst = ap("192.0.2.3:5060")
	if err := v.Apply(b, to); !errors.Is(err, SourceRouted) {
		t.Errorf("IPv4: %v", err)
	}
	if _, err := v.ReplaceUDPPayload(b, nil); !errors.Is(err, SourceRouted) {
		t.Errorf("another payload: %v", err)
	}
	if _, err := v.Translate(nil, 0, mustPacket("[2001:db8::1]:1", "[2001:db8::2]:2"), b); !errors.Is(err, SourceRouted) {
		t.Errorf("translation: %v", err)
	}
}

// A fragment header on a whole packet does not make it a fragment (RFC 6946).
func TestAtomicFragment(t *testing.T) {
	s := spec{P: mustPacket("[2001:db8::1]:1", "[2001:db8::2]:2"), TTL: 9, Payload: []byte("x")}
	b := s.bytes(t)
	b = append(append(bytes.Clone(b[:40]), 17, 0, 0, 0, 0, 0, 0, 7), b[40:]...)
	b[6] = fragment
	be.PutUint16(b[4:], uint16(len(b)-40))
	v := mustParse(t, b)
	if v.Fragmented() || v.ID != 7 || v.Verify(b) != nil || v.Packet.Src.Port() != 1 {
		t.Errorf("%+v", v)
	}
}

// The checksums of DCCP and UDP-Lite cover the addresses, too; that of the latter is never zero.
func TestApplyToOtherProtocols(t *testing.T) {
	for _, c := range []struct {
		protocol natmodels.Protocol
		sum, now uint16
	}{{dccp, 0x1234, 0x1233}, {udpLite, 0x1234, 0x1233}, {udpLite, 1, 0xffff}, {132, 0x1234, 0x1234}} {
		body := make([]byte, 12)
		be.PutUint16(body[6:], c.sum)
		b, err := AppendIP(nil, Header{}, c.protocol, ap("10.0.0.1:0").Addr(), ap("192.0.2.1:0").Addr(), body)
		if err != nil {
			t.Fatal(err)
		}
		v := mustParse(t, b)
		to := v.Packet
		to.Src = ap("10.0.0.2:0")
		if err := v.Apply(b, to); err != nil || be.Uint16(b[26:]) != c.now || mustParse(t, b).Packet != to {
			t.Errorf("%v: %v, checksum %#x, want %#x", c.protocol, err, be.Uint16(b[26:]), c.now)
		}
	}
}

func TestDecTTL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), true)
		b := s.bytes(t)
		v := mustParse(t, b)
		err := v.DecTTL(b)
		if s.TTL <= 1 {
			if !errors.Is(err, TTLExceeded) || !bytes.Equal(b, s.bytes(t)) {
				t.Fatalf("TTL %d: %v", s.TTL, err)
			}
			return
		}
		s.TTL--
		if err != nil || !bytes.Equal(b, s.bytes(t)) || v.TTL != s.TTL {
			t.Fatalf("%v\ngot  % x\nwant % x", err, b, s.bytes(t))
		}
	})
}

func TestReplaceUDPPayload(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), false)
		b := s.bytes(t)
		v := mustParse(t, b)
		before := bytes.Clone(b)
		b = append(make([]byte, 0, len(b)+rapid.IntRange(0, 300).Draw(t, "room")), b...)
		payload := drawBytes(t, 0, 400, "new payload")
		if rapid.Bool().Draw(t, "of itself") {
			payload = b[len(b)/2:]
		}
		s.Payload = bytes.Clone(payload)
		got, err := v.ReplaceUDPPayload(b, payload)
		if s.P.Protocol != natmodels.UDP {
			if !errors.Is(err, NotUDP) || !bytes.Equal(got, before) {
				t.Fatalf("%v: %v", s.P, err)
			}
			return
		}
		if err != nil || !bytes.Equal(got, s.bytes(t)) {
			t.Fatalf("%v\ngot  % x\nwant % x", err, got, s.bytes(t))
		}
		if again := mustParse(t, got); again.Len != v.Len || again.PayloadEnd != v.PayloadEnd {
			t.Fatalf("view %+v, want %+v", v, again)
		}
	})
}

func TestProblems(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Problems() {
		if p.Name() == "" || p.Error() == "" || seen[p.Name()] || seen[p.Error()] || p.err() == nil {
			t.Errorf("%d: %q, %q", p, p.Name(), p.Error())
		}
		seen[p.Name()], seen[p.Error()] = true, true
	}
	if got := Problem(200); got.Name() != "unknown" || got.Error() != "ippacket: unknown problem" {
		t.Errorf("%q, %q", got.Name(), got.Error())
	}
	if none.err() != nil {
		t.Error("no problem is an error")
	}
}
