package ippacket

import (
	"fmt"
	"testing"

	"github.com/natproof/natproof/natmodels"
)

// benchPackets are an RTP packet of 20 ms of G.711 in UDP of either family, a segment and
// an echo.
func benchPackets(t testing.TB) map[string][]byte {
	t.Helper()
	a4, b4, a6, b6 := ap("10.0.0.1:5060"), ap("192.0.2.1:5060"), ap("[2001:db8::1]:5060"), ap("[2001:db8::2]:5060")
	payload := make([]byte, 172)
	udp4, err1 := AppendUDP(nil, Header{}, a4, b4, payload)
	udp6, err2 := AppendUDP(nil, Header{}, a6, b6, payload)
	tcp, err3 := AppendTCP(nil, Header{}, natmodels.Packet{Protocol: natmodels.TCP, Src: a4, Dst: b4, Flags: natmodels.ACK}, 1000, payload)
	echo, err4 := AppendEcho(nil, Header{}, natmodels.Packet{Protocol: natmodels.ICMP, Type: natmodels.EchoRequest, Src: a4, Dst: b4}, 1, payload)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string][]byte{"udp4": udp4, "udp6": udp6, "tcp4": tcp, "echo4": echo}
}

// other swaps the ends of a packet.
func other(p natmodels.Packet) natmodels.Packet {
	p.Src, p.Dst = p.Dst, p.Src
	return p
}

func swapEnds(t testing.TB, b []byte) {
	v, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Apply(b, other(v.Packet)); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	out := make([]byte, 0, 2000)
	for name, b := range benchPackets(t) {
		n := testing.AllocsPerRun(100, func() {
			swapEnds(t, b)
			v, _ := Parse(b)
			if v.Verify(b) != nil || v.DecTTL(b) != nil {
				t.Fatal("not a good packet")
			}
			_, err1 := Parse(b[:30])
			_, err2 := AppendUDP(out, Header{}, ap("10.0.0.1:1"), ap("10.0.0.2:2"), b)
			if err1 == nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			b[8], b[7] = b[8]|1<<5, b[7]|1<<5
			if v.Version == 4 {
				b[10], b[11] = 0, 0
				be.PutUint16(b[10:], Checksum(b[:20]))
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParse(b *testing.B)         { each(b, func(p []byte) { _, _ = Parse(p) }) }
func BenchmarkParseAndApply(b *testing.B) { each(b, func(p []byte) { swapEnds(b, p) }) }
func BenchmarkParseAndVerify(b *testing.B) {
	each(b, func(p []byte) { v, _ := Parse(p); _ = v.Verify(p) })
}

func each(b *testing.B, f func([]byte)) {
	packets := benchPackets(b)
	for _, name := range []string{"udp4", "udp6", "tcp4", "echo4"} {
		p := packets[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f(p)
			}
		})
	}
}

func BenchmarkAppendUDP(b *testing.B) {
	out, payload := make([]byte, 0, 2000), make([]byte, 172)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = AppendUDP(out, Header{}, ap4a, ap4b, payload)
	}
}

var ap4a, ap4b = ap("10.0.0.1:5060"), ap("192.0.2.1:5060")

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 172, 1500} {
		p := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				Checksum(p)
			}
		})
	}
}
