package ua

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"testing"
)

// BenchmarkRegisteredUA says what an idle, registered user agent costs: heap and stacks,
// the network of the test included.
func BenchmarkRegisteredUA(b *testing.B) {
	for range b.N {
		registered(b, 1000)
	}
}

func registered(b *testing.B, count int) {
	n := newMemnet(b)
	p := &proxy{memConn: n.mustListen(proxyAt), contacts: map[string]string{}, password: "secret"}
	go p.run()
	before := memory()
	clients := make([]*Client, count)
	var wg sync.WaitGroup
	for i := range clients {
		at := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		c, err := New(Config{Listen: n.listen, LocalAddr: at, Seed: 1})
		check(b, err)
		check(b, c.Start(b.Context()))
		clients[i] = c
		profile, err := c.NewProfile(ProfileConfig{
			Account: Account{URI: fmt.Sprintf("sip:u%d@example.com", i), Password: "secret"}, Registrar: p.at,
			KeepAlive: KeepAlive{Kind: KeepAliveCRLF},
		})
		check(b, err)
		wg.Go(func() { check(b, profile.Enable(b.Context())) })
	}
	wg.Wait()
	p.set(func() { p.registers = nil })
	n.mu.Lock()
	n.seen = nil
	n.mu.Unlock()
	b.ReportMetric(float64(memory()-before)/float64(count), "B/UA")
	b.ReportMetric(float64(runtime.NumGoroutine())/float64(count), "goroutines/UA")
	for _, c := range clients {
		check(b, c.Close())
	}
	_ = p.Close()
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
