package kernelnat

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	someInside = netip.MustParseAddrPort("10.0.0.1:40000")
	someServer = netip.MustParseAddrPort("198.18.0.1:1000")
)

func somePackets() []Packet {
	udp := Packet{Proto: UDP, Src: someInside, Dst: someServer, Tag: 7}
	echo := Packet{
		Proto: ICMP, Type: EchoRequest, Tag: 8,
		Src: netip.AddrPortFrom(someInside.Addr(), 5), Dst: netip.AddrPortFrom(someServer.Addr(), 5),
	}
	tcp := Packet{
		Proto: TCP, Src: someInside, Dst: someServer, Tag: 9,
		Flags: SYN | ACK, Seq: 1000, Ack: 1 << 31, Window: 65535,
	}
	data := Packet{Proto: UDP, Src: someInside, Dst: someServer, Tag: 3, Data: []byte("an odd number")}
	list := []Packet{udp, echo, tcp, data}
	for _, q := range []Packet{udp, echo, tcp} {
		list = append(list, Packet{
			Proto: ICMP, Type: Unreachable, Code: 3, Quoted: &q, Tag: 10,
			Src: netip.AddrPortFrom(someServer.Addr(), 0), Dst: netip.AddrPortFrom(someInside.Addr(), 0),
		})
	}
	return list
}

var byValue = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func TestParseReadsWhatMarshalWrites(t *testing.T) {
	for _, p := range somePackets() {
		got, err := Parse(p.Marshal())
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		if diff := cmp.Diff(p, got, byValue); diff != "" {
			t.Errorf("%v (-sent +read):\n%s", p, diff)
		}
	}
}

func TestParseChecksChecksums(t *testing.T) {
	for _, p := range somePackets() {
		b := p.Marshal()
		for i := range b {
			b[i] ^= 0x10
			if _, err := Parse(b); err == nil {
				t.Errorf("%v: a change of byte %d went unnoticed", p, i)
			}
			b[i] ^= 0x10
		}
		for n := range b {
			if _, err := Parse(b[:n]); err == nil {
				t.Errorf("%v: %d of %d bytes will do", p, n, len(b))
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	v6 := make([]byte, 40)
	v6[0] = 0x60
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing": {nil, ErrTruncated},
		"IPv6":    {v6, ErrForeign},
	} {
		if _, err := Parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range somePackets() {
		f.Add(p.Marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(p.Marshal())
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		if p.String() != again.String() {
			t.Fatalf("%v became %v", p, again)
		}
	})
}
