package simnet

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/marcopolo/simnet"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// BenchmarkOneGateway sends a packet through one port-restricted NAT on our core and its answer
// back, and over simnet, which has no NAT, in turn, so that a noisy machine disturbs both alike.
// ours/simnet is the ratio of the two times. Links have a latency of 1 ms.
func BenchmarkOneGateway(b *testing.B) {
	for _, hosts := range []vnet.HostKind{vnet.Native, vnet.Pion} {
		b.Run(fmt.Sprintf("hosts=%v", hosts), func(b *testing.B) {
			const turn = 2000
			var ours, theirs time.Duration
			for left := b.N; left > 0; left -= turn {
				n := min(left, turn)
				ours += roundTrips(b, n, func() (network, error) { return lab(hosts) })
				theirs += roundTrips(b, n, other)
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ours-ns/roundtrip")
			b.ReportMetric(float64(theirs.Nanoseconds())/float64(b.N), "simnet-ns/roundtrip")
			b.ReportMetric(float64(ours)/float64(theirs), "ours/simnet")
		})
	}
}

// network is a server and a phone.
type network struct {
	server, phone net.PacketConn
	close         func() error
}

// latency is one way.
const latency = time.Millisecond

// lab is ours: the phone is behind a NAT.
func lab(hosts vnet.HostKind) (network, error) {
	l, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		return network{}, err
	}
	dc, err := l.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Hosts: hosts})
	if err != nil {
		return network{}, err
	}
	server, err := dc.AddHost("server", netip.MustParseAddr("203.0.113.10"))
	if err != nil {
		return network{}, err
	}
	nat, err := catalogue.Lookup("port-restricted")
	if err != nil {
		return network{}, err
	}
	gw, err := l.Internet().AddGateway("nat", vnet.GatewayConfig{
		NAT: nat, Place: natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}},
		Link: vnet.LinkConfig{Latency: latency},
	})
	if err != nil {
		return network{}, err
	}
	home, err := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Hosts: hosts})
	if err != nil {
		return network{}, err
	}
	phone, err := home.AddHost("phone")
	if err != nil {
		return network{}, err
	}
	n := network{close: l.Close}
	if n.server, err = server.ListenPacket("udp4", "203.0.113.10:1000"); err != nil {
		return network{}, err
	}
	n.phone, err = phone.ListenPacket("udp4", phone.Addr().String()+":2000")
	return n, err
}

// other is simnet: two endpoints, and a rate that is out of the way.
func other() (network, error) {
	n := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(latency)}
	fast := simnet.NodeBiDiLinkSettings{
		Downlink: simnet.LinkSettings{BitsPerSecond: 1e12}, Uplink: simnet.LinkSettings{BitsPerSecond: 1e12}}
	server := n.NewEndpoint(&net.UDPAddr{IP: net.IPv4(1, 0, 0, 1), Port: 1000}, fast)
	phone := n.NewEndpoint(&net.UDPAddr{IP: net.IPv4(1, 0, 0, 2), Port: 2000}, fast)
	n.Start()
	return network{server, phone, func() error { server.Close(); phone.Close(); n.Close(); return nil }}, nil
}

// roundTrips plays n of them under virtual time and returns the real time they took.
func roundTrips(b *testing.B, n int, build func() (network, error)) time.Duration {
	start := time.Now()
	err := bubble.Run(func() {
		w, err := build()
		if err != nil {
			b.Error(err)
			return
		}
		echoed := make(chan struct{})
		go func() {
			defer close(echoed)
			buf := make([]byte, 1500)
			for {
				n, from, err := w.server.ReadFrom(buf)
				if err != nil {
					return
				}
				w.server.WriteTo(buf[:n], from)
			}
		}()
		payload, buf := make([]byte, 172), make([]byte, 1500) // a 20 ms RTP packet of G.711
		for range n {
			w.phone.WriteTo(payload, w.server.LocalAddr())
			if _, _, err := w.phone.ReadFrom(buf); err != nil {
				b.Error(err)
				break
			}
		}
		if err := w.close(); err != nil {
			b.Error(err)
		}
		<-echoed
	})
	if err != nil {
		b.Error(err)
	}
	return time.Since(start)
}
