package world

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/vnet"
)

// Boxes of the world, as they are called in traces.
const (
	Program = "program"
	NAT     = "nat"
	Outer   = "outer-nat"
	DNS     = "dns"
	Echo    = "echo"
)

// Config says what is around the program.
type Config struct {
	// NAT is what the program is behind; nil is nothing.
	NAT natmodels.Model
	// Behind is what the NAT is behind in its turn, as that of a carrier; nil is nothing.
	Behind natmodels.Model
	// ALG is the SIP ALG in both; nil is none.
	ALG *sipalg.ALG
	// Out and In are the directions of the access link, between the program's side and the internet.
	Out, In vnet.LinkConfig

	// Policy is where the registrar sends requests for the program.
	Policy registrar.Policy
	// User may register; without Password so may anybody, as whoever he says.
	User, Password string

	// Seed decides what NATs and links choose at random.
	Seed uint64
	// OnEvent sees every event of the lab, from the core: it must not call back.
	OnEvent func(vnet.Event)

	MTU    int // of the program's interface; 0 is 1500
	Driver emulator.Driver
}

// DefaultUser is the user of a Config without one.
const DefaultUser = "alice"

// World is a lab with a program's namespace and servers in it.
type World struct {
	Lab     *vnet.Lab
	Program *emulator.Namespace
	NAT     *vnet.Gateway // nil without
	Outer   *vnet.Gateway // nil without

	Gateway   *gateway.Server
	Registrar *registrar.Server

	cfg   Config
	boxes []stage.Box
	stops []func() error // in the order in which they were started
}

// ErrFamily says that a NAT is of IPv6, which this world has none of.
var ErrFamily = errors.New("world: the NAT is one of IPv6, and this world has IPv4 only")

// New makes the world, on the real clock, and starts its servers.
func New(cfg Config) (*World, error) {
	if cfg.User == "" {
		cfg.User = DefaultUser
	}
	for _, m := range []natmodels.Model{cfg.NAT, cfg.Behind} {
		if m != nil && !v4(m) {
			return nil, ErrFamily
		}
	}
	lab, err := vnet.New(vnet.Config{Seed: cfg.Seed, OnEvent: cfg.OnEvent, DiscardTrace: true})
	if err != nil {
		return nil, err
	}
	w := &World{Lab: lab, cfg: cfg}
	w.stops = append(w.stops, lab.Close)
	if err := errors.Join(w.build()); err != nil {
		return nil, errors.Join(fmt.Errorf("world: %w", err), w.Close())
	}
	return w, nil
}

// v4 says whether a model is one that forwards IPv4 to IPv4.
func v4(m natmodels.Model) bool { return m.Behavior().Kind != natmodels.NAT64 }

func (w *World) build() error {
	for _, step := range []func() error{w.addProgram, w.addServers} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Where the program is without a NAT, behind one and behind two: the places of side a.
var place = cell.PlaceOf(cell.A)

// Between the two NATs (RFC 6598).
var between = netip.MustParseAddr("100.64.0.2")

// addProgram puts the program's site behind its NATs. The access link is at whatever stands on the internet.
func (w *World) addProgram() error {
	realm, access := w.Lab.Internet(), vnet.GatewayConfig{Link: w.cfg.Out, Inbound: &w.cfg.In, ALG: w.cfg.ALG}
	external := place.External
	add := func(name string, m natmodels.Model) (*vnet.Gateway, error) {
		c := access
		c.NAT, c.Place = m, natmodels.Place{Seed: w.cfg.Seed + uint64(len(w.boxes)) + 1}
		switch b := m.Behavior(); {
		case b.Kind == natmodels.PrefixTranslator: // has prefixes outside
		case b.Translates():
			c.Place.External = []netip.Addr{external}
		default:
			c.ALG = nil // has nothing to rewrite
		}
		g, err := realm.AddGateway(name, c)
		if err != nil {
			return nil, err
		}
		realm, access.Link, access.Inbound = g.Inside(), vnet.LinkConfig{}, nil
		if c.Place.External != nil {
			external = between
		}
		w.boxes = append([]stage.Box{{Name: name, Role: stage.RoleNAT, Addrs: c.Place.External}}, w.boxes...)
		return g, nil
	}
	var err error
	if w.cfg.Behind != nil {
		if w.Outer, err = add(Outer, w.cfg.Behind); err != nil {
			return err
		}
	}
	if w.cfg.NAT != nil {
		if w.NAT, err = add(NAT, w.cfg.NAT); err != nil {
			return err
		}
	}
	site := vnet.SiteConfig{Prefix: place.Private, Link: access.Link, Inbound: access.Inbound, Hosts: vnet.Native}
	at := place.Inside
	if !w.translated() {
		site.Prefix, at = place.Public, place.Host
	}
	s, err := realm.AddSite("site", site)
	if err != nil {
		return err
	}
	w.boxes = append([]stage.Box{{Name: Program, Role: stage.RoleHost, Addrs: []netip.Addr{at}}}, w.boxes...)
	w.Program, err = emulator.Attach(s, Program, emulator.Config{
		Addrs: []netip.Addr{at}, MTU: w.cfg.MTU, Driver: w.cfg.Driver,
		Hosts: Hosts(), DNS: []netip.Addr{dnsAddr}, Search: cell.Domain,
	})
	if err == nil {
		w.stops = append(w.stops, w.Program.Close)
	}
	return err
}

// translated says whether anything in front of the program translates.
func (w *World) translated() bool {
	for _, m := range []natmodels.Model{w.cfg.NAT, w.cfg.Behind} {
		if m != nil && m.Behavior().Translates() {
			return true
		}
	}
	return false
}

// Addresses of what scenarios/cell has none for.
var (
	echoAddr = netip.MustParseAddr("203.0.113.40")
	dnsAddr  = netip.MustParseAddr("203.0.113.53")
)

func (w *World) addServers() error {
	site, err := w.Lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: cell.ServerNet, Hosts: vnet.Native})
	if err != nil {
		return err
	}
	w.boxes = append(w.boxes, stage.Box{Name: cell.BoxInternet, Role: stage.RoleInternet})
	for _, x := range []struct {
		name  string
		serve func(*vnet.Host) error
		addrs []netip.Addr
	}{
		{cell.BoxSTUN, w.serveSTUN, []netip.Addr{cell.STUNAddr, cell.STUNAltAddr}},
		{cell.BoxProxy, w.serveProxy, []netip.Addr{cell.ProxyAddr}},
		{cell.BoxGateway, w.serveGateway, []netip.Addr{cell.GatewayAddr}},
		{Echo, w.serveEcho, []netip.Addr{echoAddr}},
		{DNS, w.serveDNS, []netip.Addr{dnsAddr}},
	} {
		host, err := site.AddHost(x.name, x.addrs...)
		if err != nil {
			return err
		}
		w.boxes = append(w.boxes, stage.Box{Name: x.name, Role: stage.RoleServer, Addrs: x.addrs})
		if err := x.serve(host); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
	}
	return nil
}

