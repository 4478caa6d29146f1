package vnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
	ap     = netip.MustParseAddrPort
)

// inLab runs f with a fresh lab under virtual time and fails the test on an
// error or a goroutine left behind.
func inLab(t *testing.T, cfg vnet.Config, f func(*vnet.Lab) error) {
	t.Helper()
	var failed error
	err := bubble.Run(func() {
		lab, err := vnet.New(cfg)
		if err != nil {
			failed = err
			return
		}
		failed = f(lab)
		if err := lab.Close(); err != nil && failed == nil {
			failed = err
		}
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
}

// world is a server on the internet and a phone behind a NAT.
type world struct {
	lab           *vnet.Lab
	gw            *vnet.Gateway
	home          *vnet.Site
	server, phone *vnet.Host
}

func build(lab *vnet.Lab, preset string) (*world, error) {
	nat, err := catalogue.Lookup(preset)
	if err != nil {
		return nil, err
	}
	w := &world{lab: lab}
	dc, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")})
	if err != nil {
		return nil, err
	}
	if w.server, err = dc.AddHost("server", addr("203.0.113.10"), addr("203.0.113.11")); err != nil {
		return nil, err
	}
	if w.gw, err = lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: at("198.51.100.1")}); err != nil {
		return nil, err
	}
	if w.home, err = w.gw.Inside().AddSite("home", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("10.0.0.0/24")}); err != nil {
		return nil, err
	}
	w.phone, err = w.home.AddHost("phone", addr("10.0.0.2"))
	return w, err
}

// at is a place with one external address.
func at(external string) natmodels.Place {
	return natmodels.Place{External: []netip.Addr{addr(external)}, Seed: 7}
}

func udp(s string) *net.UDPAddr { return net.UDPAddrFromAddrPort(ap(s)) }

// ask sends a datagram and waits for the answer to it, for at most a second.
func recv(c net.PacketConn) (string, string, error) {
	buf := make([]byte, 2048)
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return "", "", err
	}
	n, from, err := c.ReadFrom(buf)
	if err != nil {
		return "", "", err
	}
	return string(buf[:n]), from.String(), nil
}

func TestThereAndBackThroughANAT(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "port-restricted")
		if err != nil {
			return err
		}
		s, err := w.server.ListenPacket("udp4", "203.0.113.10:5060")
		if err != nil {
			return err
		}
		p, err := w.phone.ListenPacket("udp4", "10.0.0.2:5060")
		if err != nil {
			return err
		}
		if _, err := p.WriteTo([]byte("ping"), s.LocalAddr()); err != nil {
			return err
		}
		got, from, err := recv(s)
		if err != nil || got != "ping" || !strings.HasPrefix(from, "198.51.100.1:") {
			return fmt.Errorf("server got %q from %s, %v", got, from, err)
		}
		if _, err := s.WriteTo([]byte("pong"), udp(from)); err != nil {
			return err
		}
		if got, from, err = recv(p); err != nil || got != "pong" || from != "203.0.113.10:5060" {
			return fmt.Errorf("phone got %q from %s, %v", got, from, err)
		}
		var kinds []string
		for _, e := range lab.Trace() {
			kinds = append(kinds, e.Kind.String()+"@"+e.Box)
		}
		want := []string{"sent@phone", "translated@nat", "delivered@server", "sent@server", "translated@nat", "delivered@phone"}
		if !slices.Equal(kinds, want) {
			return fmt.Errorf("trace %v, want %v", kinds, want)
		}
		return nil
	})
}

