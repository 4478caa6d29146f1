package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/vnet"
)

// build makes the network of a file and starts everything in it but the programs.
func (p *play) build() error {
	for _, name := range p.file.outwards() {
		if err := p.addNAT(name, p.file.NATs.Find(name)); err != nil {
			return err
		}
	}
	for i := range p.file.Sites {
		if err := p.addSite(p.file.Sites[i].Name, &p.file.Sites[i].Value); err != nil {
			return err
		}
	}
	for i := range p.file.Servers {
		s := &p.file.Servers[i]
		stop, err := p.serve(s.Name, &s.Value)
		if err != nil {
			return p.file.wrong("servers."+s.Name, err)
		}
		p.stops = append(p.stops, stop)
	}
	for i := range p.file.Endpoints {
		e := &p.file.Endpoints[i]
		if err := p.addEndpoint(e.Name, &e.Value); err != nil {
			return p.file.wrong("endpoints."+e.Name, err)
		}
	}
	return nil
}

// outwards are the NATs in an order in which each comes after the one that it is behind.
func (f *File) outwards() []string {
	var order []string
	var add func(name string)
	add = func(name string) {
		if name == "" || slices.Contains(order, name) {
			return
		}
		add(f.NATs.Find(name).Behind)
		order = append(order, name)
	}
	for _, name := range f.NATs.Names() {
		add(name)
	}
	return order
}

// inside is the realm behind a NAT, or the internet.
func (p *play) inside(nat string) *vnet.Realm {
	if nat == "" {
		return p.lab.Internet()
	}
	return p.gateways[nat].Inside()
}

func (p *play) addNAT(name string, n *NAT) error {
	model, err := p.file.model(n)
	if err != nil {
		return p.file.wrong("nats."+name, err)
	}
	place := natmodels.Place{External: n.External, Seed: seedFor(p.seed, name)}
	for _, f := range n.Forwards {
		protocol := natmodels.UDP
		if f.Protocol == natmodels.TCP.String() {
			protocol = natmodels.TCP
		}
		place.Static = append(place.Static, natmodels.StaticMapping{Protocol: protocol, Internal: f.Internal, External: f.External})
	}
	cfg := vnet.GatewayConfig{NAT: model, Place: place}
	if cfg.ALG, err = alg(n.ALG); err != nil {
		return err
	}
	base, err := p.file.linkOf(name)
	if err != nil {
		return p.file.wrong("nats."+name, err)
	}
	cfg.Link, cfg.Inbound = base[0], &base[1]
	gw, err := p.inside(n.Behind).AddGateway(name, cfg)
	if err != nil {
		return p.file.wrong("nats."+name, err)
	}
	p.gateways[name], p.models[name] = gw, model
	p.links[name] = newLink(gw.Link(), base)
	p.boxes = append(p.boxes, stage.Box{Name: name, Role: stage.RoleNAT, Addrs: n.External})
	return nil
}

// alg is a SIP ALG by its word, or nil.
func alg(w ALGWord) (*sipalg.ALG, error) {
	if w == "" || w == algOff {
		return nil, nil
	}
	a, err := sipalg.Named(string(w))
	return &a, err
}

func (p *play) addSite(name string, s *Site) error {
	base, err := p.file.linkOf(name)
	if err != nil {
		return p.file.wrong("sites."+name, err)
	}
	kind := vnet.Native
	if p.file.Hosts == HostWord(vnet.Pion.String()) {
		kind = vnet.Pion
	}
	site, err := p.inside(s.Behind).AddSite(name, vnet.SiteConfig{Prefix: s.Prefix, Link: base[0], Inbound: &base[1], Hosts: kind})
	if err != nil {
		return p.file.wrong("sites."+name, err)
	}
	p.sites[name] = site
	p.links[name] = newLink(site.Link(), base)
	for i := range s.Hosts {
		h := &s.Hosts[i]
		p.boxes = append(p.boxes, stage.Box{Name: h.Name, Role: stage.RoleHost, Addrs: h.Value.Addrs})
		if err := p.lab.Name(h.Name, h.Value.Addrs[0]); err != nil {
			return p.file.wrong("sites."+name+".hosts."+h.Name, err)
		}
		if slices.Contains(p.file.programHosts(), h.Name) {
			continue // the program's
		}
		host, err := site.AddHost(h.Name, h.Value.Addrs...)
		if err != nil {
			return p.file.wrong("sites."+name+".hosts."+h.Name, err)
		}
		p.hosts[h.Name] = host
	}
	return nil
}

// service is something that serves sockets until it is closed.
type service interface {
	Serve() error
	Close() error
}

