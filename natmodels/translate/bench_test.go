package translate

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

func inside(i int) netip.AddrPort {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(i/16))
	return netip.AddrPortFrom(netip.AddrFrom4(b), uint16(20000+i%16))
}

// filled returns a NAT with that many mappings, each with one remote, and their
// internal and external endpoints in a scattered order.
func filled(tb testing.TB, preset string, mappings int) (n *NAT, internal, external []netip.AddrPort) {
	cfg, err := presetOf(preset)
	if err != nil {
		tb.Fatal(err)
	}
	addresses := mappings/50000 + 1
	for i := range addresses {
		cfg.External = append(cfg.External, netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}))
	}
	if n, err = cfg.nat(); err != nil {
		tb.Fatal(err)
	}
	internal = make([]netip.AddrPort, mappings)
	external = make([]netip.AddrPort, mappings)
	for i := range mappings {
		v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: inside(i), Dst: boxtest.RemoteX}, boxtest.Start)
		if v.Action != natmodels.Forward {
			tb.Fatal(n.Explain(v))
		}
		at := i * 7919 % mappings
		internal[at], external[at] = v.Mapping.Internal, v.Mapping.External
	}
	return n, internal, external
}

func benchSizes(b *testing.B, f func(b *testing.B, preset string, mappings int)) {
	for _, preset := range []string{"full-cone", "port-restricted", "symmetric"} {
		for _, mappings := range []int{1, 1000, 1000000} {
			b.Run(fmt.Sprintf("%s/mappings=%d", preset, mappings), func(b *testing.B) { f(b, preset, mappings) })
		}
	}
}

func BenchmarkOutbound(b *testing.B) {
	benchSizes(b, func(b *testing.B, preset string, mappings int) {
		n, internal, _ := filled(b, preset, mappings)
		b.ReportAllocs()
		i, now := 0, boxtest.Start
		for b.Loop() {
			p := natmodels.Packet{Protocol: natmodels.UDP, Src: internal[i], Dst: boxtest.RemoteX}
			if v := n.Outbound(p, now); v.Action != natmodels.Forward {
				b.Fatal(n.Explain(v))
			}
			if i++; i == mappings {
				i, now = 0, now.Add(time.Microsecond)
			}
		}
	})
}

func BenchmarkInbound(b *testing.B) {
	benchSizes(b, func(b *testing.B, preset string, mappings int) {
		n, _, external := filled(b, preset, mappings)
		b.ReportAllocs()
		i, now := 0, boxtest.Start
		for b.Loop() {
			p := natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteX, Dst: external[i]}
			if v := n.Inbound(p, now); v.Action != natmodels.Forward {
				b.Fatal(n.Explain(v))
			}
			if i++; i == mappings {
				i, now = 0, now.Add(time.Microsecond)
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
			n, _, _ := filled(b, "port-restricted", 1)
			var pools []netip.Addr
			for i := range mappings/40000 + 1 {
				pools = append(pools, netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}))
			}
			if err := n.Renumber(pools); err != nil {
				b.Fatal(err)
			}
			step := DefaultIdleTimeout / time.Duration(mappings)
			now := boxtest.Start
			i := 1
			send := func() {
				now = now.Add(step)
				if v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: inside(i % (2 * mappings)), Dst: boxtest.RemoteX}, now); !v.Created {
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

// BenchmarkMemory reports what a mapping costs, port tables and all. It measures once,
// whatever b.N.
func BenchmarkMemory(b *testing.B) {
	const mappings = 1000000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, _, _ := filled(b, "port-restricted", mappings)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/mappings, "B/mapping")
	runtime.KeepAlive(n)
}

// BenchmarkMemoryAccess reads records of the size of a mapping one after the other, each
// named by the one before, in random order: what one access to so large a table costs on
// this machine, and no engine can do without one.
func BenchmarkMemoryAccess(b *testing.B) {
	type record struct {
		next uint32
		_    [124]byte
	}
	for _, records := range []int{1000, 1000000} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			table := make([]record, records)
			order := rand.New(rand.NewPCG(1, 1)).Perm(records)
			for i, at := range order {
				table[at].next = uint32(order[(i+1)%records])
			}
			at := uint32(0)
			for b.Loop() {
				at = table[at].next
			}
			runtime.KeepAlive(at)
		})
	}
}

// BenchmarkHashTable looks up the same internal endpoints in a Go map, as a measure
// of what random access to so many records costs on this machine.
func BenchmarkHashTable(b *testing.B) {
	for _, mappings := range []int{1, 1000, 1000000} {
		b.Run(fmt.Sprintf("mappings=%d", mappings), func(b *testing.B) {
			_, internal, _ := filled(b, "port-restricted", mappings)
			type key struct{ internal, remote netip.AddrPort }
			table := make(map[key]*mapping)
			for _, e := range internal {
				table[key{internal: e}] = &mapping{}
			}
			i := 0
			for b.Loop() {
				table[key{internal: internal[i]}].last++
				if i++; i == mappings {
					i = 0
				}
			}
		})
	}
}