func TestADropNamesItsCause(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "port-restricted")
		if err != nil {
			return err
		}
		s, _ := w.server.ListenPacket("udp4", "203.0.113.10:5060")
		other, _ := w.server.ListenPacket("udp4", "203.0.113.11:9")
		p, _ := w.phone.ListenPacket("udp4", "10.0.0.2:5060")
		p.WriteTo([]byte("open"), s.LocalAddr())
		_, from, err := recv(s)
		if err != nil {
			return err
		}
		other.WriteTo([]byte("stranger"), udp(from))
		p.WriteTo([]byte("nobody"), udp("10.9.9.9:1"))
		p.WriteTo([]byte("closed port"), udp("203.0.113.10:1"))
		s.WriteTo([]byte("no mapping"), udp("198.51.100.1:9"))
		bubble.Wait()
		time.Sleep(time.Second)
		var got []string
		for _, e := range lab.Trace() {
			if e.Kind == vnet.Dropped {
				got = append(got, e.Box+"/"+string(e.Reason))
				if e.Detail == "" {
					return fmt.Errorf("no detail: %v", e)
				}
			}
		}
		slices.Sort(got)
		want := []string{"internet/no-route", "nat/filtered", "nat/no-mapping", "server/no-socket"}
		if !slices.Equal(got, want) {
			return fmt.Errorf("drops %v, want %v", got, want)
		}
		return nil
	})
}

func TestNeighboursOnASiteGoThroughTheTrace(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "symmetric")
		if err != nil {
			return err
		}
		second, err := w.home.AddHost("second")
		if err != nil {
			return err
		}
		a, _ := w.phone.ListenPacket("udp4", ":4000")
		b, err := second.ListenPacket("udp4", ":4000")
		if err != nil {
			return err
		}
		for i := range 20 { // the same bytes over and over, both ways at once
			a.WriteTo([]byte("same"), b.LocalAddr())
			b.WriteTo([]byte("same"), a.LocalAddr())
			if i%3 == 0 {
				a.WriteTo([]byte("same"), b.LocalAddr())
			}
		}
		for range 20 {
			if got, from, err := recv(a); err != nil || got != "same" || from != b.LocalAddr().String() {
				return fmt.Errorf("%q %s %v", got, from, err)
			}
		}
		for range 27 {
			if _, _, err := recv(b); err != nil {
				return err
			}
		}
		st := lab.Stats()
		if st.Sent != 47 || st.Delivered != 47 {
			return fmt.Errorf("stats %+v", st)
		}
		return nil
	})
}

func TestACarrierNATInFrontOfAHomeNAT(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		dc, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")})
		if err != nil {
			return err
		}
		server, _ := dc.AddHost("server", addr("203.0.113.10"))
		open, _ := catalogue.Lookup("full-cone")
		cgn, err := lab.Internet().AddGateway("cgn", vnet.GatewayConfig{NAT: open, Place: at("198.51.100.1")})
		if err != nil {
			return err
		}
		var phones []*vnet.Host
		for i, name := range []string{"one", "two"} {
			nat, _ := catalogue.Lookup("port-restricted")
			gw, err := cgn.Inside().AddGateway("home-"+name, vnet.GatewayConfig{NAT: nat, Place: at(fmt.Sprintf("100.64.0.%d", i+2))})
			if err != nil {
				return err
			}
			site, err := gw.Inside().AddSite("lan-"+name, vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.168.1.0/24")})
			if err != nil {
				return err
			}
			h, err := site.AddHost("phone-"+name, addr("192.168.1.2"))
			if err != nil {
				return err
			}
			phones = append(phones, h)
		}
		s, _ := server.ListenPacket("udp4", "203.0.113.10:1000")
		seen := map[string]bool{}
		for _, h := range phones {
			c, err := h.ListenPacket("udp4", ":5060")
			if err != nil {
				return err
			}
			c.WriteTo([]byte(h.Name()), s.LocalAddr())
			_, from, err := recv(s)
			if err != nil {
				return err
			}
			seen[from] = true
			s.WriteTo([]byte("back"), udp(from))
			if got, _, err := recv(c); err != nil || got != "back" {
				return fmt.Errorf("%s: %q %v", h.Name(), got, err)
			}
		}
		if len(seen) != 2 {
			return fmt.Errorf("two subscribers share one external endpoint: %v", seen)
		}
		var boxes []string
		for _, e := range lab.Trace() {
			if e.Kind == vnet.Translated && e.Packet == 1 {
				boxes = append(boxes, e.Box)
			}
		}
		if !slices.Equal(boxes, []string{"home-one", "cgn"}) {
			return fmt.Errorf("translated at %v", boxes)
		}
		return nil
	})
}

