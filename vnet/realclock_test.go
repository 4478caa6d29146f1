package vnet_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// realLab is a phone behind a NAT and a server on the internet, on the real clock.
func realLab(tb testing.TB, link vnet.LinkConfig) (lab *vnet.Lab, phone, server *vnet.Conn) {
	tb.Helper()
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { lab.Close() })
	nat, err := catalogue.Lookup("port-restricted")
	if err != nil {
		tb.Fatal(err)
	}
	gw, err := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: natmodels.Place{External: []netip.Addr{addr("198.51.100.1")}}})
	if err != nil {
		tb.Fatal(err)
	}
	listen := func(r *vnet.Realm, name, net string, link vnet.LinkConfig) *vnet.Conn {
		site, err := r.AddSite(name, vnet.SiteConfig{Prefix: prefix(net), Link: link, Hosts: vnet.Native})
		if err != nil {
			tb.Fatal(err)
		}
		h, err := site.AddHost(name + "-host")
		if err != nil {
			tb.Fatal(err)
		}
		c, err := h.Listen(netip.AddrPort{})
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}
	return lab, listen(gw.Inside(), "home", "10.0.0.0/24", vnet.LinkConfig{}), listen(lab.Internet(), "dc", "203.0.113.0/24", link)
}

// On the real clock a lab carries, keeps the order of a sender, and holds back what links hold.
func TestTheRealClock(t *testing.T) {
	const n = 100
	lab, phone, server := realLab(t, vnet.LinkConfig{Latency: time.Millisecond})
	to := server.LocalAddr()
	start := time.Now()
	for i := range n {
		if _, err := phone.WriteTo([]byte{byte(i)}, to); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 10)
	for i := range n {
		got, from, err := server.ReadFromUDPAddrPort(buf)
		if err != nil || got != 1 || buf[0] != byte(i) || from.Addr() != addr("198.51.100.1") {
			t.Fatalf("%d: %v from %v, %v", i, buf[:got], from, err)
		}
	}
	if took := time.Since(start); took < time.Millisecond {
		t.Errorf("a millisecond took %v", took)
	}
	if s := lab.Stats(); s.Sent != n || s.Delivered != n {
		t.Errorf("%+v", s)
	}
}

// Whoever closes a lab on the real clock gets every packet counted.
func TestClosingOnTheRealClock(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Hour} {
		lab, phone, server := realLab(t, vnet.LinkConfig{Latency: latency})
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for {
					if _, err := phone.WriteTo([]byte("x"), server.LocalAddr()); err != nil {
						return
					}
				}
			})
		}
		time.Sleep(time.Millisecond)
		if err := lab.Close(); err != nil {
			t.Fatal(err)
		}
		senders.Wait()
		sum, s := uint64(0), lab.Stats()
		for _, d := range s.Dropped {
			sum += d
		}
		if s.Sent != s.Delivered+sum || lab.InFlight() != 0 {
			t.Errorf("latency %v: %+v, %d in flight", latency, s, lab.InFlight())
		}
	}
}

// BenchmarkRealClock sends one way through a NAT as fast as the reader takes it, between two
// native hosts on the real clock.
func BenchmarkRealClock(b *testing.B) {
	b.ReportAllocs()
	lab, phone, server := realLab(b, vnet.LinkConfig{})
	to, payload := server.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort(), make([]byte, 172)
	const window = 512 // below the queue of a socket
	taken := make(chan struct{}, window)
	go func() {
		buf := make([]byte, 1500)
		for {
			if _, _, err := server.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
			<-taken
		}
	}()
	for b.Loop() {
		taken <- struct{}{}
		if _, err := phone.WriteToUDPAddrPort(payload, to); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(lab.Stats().Sent-lab.Stats().Delivered), "lost")
}

// BenchmarkHeldPacket holds a packet for 100 us on an idle machine and says how late it comes.
func BenchmarkHeldPacket(b *testing.B) {
	const held = 100 * time.Microsecond
	_, phone, server := realLab(b, vnet.LinkConfig{Latency: held})
	buf := make([]byte, 10)
	var late []time.Duration
	for b.Loop() {
		start := time.Now()
		phone.WriteTo([]byte("x"), server.LocalAddr())
		if _, _, err := server.ReadFromUDPAddrPort(buf); err != nil {
			b.Fatal(err)
		}
		late = append(late, time.Since(start)-held)
		time.Sleep(time.Millisecond)
	}
	slices.Sort(late)
	b.ReportMetric(float64(late[len(late)/2].Nanoseconds())/1e3, "median-late-us")
	b.ReportMetric(float64(late[len(late)*99/100].Nanoseconds())/1e3, "p99-late-us")
}
