package scenarios_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// subscribers is how many user agents live behind the carrier NAT.
const subscribers = 10_000

// BenchmarkCarrierNAT registers 10,000 user agents behind one carrier NAT, a
// millisecond of virtual time apart, and reports the real seconds that takes and
// the memory that a registered user agent holds: its host, its socket, its NAT
// mapping and its binding at the registrar included.
func BenchmarkCarrierNAT(b *testing.B) {
	for b.Loop() {
		start := time.Now()
		var bytes float64
		var failed error
		leak := bubble.Run(func() { bytes, failed = registerAll() })
		if err := errors.Join(failed, leak); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/10000-UAs")
		b.ReportMetric(bytes/subscribers/1024, "KiB/UA")
	}
}

// registerAll returns the bytes held once everybody is registered.
func registerAll() (bytes float64, err error) {
	before := inUse()
	lab, err := vnet.New(vnet.Config{Seed: 1, DiscardTrace: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	dc, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
	if err != nil {
		return 0, err
	}
	proxyHost, err := dc.AddHost("proxy", netip.MustParseAddr("203.0.113.10"))
	if err != nil {
		return 0, err
	}
	conn, err := proxyHost.Listen(netip.AddrPortFrom(proxyHost.Addr(), 5060))
	if err != nil {
		return 0, err
	}
	proxy, err := registrar.New(conn, registrar.Config{Domain: "example.com", Policy: registrar.PolicyReceived, Seed: 1})
	if err != nil {
		return 0, err
	}
	go proxy.Serve()
	defer func() { err = errors.Join(err, proxy.Close()) }()

	cgn, err := catalogue.Lookup("port-restricted")
	if err != nil {
		return 0, err
	}
	place := natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
	gw, err := lab.Internet().AddGateway("cgn", vnet.GatewayConfig{NAT: cgn, Place: place})
	if err != nil {
		return 0, err
	}
	site, err := gw.Inside().AddSite("subscribers", vnet.SiteConfig{Prefix: netip.MustParsePrefix("100.64.0.0/16")})
	if err != nil {
		return 0, err
	}
	var all sync.WaitGroup
	errs := make([]error, subscribers)
	clients := make([]*ua.Client, subscribers)
	defer func() {
		for _, c := range clients {
			if c != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	for i := range subscribers {
		host, err := site.AddHost(fmt.Sprintf("ua-%d", i))
		if err != nil {
			return 0, err
		}
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			clients[i], errs[i] = registerOne(host, i)
		})
	}
	all.Wait()
	time.Sleep(time.Minute) // transactions end (Timer J and K)
	for i := range subscribers {
		if errs[i] != nil || len(proxy.Bindings(fmt.Sprintf("sip:u%d@example.com", i))) != 1 {
			return 0, fmt.Errorf("ua-%d is not registered: %w", i, errs[i])
		}
	}
	return inUse() - before, nil
}

func registerOne(host *vnet.Host, i int) (*ua.Client, error) {
	c, err := ua.New(ua.Config{
		Listen:    func(_ context.Context, a netip.AddrPort) (net.PacketConn, error) { return host.Listen(a) },
		LocalAddr: host.Addr(), Options: ua.Options{Rport: true}, Seed: uint64(i),
	})
	if err != nil {
		return nil, err
	}
	if err := c.Start(context.Background()); err != nil {
		return c, err
	}
	p, err := c.NewProfile(ua.ProfileConfig{
		Account:   ua.Account{URI: fmt.Sprintf("sip:u%d@example.com", i)},
		Registrar: netip.MustParseAddrPort("203.0.113.10:5060"),
	})
	if err != nil {
		return c, err
	}
	return c, p.Enable(context.Background())
}

// inUse is heap and stacks after a collection.
func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
