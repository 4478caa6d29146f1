package catalogue_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// BenchmarkDevices sends both ways through 1,000 flows of each device of the catalogue,
// with everything switched on that it uses, and reports the time of one packet.
func BenchmarkDevices(b *testing.B) {
	for _, name := range catalogue.DeviceNames() {
		if n := placed(b, name); !n.Model().Behavior().Translates() {
			continue
		}
		b.Run(name, func(b *testing.B) {
			n := placed(b, name)
			internal, external := fill(b, n, 1000)
			b.ReportAllocs()
			i, now := 0, boxtest.Start
			for b.Loop() {
				if v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: internal[i], Dst: boxtest.RemoteX}, now); v.Action != natmodels.Forward {
					b.Fatal(n.Explain(v))
				}
				if v := n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteX, Dst: external[i]}, now); v.Action != natmodels.Forward {
					b.Fatal(n.Explain(v))
				}
				if i++; i == 1000 {
					i, now = 0, now.Add(time.Microsecond)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/packet")
		})
	}
}

// fill makes that many flows, and returns their internal and external endpoints in a
// scattered order.
func fill(tb testing.TB, n natmodels.Box, flows int) (internal, external []netip.AddrPort) {
	internal, external = make([]netip.AddrPort, flows), make([]netip.AddrPort, flows)
	for i := range flows {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i / 16)}), uint16(20000+i%16))
		v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: src, Dst: boxtest.RemoteX}, boxtest.Start)
		if v.Action != natmodels.Forward {
			tb.Fatal(n.Explain(v))
		}
		at := i * 7919 % flows
		internal[at], external[at] = v.Mapping.Internal, v.Mapping.External
	}
	return internal, external
}

// BenchmarkTCP sends segments both ways through established connections.
func BenchmarkTCP(b *testing.B) {
	for _, name := range []string{"port-restricted", "linux-masquerade"} {
		b.Run(name, func(b *testing.B) {
			n := placed(b, name)
			e := n.Outbound(boxtest.TCP(natmodels.SYN, boxtest.InsideA, boxtest.RemoteX), boxtest.Start).Packet.Src
			n.Inbound(boxtest.TCP(natmodels.SYN|natmodels.ACK, boxtest.RemoteX, e), boxtest.Start)
			b.ReportAllocs()
			for b.Loop() {
				n.Outbound(boxtest.TCP(natmodels.ACK, boxtest.InsideA, boxtest.RemoteX), boxtest.Start)
				if v := n.Inbound(boxtest.TCP(natmodels.ACK, boxtest.RemoteX, e), boxtest.Start); v.Action != natmodels.Forward {
					b.Fatal(n.Explain(v))
				}
			}
		})
	}
}
