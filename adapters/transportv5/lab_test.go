package transportv5_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/vnet"
)

// This file is all that the tests know of natproof's own API.

// The addresses of the world: a STUN server, and a and b each behind a NAT.
var (
	stunAddr  = netip.MustParseAddrPort("203.0.113.20:3478")
	stunNet   = netip.MustParsePrefix("203.0.113.0/24")
	externalA = netip.MustParseAddr("198.51.100.1")
	externalB = netip.MustParseAddr("192.0.2.1")
	insideA   = netip.MustParsePrefix("10.0.0.0/24")
	insideB   = netip.MustParsePrefix("192.168.1.0/24")
)

// world is a at home behind nat-a, b behind nat-b, and a STUN server.
type world struct {
	lab   *vnet.Lab
	a, b  *vnet.Host
	close []func() error // called in reverse
}

// inWorld builds a world under virtual time and plays f in it.
func inWorld(natA, natB string, f func(*world) error) (err error) {
	leak := bubble.Run(func() {
		w := &world{}
		defer func() { err = errors.Join(err, w.shut()) }()
		if err = w.build(natA, natB); err == nil {
			err = f(w)
		}
	})
	return errors.Join(err, leak)
}

func (w *world) build(natA, natB string) (err error) {
	if w.lab, err = vnet.New(vnet.Config{Seed: 1}); err != nil {
		return err
	}
	w.close = append(w.close, w.lab.Close)
	if err = w.serveSTUN(); err != nil {
		return err
	}
	if w.a, err = w.home("a", natA, externalA, insideA); err != nil {
		return err
	}
	w.b, err = w.home("b", natB, externalB, insideB)
	return err
}

// home puts a host behind a NAT with 10 ms to the internet.
func (w *world) home(name, preset string, external netip.Addr, inside netip.Prefix) (*vnet.Host, error) {
	nat, err := catalogue.Lookup(preset)
	if err != nil {
		return nil, err
	}
	place := natmodels.Place{External: []netip.Addr{external}, Seed: 1}
	gw, err := w.lab.Internet().AddGateway("nat-"+name, vnet.GatewayConfig{NAT: nat, Place: place, Link: vnet.LinkConfig{Latency: 10 * time.Millisecond}})
	if err != nil {
		return nil, err
	}
	site, err := gw.Inside().AddSite("home-"+name, vnet.SiteConfig{Prefix: inside})
	if err != nil {
		return nil, err
	}
	return site.AddHost(name, inside.Addr().Next().Next())
}

func (w *world) serveSTUN() error {
	site, err := w.lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: stunNet})
	if err != nil {
		return err
	}
	host, err := site.AddHost("stun", stunAddr.Addr())
	if err != nil {
		return err
	}
	conn, err := host.Listen(stunAddr)
	if err != nil {
		return err
	}
	server, err := stun.New(stun.Config{Conns: []net.PacketConn{conn}})
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	w.close = append(w.close, func() error { return errors.Join(server.Close(), <-served) })
	return nil
}

// shut ends what build started.
func (w *world) shut() error {
	var errs []error
	for _, f := range slices.Backward(w.close) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// judged is what each NAT did with what came from the other's address: one line
// for each NAT and verdict, sorted, and the event that was the first of its kind.
func (w *world) judged() (verdicts, first []string) {
	nats := map[netip.Addr]string{externalA: "nat-a", externalB: "nat-b"}
	for _, e := range w.lab.Trace() {
		verdict, dst := "dropped "+string(e.Reason), e.Dst
		if e.Kind == vnet.Translated {
			verdict, dst = "passed", e.FromDst
		}
		if nats[e.Src.Addr()] == "" || e.Box != nats[dst.Addr()] {
			continue
		}
		verdict = e.Box + " " + verdict
		if !slices.Contains(verdicts, verdict) {
			verdicts, first = append(verdicts, verdict), append(first, e.String())
		}
	}
	slices.Sort(verdicts)
	return verdicts, first
}
