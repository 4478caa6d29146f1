package vnet_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/transport/v3/vnet"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// BenchmarkOneGateway sends a packet through one NAT and its answer back: ours
// on our core, and pion's own in pion vnet, in turn, so that a noisy machine
// disturbs both alike. ours/pion is the ratio of the two times.
func BenchmarkOneGateway(b *testing.B) {
	b.ReportAllocs()
	const turn = 2000
	var ours, pions time.Duration
	for left := b.N; left > 0; left -= turn {
		n := min(left, turn)
		ours += roundTrips(b, n, oursNet)
		pions += roundTrips(b, n, pionNet)
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns/roundtrip")
	b.ReportMetric(float64(pions.Nanoseconds())/float64(b.N), "pion-ns/roundtrip")
	b.ReportMetric(float64(ours)/float64(pions), "ours/pion")
}

// BenchmarkOneGatewayAllocs counts allocations of each separately.
func BenchmarkOneGatewayAllocs(b *testing.B) {
	for name, build := range map[string]builder{"nat=natproof": oursNet, "nat=pion": pionNet} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			roundTrips(b, b.N, build)
		})
	}
}

// builder makes a network with a server and a phone behind a port-restricted NAT.
type builder func() (server, phone net.PacketConn, closeAll func(), err error)

func oursNet() (server, phone net.PacketConn, closeAll func(), err error) {
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		return nil, nil, nil, err
	}
	w, err := build(lab, "port-restricted")
	if err != nil {
		return nil, nil, nil, err
	}
	if server, err = w.server.ListenPacket("udp4", "203.0.113.10:1000"); err != nil {
		return nil, nil, nil, err
	}
	phone, err = w.phone.ListenPacket("udp4", "10.0.0.2:2000")
	return server, phone, func() { _ = lab.Close() }, err
}

func pionNet() (server, phone net.PacketConn, closeAll func(), err error) {
	logs := logging.NewDefaultLoggerFactory()
	wan, err := pion.NewRouter(&pion.RouterConfig{CIDR: "1.2.0.0/16", LoggerFactory: logs})
	if err != nil {
		return nil, nil, nil, err
	}
	lan, err := pion.NewRouter(&pion.RouterConfig{CIDR: "192.168.0.0/24", StaticIPs: []string{"1.2.3.100"}, LoggerFactory: logs})
	if err != nil {
		return nil, nil, nil, err
	}
	s, _ := pion.NewNet(&pion.NetConfig{StaticIPs: []string{"1.2.4.4"}})
	p, _ := pion.NewNet(&pion.NetConfig{StaticIPs: []string{"192.168.0.2"}})
	for _, step := range []func() error{
		func() error { return wan.AddNet(s) },
		func() error { return lan.AddNet(p) },
		func() error { return wan.AddRouter(lan) },
		wan.Start,
	} {
		if err := step(); err != nil {
			return nil, nil, nil, err
		}
	}
	sc, err := s.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("1.2.4.4:1000")))
	if err != nil {
		return nil, nil, nil, err
	}
	pc, err := p.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.168.0.2:2000")))
	return sc, pc, func() { sc.Close(); pc.Close(); wan.Stop() }, err
}

// roundTrips plays n of them under virtual time and returns the real time they took.
func roundTrips(b *testing.B, n int, build builder) time.Duration {
	start := time.Now()
	err := bubble.Run(func() {
		server, phone, closeAll, err := build()
		if err != nil {
			b.Error(err)
			return
		}
		echoed := make(chan struct{})
		go func() {
			defer close(echoed)
			buf := make([]byte, 1500)
			for {
				n, from, err := server.ReadFrom(buf)
				if err != nil {
					return
				}
				server.WriteTo(buf[:n], from)
			}
		}()
		payload, buf := make([]byte, 172), make([]byte, 1500) // a 20 ms RTP packet of G.711
		for range n {
			phone.WriteTo(payload, server.LocalAddr())
			if _, _, err := phone.ReadFrom(buf); err != nil {
				b.Error(err)
				break
			}
		}
		closeAll()
		<-echoed
	})
	if err != nil {
		b.Error(err)
	}
	return time.Since(start)
}

// BenchmarkLab is what it costs to build and close a lab with a gateway, two
// sites and two hosts.
func BenchmarkLab(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		err := bubble.Run(func() {
			lab, err := vnet.New(vnet.Config{DiscardTrace: true})
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := build(lab, catalogue.PresetNames()[1]); err != nil {
				b.Error(err)
			}
			if err := lab.Close(); err != nil {
				b.Error(err)
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
