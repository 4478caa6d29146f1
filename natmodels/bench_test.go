package natmodels

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

var benchStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func inside(i int) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(i/16))
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(20000+i%16))
}

// filled returns a NAT with that many mappings, each with one remote, and the
// verdicts of the packets that made them, in a scattered order.
func filled(tb testing.TB, preset string, mappings int) (*NAT, []Verdict) {
	cfg, err := Preset(preset)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range mappings/50000 + 1 {
		cfg.External = append(cfg.External, netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}))
	}
	n, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	made := make([]Verdict, mappings)
	for i := range made {
		v := n.Outbound(Packet{UDP, inside(i), remoteX}, benchStart)
		if v.Action != Forward {
			tb.Fatal(n.Explain(v))
		}
		made[i*7919%mappings] = v
	}
	return n, made
}

var remoteX = netip.MustParseAddrPort("203.0.113.20:3478")

func benchSizes(b *testing.B, f func(b *testing.B, preset string, mappings int)) {
	for _, preset := range []string{"full-cone", "port-restricted", "symmetric"} {
		for _, mappings := range []int{1, 1000, 1000000} {
			b.Run(fmt.Sprintf("%s/mappings=%d", preset, mappings), func(b *testing.B) { f(b, preset, mappings) })
		}
	}
}

func BenchmarkOutbound(b *testing.B) {
	benchSizes(b, func(b *testing.B, preset string, mappings int) {
		n, made := filled(b, preset, mappings)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			p := Packet{UDP, made[i].Mapping.Internal, remoteX}
			if v := n.Outbound(p, benchStart.Add(time.Duration(i))); v.Action != Forward {
				b.Fatal(n.Explain(v))
			}
			if i++; i == len(made) {
				i = 0
			}
		}
	})
}

func BenchmarkInbound(b *testing.B) {
	benchSizes(b, func(b *testing.B, preset string, mappings int) {
		n, made := filled(b, preset, mappings)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			p := Packet{UDP, remoteX, made[i].Mapping.External}
			if v := n.Inbound(p, benchStart.Add(time.Duration(i))); v.Action != Forward {
				b.Fatal(n.Explain(v))
			}
			if i++; i == len(made) {
				i = 0
			}
		}
	})
}

// BenchmarkExpiry makes and loses mappings at a steady rate, with that many alive at
// any time: one operation is one mapping made and one mapping expired. The worst
// packet is reported beside the mean.
func BenchmarkExpiry(b *testing.B) {
	for _, mappings := range []int{1e3, 1e5, 1e6} {
		b.Run(fmt.Sprintf("mappings=%d", mappings), func(b *testing.B) {
			n, _ := filled(b, "port-restricted", 1)
			var pools []netip.Addr
			for i := range mappings/40000 + 1 {
				pools = append(pools, netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}))
			}
			if err := n.Renumber(pools); err != nil {
				b.Fatal(err)
			}
			step := DefaultIdleTimeout / time.Duration(mappings)
			now := benchStart
			i := 0
			send := func() {
				now = now.Add(step)
				if v := n.Outbound(Packet{UDP, inside(i % (2 * mappings)), remoteX}, now); !v.Created {
					b.Fatal(n.Explain(v))
				}
				i++
			}
			for range mappings + mappings/2 {
				send()
			}
			var worst time.Duration
			b.ReportAllocs()
			for b.Loop() {
				begin := time.Now()
				send()
				worst = max(worst, time.Since(begin))
			}
			b.ReportMetric(float64(worst.Microseconds()), "worst-µs")
			b.ReportMetric(float64(n.live), "live")
		})
	}
}

// BenchmarkMemory reports what a mapping costs, port tables and all.
func BenchmarkMemory(b *testing.B) {
	const mappings = 1000000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n, made := filled(b, "port-restricted", mappings)
		made = nil
		runtime.GC()
		runtime.ReadMemStats(&after)
		_ = made
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/mappings, "B/mapping")
		runtime.KeepAlive(n)
	}
}
