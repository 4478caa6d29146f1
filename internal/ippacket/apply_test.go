package ippacket

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
)

// What gopacket built is read as what it was built from, and its checksums are right.
func TestParseReadsWhatGopacketBuilds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, rapid.Bool().Draw(t, "v4"), true)
		b := s.bytes(t)
		padded := append(bytes.Clone(b), 1, 2, 3)
		v := mustParse(t, padded)
		if want := s.want(); !v.Packet.Equal(want) {
			t.Fatalf("read %v, want %v", v.Packet, want)
		}
		if err := v.Verify(padded); err != nil && !(s.NoSum && s.P.Protocol == natmodels.UDP) {
			t.Fatal(err)
		}
		if v.TTL != s.TTL || v.TOS != s.TOS || v.Len != len(b) || v.HeaderLen != s.headerLen() || v.Fragmented() {
			t.Fatalf("%+v of %+v", v, s)
		}
		if v.Version == 4 && (v.ID != uint32(s.ID) || v.DF != s.DF) {
			t.Fatalf("%+v of %+v", v, s)
		}
		if s.About == nil && !bytes.Equal(v.Payload(padded), s.Payload) {
			t.Fatalf("payload % x, want % x", v.Payload(padded), s.Payload)
		}
		if s.About != nil && !bytes.HasPrefix(s.About.bytes(t), v.Quoted(padded)) {
			t.Fatalf("quotes % x", v.Quoted(padded))
		}
	})
}

// A verdict written into the bytes makes the bytes that gopacket builds, every checksum anew.
func TestApplyIsFullRecomputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := rapid.Bool().Draw(t, "v4")
		s := drawSpec(t, v4, true)
		b := s.bytes(t)
		v := mustParse(t, b)
		to := drawMoved(t, v.Packet, v4)
		if err := v.Apply(b, to); err != nil {
			t.Fatal(err)
		}
		want := s.moved(to).bytes(t)
		if !bytes.Equal(b, want) {
			t.Fatalf("%v\ngot  % x\nwant % x", to, b, want)
		}
		if again := mustParse(t, b); !again.Packet.Equal(to) || !v.Packet.Equal(to) {
			t.Fatalf("read %v, view %v, want %v", again.Packet, v.Packet, to)
		}
	})
}

// A wrong checksum stays wrong by as much: a NAT does not mend what was broken on the way.
func TestApplyKeepsWrongChecksums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := rapid.Bool().Draw(t, "v4")
		s := drawSpec(t, v4, true)
		s.NoSum, s.Rest = false, s.Rest|1
		b := s.bytes(t)
		if len(s.Payload) == 0 || s.P.Protocol == 132 || s.About != nil {
			t.Skip("nothing to break")
		}
		v := mustParse(t, b)
		b[v.PayloadAt] ^= 0x40
		if err := v.Apply(b, drawMoved(t, v.Packet, v4)); err != nil {
			t.Fatal(err)
		}
		after := mustParse(t, b)
		if err := after.Verify(b); !errors.Is(err, BadChecksum) {
			t.Fatalf("%v, want %v", err, BadChecksum)
		}
		b[v.PayloadAt] ^= 0x40
		if err := after.Verify(b); err != nil {
			t.Fatal(err)
		}
	})
}

// An echo reply may be all zero.
func TestApplyMakesAllZero(t *testing.T) {
	p := natmodels.Packet{Protocol: natmodels.ICMP, Src: ap("10.0.0.1:7"), Dst: ap("10.0.0.2:7")}
	b, _ := AppendEcho(nil, Header{}, p, 0, make([]byte, 8))
	v := mustParse(t, b)
	p.Src, p.Dst = ap("10.0.0.1:0"), ap("10.0.0.2:0")
	if err := v.Apply(b, p); err != nil {
		t.Fatal(err)
	}
	if want, _ := AppendEcho(nil, Header{}, p, 0, make([]byte, 8)); !bytes.Equal(b, want) {
		t.Errorf("\ngot  % x\nwant % x", b, want)
	}
}

func TestApplyRefuses(t *testing.T) {
	b, _ := AppendUDP(nil, Header{}, ap("10.0.0.1:5060"), ap("192.0.2.1:5060"), []byte("x"))
	v := mustParse(t, b)
	before := bytes.Clone(b)
	for name, c := range map[string]struct {
		change func(*natmodels.Packet)
		want   error
	}{
		"another family":   {func(p *natmodels.Packet) { p.Src = ap("[2001:db8::1]:5060") }, OtherFamily},
		"no address":       {func(p *natmodels.Packet) { p.Dst = ap("192.0.2.1:1"); p.Src = natmodels.Packet{}.Src }, OtherFamily},
		"another protocol": {func(p *natmodels.Packet) { p.Protocol = natmodels.TCP }, OtherPacket},
		"flags":            {func(p *natmodels.Packet) { p.Flags = natmodels.SYN }, OtherPacket},
		"a quote":          {func(p *natmodels.Packet) { q := v.Packet; p.Quoted = &q }, OtherPacket},
	} {
		to := v.Packet
		c.change(&to)
		if err := v.Apply(b, to); !errors.Is(err, c.want) || !bytes.Equal(b, before) {
			t.Errorf("%s: %v, want %v and no change", name, err, c.want)
		}
	}
	if err := v.Apply(b[:20], v.Packet); !errors.Is(err, Truncated) {
		t.Errorf("too few bytes: %v", err)
	}
	echo, _ := AppendEcho(nil, Header{}, natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest, Src: ap("10.0.0.1:7"), Dst: ap("192.0.2.1:7")}, 1, nil)
	v = mustParse(t, echo)
	to := v.Packet
	to.Src = ap("10.0.0.1:8")
	if err := v.Apply(echo, to); !errors.Is(err, OtherPacket) {
		t.Errorf("an echo of two identifiers: %v", err)
	}
}

// Ports are in the first fragment alone, and so is the checksum; the datagram is right after
// each has been translated by itself.
func TestApplyToFragments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v4 := rapid.Bool().Draw(t, "v4")
		s := drawSpec(t, v4, false)
		s.DF = false
		s.Payload = bytes.Repeat([]byte("natproof"), 300)
		b := s.bytes(t)
		v := mustParse(t, b)
		to := drawMoved(t, v.Packet, v4)
		r, _ := NewReassembler(ReassemblerConfig{})
		var whole []byte
		for _, f := range fragments(t, b, 1280) {
			fv := mustParse(t, f)
			if fv.Offset > 0 {
				fv.Packet = v.Packet // as one who knows the first fragment has it
			}
			if err := fv.Apply(f, to); err != nil {
				t.Fatal(err)
			}
			var err error
			if whole, err = r.Add(f, &fv, epoch); err != nil {
				t.Fatal(err)
			}
		}
		if want := s.moved(to).bytes(t); !bytes.Equal(whole, want) {
			t.Fatalf("\ngot  % x\nwant % x", whole[:80], want[:80])
		}
	})
}