func TestARouterWithoutTranslation(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")})
		server, _ := dc.AddHost("server", addr("203.0.113.10"))
		none, err := catalogue.Lookup("none")
		if err != nil {
			return err
		}
		r, err := lab.Internet().AddGateway("router", vnet.GatewayConfig{NAT: none})
		if err != nil {
			return err
		}
		site, err := r.Inside().AddSite("office", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("192.0.2.0/24")})
		if err != nil {
			return err
		}
		pc, _ := site.AddHost("pc", addr("192.0.2.7"))
		c, _ := pc.ListenPacket("udp4", ":7")
		s, _ := server.ListenPacket("udp4", ":7")
		s.WriteTo([]byte("in"), c.LocalAddr())
		if got, from, err := recv(c); err != nil || got != "in" || from != "203.0.113.10:7" {
			return fmt.Errorf("%q %s %v", got, from, err)
		}
		return nil
	})
}

func TestLinks(t *testing.T) {
	type outcome struct {
		got     []string
		drops   map[vnet.Reason]uint64
		elapsed []time.Duration
	}
	play := func(t *testing.T, cfg vnet.LinkConfig, n, size int) outcome {
		var out outcome
		inLab(t, vnet.Config{Seed: 3}, func(lab *vnet.Lab) error {
			w, err := build(lab, "full-cone")
			if err != nil {
				return err
			}
			s, _ := w.server.ListenPacket("udp4", "203.0.113.10:5060")
			p, _ := w.phone.ListenPacket("udp4", "10.0.0.2:5060")
			if err := w.home.Link().SetOutbound(cfg); err != nil {
				return err
			}
			start := time.Now()
			for i := range n {
				b := make([]byte, size)
				b[0] = byte(i)
				p.WriteTo(b, s.LocalAddr())
			}
			for {
				got, _, err := recv(s)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				if err != nil {
					return err
				}
				out.got = append(out.got, fmt.Sprint(got[0]))
				out.elapsed = append(out.elapsed, time.Since(start))
			}
			out.drops = lab.Stats().Dropped
			return nil
		})
		return out
	}
	t.Run("latency", func(t *testing.T) {
		o := play(t, vnet.LinkConfig{Latency: 20 * time.Millisecond}, 1, 10)
		if len(o.elapsed) != 1 || o.elapsed[0].Truncate(time.Millisecond) != 20*time.Millisecond {
			t.Errorf("%+v", o)
		}
	})
	t.Run("jitter keeps order", func(t *testing.T) {
		o := play(t, vnet.LinkConfig{Latency: time.Millisecond, Jitter: 50 * time.Millisecond}, 20, 10)
		if len(o.got) != 20 || o.got[0] != "0" || o.got[19] != "19" {
			t.Errorf("%+v", o)
		}
	})
	t.Run("loss", func(t *testing.T) {
		o := play(t, vnet.LinkConfig{Loss: 0.5}, 200, 10)
		if lost := o.drops[vnet.LinkLoss]; lost < 60 || lost > 140 || int(lost)+len(o.got) != 200 {
			t.Errorf("%d arrived, %v", len(o.got), o.drops)
		}
	})
	t.Run("duplication", func(t *testing.T) {
		if o := play(t, vnet.LinkConfig{Duplicate: 1}, 5, 10); len(o.got) != 10 {
			t.Errorf("%+v", o)
		}
	})
	t.Run("reordering", func(t *testing.T) {
		o := play(t, vnet.LinkConfig{Reorder: 0.3, ReorderBy: 10 * time.Millisecond}, 20, 10)
		if len(o.got) != 20 || slices.IsSorted(o.elapsed) == false || o.got[0] == "0" && slices.IsSortedFunc(o.got, func(a, b string) int { return len(a) - len(b) }) && o.got[19] == "19" {
			t.Errorf("%+v", o)
		}
	})
	t.Run("rate and queue", func(t *testing.T) {
		o := play(t, vnet.LinkConfig{Rate: 1000, Queue: 300}, 10, 72) // 100 bytes each on the wire
		if len(o.got) != 3 || o.drops[vnet.QueueFull] != 7 || o.elapsed[2].Round(time.Millisecond) != 300*time.Millisecond {
			t.Errorf("%+v", o)
		}
	})
	t.Run("mtu", func(t *testing.T) {
		if o := play(t, vnet.LinkConfig{MTU: 100}, 1, 73); o.drops[vnet.MTUExceeded] != 1 {
			t.Errorf("%+v", o)
		}
		if o := play(t, vnet.LinkConfig{MTU: 100}, 1, 72); len(o.got) != 1 {
			t.Errorf("%+v", o)
		}
	})
}

