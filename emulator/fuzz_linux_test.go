package emulator

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

func seedPackets(f *testing.F) {
	a4, b4 := netip.MustParseAddrPort("10.0.0.1:5060"), netip.MustParseAddrPort("192.0.2.1:5060")
	a6, b6 := netip.MustParseAddrPort("[2001:db8::1]:5060"), netip.MustParseAddrPort("[2001:db8::2]:5060")
	for _, ends := range [][2]netip.AddrPort{{a4, b4}, {a6, b6}} {
		udp, _ := ippacket.AppendUDP(make([]byte, virtioLen), ippacket.Header{DF: true}, ends[0], ends[1], []byte("natproof"))
		f.Add(udp)
		partial := bytes.Clone(udp)
		partial[0] = needsChecksum
		ne.PutUint16(partial[6:], uint16(len(udp)-virtioLen-16))
		ne.PutUint16(partial[8:], 6)
		f.Add(partial)
		tcp, _ := ippacket.AppendTCP(make([]byte, virtioLen), ippacket.Header{}, natmodels.Packet{Protocol: natmodels.TCP, Src: ends[0], Dst: ends[1]}, 1, make([]byte, 100))
		tcp[1] = gsoTCP4
		ne.PutUint16(tcp[4:], 10)
		f.Add(tcp)
	}
}

// FuzzUnwrap takes whatever a device may give.
func FuzzUnwrap(f *testing.F) {
	seedPackets(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		frame := unwrap(bytes.Clone(b))
		if len(frame.IP) > max(0, len(b)-virtioLen) {
			t.Fatalf("%d bytes of %d", len(frame.IP), len(b))
		}
		local(frame.IP)
	})
}

// FuzzTogether writes datagrams together: what the kernel would take apart again is what was there.
func FuzzTogether(f *testing.F) {
	seedPackets(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < virtioLen {
			return
		}
		p := b[virtioLen:]
		key := datagramOf(p)
		if !key.ok {
			return
		}
		w := writer{fd: -1, together: true}
		first, second := bytes.Clone(p), bytes.Clone(p)
		w.receive(vnet.Frame{IP: first})
		w.receive(vnet.Frame{IP: second})
		if w.n != 2 {
			t.Fatalf("%d of 2 are together", w.n)
		}
		w.wrap()
		whole := append(bytes.Clone(first), second[key.header:]...)
		sum := whole[key.header-2 : key.header]
		be.PutUint16(sum, ippacket.Checksum(whole[key.header-8:]))
		if be.Uint16(sum) == 0 {
			be.PutUint16(sum, 0xffff)
		}
		v, err := ippacket.Parse(whole)
		if err != nil || v.Verify(whole) != nil {
			t.Fatalf("%v, %v", err, v.Verify(whole))
		}
		if want := append(bytes.Clone(p[key.header:]), p[key.header:]...); !bytes.Equal(v.Payload(whole), want) {
			t.Fatal("another payload")
		}
	})
}
