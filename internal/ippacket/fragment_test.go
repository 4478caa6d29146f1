package ippacket

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/ip4defrag"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

var (
	epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	ap    = netip.MustParseAddrPort
)

// fragments cuts a packet of either family.
func fragments(t tb, b []byte, mtu int) [][]byte {
	t.Helper()
	v := mustParse(t, b)
	all, err := v.Fragment(b, mtu)
	if v.Version == 6 {
		all, err = v.Fragment6(b, mtu, 77)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func drawLong(t *rapid.T) []byte {
	s := drawSpec(t, rapid.Bool().Draw(t, "v4"), false)
	s.DF = false
	s.Payload = drawBytes(t, 1300, 5000, "long payload")
	return s.bytes(t)
}

func TestFragmentsJoinInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawLong(t)
		low := 1280
		if b[0]>>4 == 4 {
			low = 68
		}
		all := fragments(t, b, rapid.IntRange(low, 1600).Draw(t, "mtu"))
		if b[0]>>4 == 4 && rapid.Bool().Draw(t, "twice") { // once more, further on
			var more [][]byte
			for _, f := range all {
				more = append(more, fragments(t, f, rapid.IntRange(68, 700).Draw(t, "mtu"))...)
			}
			all = more
		}
		all = rapid.Permutation(all).Draw(t, "order")
		r, _ := NewReassembler(ReassemblerConfig{})
		for i, f := range all {
			v := mustParse(t, f)
			whole, err := r.Add(f, &v, epoch)
			if err != nil || (whole != nil) != (i == len(all)-1) {
				t.Fatalf("fragment %d of %d: %v, %d bytes", i+1, len(all), err, len(whole))
			}
			if i == len(all)-1 && !bytes.Equal(whole, b) {
				t.Fatalf("\ngot  % x\nwant % x", whole, b)
			}
			if i < len(all)-1 && rapid.Bool().Draw(t, "again") {
				if whole, err := r.Add(f, &v, epoch); whole != nil || !errors.Is(err, Duplicate) {
					t.Fatalf("again: %v", err)
				}
			}
		}
		if n, bytes := r.Held(); n != 0 || bytes != 0 {
			t.Fatalf("%d datagrams, %d bytes are left", n, bytes)
		}
	})
}

// gopacket joins our fragments, too.
func TestFragmentsJoinInGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, true, false)
		s.DF, s.Payload = false, drawBytes(t, 1300, 5000, "long payload")
		b := s.bytes(t)
		d := ip4defrag.NewIPv4Defragmenter()
		var whole *layers.IPv4
		for _, f := range fragments(t, b, rapid.IntRange(576, 1500).Draw(t, "mtu")) {
			if sum := Checksum(f[:int(f[0]&15)*4]); sum != 0 {
				t.Fatal("header checksum")
			}
			packet := gopacket.NewPacket(f, layers.LayerTypeIPv4, gopacket.Default)
			var err error
			if whole, err = d.DefragIPv4(packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)); err != nil {
				t.Fatal(err)
			}
		}
		if v := mustParse(t, b); whole == nil || !bytes.Equal(whole.Payload, b[v.HeaderLen:]) {
			t.Fatal("not the same")
		}
	})
}

func TestOptionsOfFragments(t *testing.T) {
	s := spec{P: mustPacket("10.0.0.1:1", "10.0.0.2:2"), TTL: 9, Options: true, Payload: make([]byte, 200)}
	all := fragments(t, s.bytes(t), 100)
	first, other := all[0][20:32], all[1][20:32]
	if first[0] != 7 || first[8] != 148 {
		t.Errorf("the first has options % x", first)
	}
	if !bytes.Equal(other[:8], bytes.Repeat([]byte{optionNone}, 8)) || other[8] != 148 {
		t.Errorf("the second has options % x", other)
	}
}

func TestFragmentRefuses(t *testing.T) {
	long := make([]byte, 3000)
	v4, _ := AppendUDP(nil, Header{}, ap("10.0.0.1:1"), ap("10.0.0.2:2"), long)
	df, _ := AppendUDP(nil, Header{DF: true}, ap("10.0.0.1:1"), ap("10.0.0.2:2"), long)
	v6, _ := AppendUDP(nil, Header{}, ap("[2001:db8::1]:1"), ap("[2001:db8::2]:2"), long)
	again := fragments(t, v6, 2000)[0]
	asSource := func(v *View, b []byte, mtu int) ([][]byte, error) { return v.Fragment6(b, mtu, 1) }
	for name, c := range map[string]struct {
		b    []byte
		mtu  int
		cut  func(*View, []byte, int) ([][]byte, error)
		want error
	}{
		"DF":                    {df, 1500, (*View).Fragment, TooBig},
		"IPv6 on a router":      {v6, 1500, (*View).Fragment, TooBig},
		"MTU of 67":             {v4, 67, (*View).Fragment, BadMTU},
		"MTU of 1279 in IPv6":   {v6, 1279, asSource, BadMTU},
		"a fragment of IPv6":    {again, 1280, asSource, BadFragment},
		"IPv4 as if it were v6": {v4, 1280, asSource, OtherFamily},
	} {
		v := mustParse(t, c.b)
		if _, err := c.cut(&v, c.b, c.mtu); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	v := mustParse(t, df)
	if all, err := v.Fragment(df, len(df)); err != nil || len(all) != 1 || !bytes.Equal(all[0], df) {
		t.Errorf("what fits: %d fragments, %v", len(all), err)
	}
}