func TestLinkConfigsThatCannotBeHonoured(t *testing.T) {
	for name, cfg := range map[string]vnet.LinkConfig{
		"loss over 1":        {Loss: 1.5},
		"negative latency":   {Latency: -1},
		"reorder without by": {Reorder: 0.5},
		"queue without rate": {Queue: 10},
		"tiny mtu":           {MTU: 20},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
				if _, err := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24"), Link: cfg}); err == nil {
					return errors.New("accepted")
				}
				return nil
			})
		})
	}
}

func TestChangesWhileItRuns(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "port-restricted")
		if err != nil {
			return err
		}
		s, _ := w.server.ListenPacket("udp4", "203.0.113.10:5060")
		p, _ := w.phone.ListenPacket("udp4", "10.0.0.2:5060")
		ask := func() (string, error) {
			p.WriteTo([]byte("?"), s.LocalAddr())
			_, from, err := recv(s)
			return from, err
		}
		before, err := ask()
		if err != nil {
			return err
		}
		w.gw.Flush()
		s.WriteTo([]byte("late"), udp(before))
		if _, _, err := recv(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("after a flush the old mapping still works: %v", err)
		}
		if err := w.gw.Renumber(addr("198.51.100.77")); err != nil {
			return err
		}
		if from, err := ask(); err != nil || !strings.HasPrefix(from, "198.51.100.77:") {
			return fmt.Errorf("after renumbering from %s, %v", from, err)
		}
		open, _ := catalogue.Lookup("full-cone")
		if err := w.gw.SetBehavior(open); err != nil {
			return err
		}
		w.gw.Flush()
		from, err := ask()
		if err != nil {
			return err
		}
		other, _ := w.server.ListenPacket("udp4", "203.0.113.11:9")
		other.WriteTo([]byte("anyone"), udp(from))
		if got, _, err := recv(p); err != nil || got != "anyone" {
			return fmt.Errorf("full cone: %q %v", got, err)
		}
		w.gw.Link().SetUp(false)
		if _, err := ask(); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("link down: %v", err)
		}
		w.gw.Link().SetUp(true)
		if _, err := ask(); err != nil {
			return fmt.Errorf("link up again: %w", err)
		}
		changes := 0
		for _, e := range lab.Trace() {
			if e.Kind == vnet.Changed {
				changes++
			}
		}
		if changes != 6 {
			return fmt.Errorf("%d changes in the trace, want 6", changes)
		}
		return nil
	})
}

