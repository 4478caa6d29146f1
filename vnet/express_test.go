package vnet_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// crossing plays packets from behind a NAT to a host behind a link, both ways, and changes the
// lab at a time. A rule that lets everything pass keeps packets from going by express and, on
// the way out of a site or gateway, from being handled later than they are sent.
func crossing(t *testing.T, express, later bool, at time.Duration, change func(*vnet.Lab, *vnet.Gateway, *vnet.Site)) string {
	t.Helper()
	var text strings.Builder
	inLab(t, vnet.Config{Seed: 1}, func(lab *vnet.Lab) error {
		nat, err := catalogue.Lookup("full-cone")
		if err != nil {
			return err
		}
		link := vnet.LinkConfig{Latency: 10 * time.Millisecond}
		g, err := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Link: link, Place: natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}, Seed: 1}})
		if err != nil {
			return err
		}
		inside, err := g.Inside().AddSite("inside", vnet.SiteConfig{Prefix: prefix("10.0.0.0/24"), Hosts: hosts})
		if err != nil {
			return err
		}
		outside, err := lab.Internet().AddSite("outside", vnet.SiteConfig{Prefix: prefix("192.0.2.0/24"), Link: link, Hosts: hosts})
		if err != nil {
			return err
		}
		ha, _ := inside.AddHost("a")
		hb, err := outside.AddHost("b")
		if err != nil {
			return err
		}
		var in, out []vnet.Rule
		pass := func(vnet.Packet) vnet.Verdict { return vnet.Verdict{} }
		if !express {
			in = append(in, pass)
		}
		if !later {
			out = append(out, pass)
		}
		for _, link := range []*vnet.Link{g.Link(), outside.Link()} {
			if err := link.SetInboundRules(in...); err != nil {
				return err
			}
			if err := link.SetOutboundRules(out...); err != nil {
				return err
			}
		}
		a, _ := ha.Listen(netip.AddrPort{})
		b, err := hb.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		go func() {
			time.Sleep(at)
			change(lab, g, outside)
		}()
		go func() { // b answers
			buf := make([]byte, 100)
			for {
				n, from, err := b.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				b.WriteToUDPAddrPort(append([]byte("re "), buf[:n]...), from)
			}
		}()
		for i := range 6 {
			a.WriteToUDPAddrPort(fmt.Append(nil, i), b.LocalAddrPort())
			time.Sleep(7 * time.Millisecond)
		}
		time.Sleep(time.Second)
		for _, e := range lab.Trace() {
			if e.Kind == vnet.Changed && strings.Contains(e.Detail, "rules") {
				continue
			}
			fmt.Fprintf(&text, "%d %v %q\n", e.At.Nanoseconds(), e, e.Payload)
		}
		return nil
	})
	return text.String()
}

// What goes by express, or is handled later than it is sent, leaves the trace that it would have left, whatever changes on its way.
func TestExpressLeavesTheSameTrace(t *testing.T) {
	changes := map[string]func(*vnet.Lab, *vnet.Gateway, *vnet.Site){
		"nothing":   func(*vnet.Lab, *vnet.Gateway, *vnet.Site) {},
		"link down": func(_ *vnet.Lab, _ *vnet.Gateway, s *vnet.Site) { s.Link().SetUp(false) },
		"faster": func(_ *vnet.Lab, _ *vnet.Gateway, s *vnet.Site) {
			s.Link().Set(vnet.LinkConfig{Latency: time.Millisecond})
		},
		"no delay": func(_ *vnet.Lab, _ *vnet.Gateway, s *vnet.Site) { s.Link().Set(vnet.LinkConfig{}) },
		"rate": func(_ *vnet.Lab, _ *vnet.Gateway, s *vnet.Site) {
			s.Link().Set(vnet.LinkConfig{Latency: time.Millisecond, Rate: 4000})
		},
		"renumbered": func(_ *vnet.Lab, g *vnet.Gateway, _ *vnet.Site) { g.Renumber(netip.MustParseAddr("198.51.100.2")) },
		"flushed":    func(_ *vnet.Lab, g *vnet.Gateway, _ *vnet.Site) { g.Flush() },
	}
	var at []time.Duration
	for d := time.Duration(0); d < 45*time.Millisecond; d += 1700 * time.Microsecond {
		at = append(at, d)
	}
	for _, meet := range []time.Duration{7, 10, 14, 17, 30, 37} { // where one is sent, or a packet or an answer comes to the second link
		for ns := range time.Duration(9) {
			at = append(at, meet*time.Millisecond+ns-2)
		}
	}
	for name, change := range changes {
		for _, at := range at {
			was := crossing(t, false, false, at, change)
			if is := crossing(t, true, true, at, change); is != was {
				t.Fatalf("%s at %v: by express\n%s\nlink by link\n%s", name, at, is, was)
			}
			if is := crossing(t, false, true, at, change); is != was {
				t.Fatalf("%s at %v: later\n%s\nat once\n%s", name, at, is, was)
			}
			if name == "nothing" {
				break
			}
		}
	}
}