// service is something that serves until it is closed.
type service interface {
	Serve() error
	Close() error
}

func (w *World) start(s service) {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	w.stops = append(w.stops, func() error { return errors.Join(s.Close(), <-served) })
}

// listener opens sockets on a host.
func listener(h *vnet.Host) func(netip.AddrPort) (net.PacketConn, error) {
	return func(a netip.AddrPort) (net.PacketConn, error) { return h.Listen(a) }
}

func (w *World) serveSTUN(h *vnet.Host) error {
	conns, err := stun.Listen(listener(h), stage.STUNServer, stage.STUNAlternate)
	if err != nil {
		return err
	}
	s, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		return err
	}
	w.start(s)
	return nil
}

func (w *World) serveProxy(h *vnet.Host) error {
	conn, err := h.Listen(netip.AddrPortFrom(h.Addr(), cell.ProxyPort))
	if err != nil {
		return err
	}
	cfg := registrar.Config{Domain: cell.Domain, Policy: w.cfg.Policy, AnswerSTUN: true}
	for _, digit := range "+0123456789*#" {
		cfg.Routes = append(cfg.Routes, registrar.Route{Prefix: string(digit), To: gatewayAt})
	}
	if w.cfg.Password != "" {
		cfg.Users = map[string]string{w.cfg.User: w.cfg.Password, Echo: w.cfg.Password}
		cfg.AuthInvite = true
	}
	if w.Registrar, err = registrar.New(conn, cfg); err != nil {
		return err
	}
	w.start(w.Registrar)
	return nil
}

var (
	gatewayAt   = netip.AddrPortFrom(cell.GatewayAddr, cell.GatewayPort)
	registrarAt = netip.AddrPortFrom(cell.ProxyAddr, cell.ProxyPort)
)

// ringTime is how long the telephones behind the gateway, and the phone echo, ring.
const ringTime = time.Second

func (w *World) serveGateway(h *vnet.Host) error {
	conn, err := h.Listen(gatewayAt)
	if err != nil {
		return err
	}
	if w.Gateway, err = gateway.New(conn, gateway.Config{RingTime: ringTime, Listen: listener(h)}); err != nil {
		return err
	}
	w.start(w.Gateway)
	return nil
}

// Boxes are the boxes of the world from left to right.
func (w *World) Boxes() []stage.Box { return slices.Clone(w.boxes) }

// NATs are those in front of the program, the nearest first.
func (w *World) NATs() []*vnet.Gateway {
	var all []*vnet.Gateway
	for _, g := range []*vnet.Gateway{w.NAT, w.Outer} {
		if g != nil {
			all = append(all, g)
		}
	}
	return all
}

// Close ends what runs in the world, the program first.
func (w *World) Close() error {
	var errs []error
	if w.Program != nil {
		errs = append(errs, w.Program.Close())
	}
	for _, stop := range slices.Backward(w.stops) {
		errs = append(errs, stop())
	}
	w.stops = nil
	return errors.Join(errs...)
}