func serving(s service) (stop func() error) {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	return func() error { return errors.Join(s.Close(), <-served) }
}

// listener opens sockets on a host.
func listener(h *vnet.Host) func(netip.AddrPort) (net.PacketConn, error) {
	return func(a netip.AddrPort) (net.PacketConn, error) { return h.Listen(a) }
}

func (p *play) serve(name string, s *Server) (stop func() error, err error) {
	host, at := p.hosts[s.host()], p.file.addr(s)
	switch s := s.Is.(type) {
	case *Registrar:
		return p.serveRegistrar(name, s, host, at)
	case *STUNServer:
		conns, err := stun.Listen(listener(host), at, s.Alternate)
		if err != nil {
			return nil, err
		}
		server, err := stun.New(stun.Config{Conns: conns})
		if err != nil {
			return nil, err
		}
		return serving(server), nil
	case *Gateway:
		return p.serveGateway(name, s, host, at)
	}
	panic("lab: a server of no kind")
}

func (p *play) serveRegistrar(name string, s *Registrar, host *vnet.Host, at netip.AddrPort) (func() error, error) {
	cfg := registrar.Config{
		Domain: p.file.Domain, Advertise: s.Advertise, Users: s.Users, Seed: seedFor(p.seed, name),
		MinExpires: time.Duration(s.MinExpires), AnswerSTUN: p.file.asksRegistrars(),
	}
	var err error
	if cfg.Policy, err = registrar.ParsePolicy(string(s.Policy)); err != nil {
		return nil, err
	}
	if s.Ping != nil {
		kind := map[PingWord]registrar.PingKind{"zero": registrar.PingZero, "options": registrar.PingOptions}[s.Ping.Kind]
		cfg.Ping = registrar.Ping{Kind: kind, Interval: time.Duration(s.Ping.Every)}
	}
	for _, r := range s.Routes {
		cfg.Routes = append(cfg.Routes, registrar.Route{Prefix: r.Prefix, To: p.file.addr(p.file.Servers.Find(r.To))})
	}
	conn, err := host.Listen(at)
	if err != nil {
		return nil, err
	}
	if s.CallsFrom.IsValid() {
		if cfg.CallConn, err = host.Listen(s.CallsFrom); err != nil {
			return nil, err
		}
	}
	server, err := registrar.New(conn, cfg)
	if err != nil {
		return nil, err
	}
	return serving(server), nil
}

// asksRegistrars says whether somebody holds its mapping by STUN to its registrar (RFC 5626 §4.4.2).
func (f *File) asksRegistrars() bool {
	for i := range f.Endpoints {
		if u, ok := f.Endpoints[i].Value.Is.(*UA); ok && u.KeepAlive != nil && u.KeepAlive.Kind == "stun" {
			return true
		}
	}
	return false
}

// Where media ports begin and end.
const (
	firstMediaPort = 40000
	lastMediaPort  = 40999
)

func (p *play) serveGateway(name string, s *Gateway, host *vnet.Host, at netip.AddrPort) (func() error, error) {
	latch, err := media.ParseLatch(string(s.Latch))
	if err != nil {
		return nil, err
	}
	conn, err := host.Listen(at)
	if err != nil {
		return nil, err
	}
	g := &pstn{play: p, name: name, up: map[string]gateway.State{}}
	server, err := gateway.New(conn, gateway.Config{
		RingTime: time.Duration(s.Rings), TalkTime: time.Duration(s.Talks), EarlyMedia: s.EarlyMedia,
		Latch: latch, Strict: s.Strict, Silent: s.Silent, Seed: seedFor(p.seed, name),
		Listen: listener(host), MinPort: firstMediaPort, MaxPort: lastMediaPort, OnChange: g.changed,
	})
	if err != nil {
		return nil, err
	}
	g.server = server
	p.samplers[name] = g.sample
	return serving(server), nil
}

// seedFor gives every box a seed of its own. It is never 0, which some take for "draw one".
func seedFor(seed uint64, box string) uint64 {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64([]byte(box), seed))
	return max(h.Sum64(), 1)
}

func (p *play) addEndpoint(name string, e *Endpoint) error {
	switch x := e.Is.(type) {
	case *UA:
		a, err := p.newAgent(name, x)
		if err != nil {
			return err
		}
		p.agents[name], p.phones[name], p.samplers[name] = a, a, a.sample
		p.stops = append(p.stops, a.close)
		return a.client.Start(context.Background())
	case *Plain:
		s, err := p.newPlain(name, x)
		if err != nil {
			return err
		}
		p.phones[name] = s
		p.stops = append(p.stops, s.close)
	}
	return nil
}