func TestTopologiesThatMakeNoSense(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "full-cone")
		if err != nil {
			return err
		}
		full, _ := catalogue.Lookup("full-cone")
		site := func(p string) error {
			_, err := lab.Internet().AddSite("x", vnet.SiteConfig{Hosts: hosts, Prefix: prefix(p)})
			return err
		}
		host := func(name string, a ...netip.Addr) error { _, err := w.home.AddHost(name, a...); return err }
		gw := func(name, ext string) error {
			_, err := lab.Internet().AddGateway(name, vnet.GatewayConfig{NAT: full, Place: at(ext)})
			return err
		}
		_, badFragments := lab.Internet().AddGateway("x", vnet.GatewayConfig{NAT: full, Place: at("198.51.100.9"), Fragments: 7})
		for what, err := range map[string]error{
			"overlapping prefix":        site("203.0.113.128/25"),
			"host bits":                 site("192.0.2.1/24"),
			"IPv6":                      map[bool]error{true: site("2001:db8::/64"), false: site("2001:db8::/127")}[hosts == vnet.Pion],
			"too small":                 site("192.0.2.0/31"),
			"address taken":             host("x", addr("10.0.0.2")),
			"address elsewhere":         host("x", addr("10.0.1.2")),
			"the router's address":      host("x", addr("10.0.0.1")),
			"name taken":                host("phone"),
			"no name":                   host(""),
			"external address taken":    gw("x", "198.51.100.1"),
			"external address in a LAN": gw("x", "203.0.113.9"),
			"gateway name taken":        gw("nat", "198.51.100.9"),
			"no such fragment policy":   badFragments,
			"gateway without a NAT":     func() error { _, err := lab.Internet().AddGateway("y", vnet.GatewayConfig{}); return err }(),
		} {
			if err == nil {
				return fmt.Errorf("%s: accepted", what)
			}
		}
		return nil
	})
}

// Two homes behind one carrier NAT call each other by their external addresses:
// that needs hairpinning (RFC 4787 section 6), and who hairpins decides what the
// other one sees.
func TestTwoSitesBehindOneGateway(t *testing.T) {
	for mode, want := range map[natmodels.HairpinMode]string{
		natmodels.ExternalSource: "198.51.100.1:",
		natmodels.InternalSource: "10.0.0.2:5060",
		natmodels.NoHairpinning:  "",
	} {
		t.Run(mode.String(), func(t *testing.T) {
			inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
				full, _ := catalogue.Lookup("full-cone")
				nat, err := catalogue.Vary(full, "hairpin "+mode.String())
				if err != nil {
					return err
				}
				gw, err := lab.Internet().AddGateway("cgn", vnet.GatewayConfig{NAT: nat, Place: at("198.51.100.1")})
				if err != nil {
					return err
				}
				var conns []*vnet.Conn
				for _, net := range []string{"10.0.0.0/24", "10.0.1.0/24"} {
					site, err := gw.Inside().AddSite("site-"+net, vnet.SiteConfig{Hosts: hosts, Prefix: prefix(net)})
					if err != nil {
						return err
					}
					h, _ := site.AddHost("host-" + net)
					c, err := h.Listen(netip.AddrPortFrom(h.Addr(), 5060))
					if err != nil {
						return err
					}
					conns = append(conns, c)
				}
				conns[1].WriteTo([]byte("open"), udp("192.0.2.99:9")) // its external endpoint exists now
				time.Sleep(time.Second)
				external := gw.Mappings()[0].External
				conns[0].WriteTo([]byte("neighbour"), net.UDPAddrFromAddrPort(external))
				_, from, err := recv(conns[1])
				if want == "" {
					if !errors.Is(err, os.ErrDeadlineExceeded) || lab.Stats().Dropped["hairpin-off"] != 1 {
						return fmt.Errorf("%v %v", err, lab.Stats())
					}
					return nil
				}
				if err != nil || !strings.HasPrefix(from, want) {
					return fmt.Errorf("from %q, want %q: %v", from, want, err)
				}
				conns[0].WriteTo([]byte("directly"), conns[1].LocalAddr()) // one realm: no NAT between them
				if _, from, err := recv(conns[1]); err != nil || from != "10.0.0.2:5060" {
					return fmt.Errorf("directly from %q: %v", from, err)
				}
				return nil
			})
		})
	}
}
