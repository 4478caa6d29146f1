package vnet

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	pion "github.com/pion/transport/v3/vnet"

	"github.com/natproof/natproof/natmodels"
)

// RouterConfig says how a pion router of your own becomes a site.
type RouterConfig struct {
	// Prefix is that of the router (pion.RouterConfig.CIDR), IPv4, /30 or shorter.
	Prefix netip.Prefix
	// Own is an address of the prefix that no Net has: what comes from elsewhere enters the router
	// through a Net with this address. Unset is the first address.
	Own netip.Addr
	// Names are those of your Nets in traces; one without is called as the site.
	Names map[netip.Addr]string

	Link    LinkConfig
	Inbound *LinkConfig
}

// AttachRouter makes a pion vnet router that you have built, with your own Nets on it, a site of
// the realm. What the Nets send to addresses of the router's prefix stays in it, everything else
// goes over the link, and what is for the prefix comes through the router. The router must have
// no parent. It is yours to start and to stop, the lab only leaves it; a packet counts as
// delivered when the router has it.
//
// Within one instant the order of what different Nets send is pion's: for traces that are the
// same in every run have one of them send at a time.
func (r *Realm) AttachRouter(name string, router *pion.Router, cfg RouterConfig) (*Site, error) {
	l := r.lab
	l.enter()
	defer l.core.Unlock()
	own := cfg.Own
	if !own.IsValid() && cfg.Prefix.IsValid() {
		own = cfg.Prefix.Addr().Next()
	}
	err := SiteConfig{Prefix: cfg.Prefix, Link: cfg.Link, Inbound: cfg.Inbound}.check()
	switch {
	case router == nil:
		err = errors.New("no router")
	case err == nil && !cfg.Prefix.Contains(own):
		err = fmt.Errorf("own address %v is not in %v", own, cfg.Prefix)
	case err == nil:
		err = r.checkFree(cfg.Prefix)
	}
	if err == nil {
		err = l.claim(name)
	}
	if err != nil {
		return nil, fmt.Errorf("vnet: router %q: %w", name, err)
	}
	s, err := newSite(l, r, name, SiteConfig{Prefix: cfg.Prefix, Link: cfg.Link, Inbound: cfg.Inbound, Hosts: Native})
	if err != nil {
		return nil, fmt.Errorf("vnet: router %q: %w", name, err)
	}
	pionMu.Lock()
	n, err := inject(router, own)
	pionMu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("vnet: router %q: %w", name, err)
	}
	s.guest = &guest{site: s, pion: n, names: maps.Clone(cfg.Names)}
	s.guest.joiner = joiner{lab: l, box: name, from: func(netip.Addr) netip.Addr { return own }, back: s.leave, own: cfg.Prefix.Contains}
	router.AddChunkFilter(s.guest.filter)
	l.sites = append(l.sites, s)
	r.addRoute(route{prefix: cfg.Prefix, site: s})
	return s, nil
}

// guest is a pion router that somebody else has built.
type guest struct {
	site  *Site
	pion  *pionNet
	names map[netip.Addr]string
	left  atomic.Bool // the lab has closed
	joiner

	mu      sync.Mutex
	pending []arrival // on the real clock: what the router's goroutine has handed over
	carries bool      // somebody is sending it
}

// filter sees each packet in the router, and takes those that are for elsewhere.
func (g *guest) filter(c pion.Chunk) bool {
	src, _ := c.SourceAddr().(*net.UDPAddr)
	dst, _ := c.DestinationAddr().(*net.UDPAddr)
	if src == nil || dst == nil || g.left.Load() || g.site.prefix.Contains(fromUDPAddr(dst).Addr()) {
		return true
	}
	a := arrival{
		site: g.site, src: fromUDPAddr(src), dst: fromUDPAddr(dst),
		payload: append([]byte(nil), c.UserData()...), at: time.Now(),
	}
	if g.site.lab.real {
		g.hand(a)
	} else {
		g.site.lab.arrive(a)
	}
	return false
}

// hand has another goroutine carry a packet: the router is locked while it filters, and the packet
// may come back to it.
func (g *guest) hand(a arrival) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(g.pending, a)
	if !g.carries {
		g.carries = true
		go g.carry()
	}
}

func (g *guest) carry() {
	for {
		g.mu.Lock()
		batch := g.pending
		g.pending = nil
		g.carries = len(batch) > 0
		g.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for _, a := range batch {
			g.site.lab.arrive(a)
		}
	}
}

// enter puts a packet into the router.
func (g *guest) enter(p *packet) {
	l := g.site.lab
	if p = g.join(p); p == nil {
		return
	}
	if p.np.Protocol != natmodels.UDP || !p.np.Dst.Addr().Is4() {
		l.drop(p, p.np, g.name(p.np.Dst.Addr()), Unsupported, natmodels.MappingInfo{}, "pion carries UDP over IPv4 only")
		return
	}
	if err := g.pion.send(p, net.UDPAddrFromAddrPort(p.np.Dst)); err != nil {
		l.drop(p, p.np, g.site.name, NoRoute, natmodels.MappingInfo{}, err.Error())
		return
	}
	l.delivered(p, g.name(p.np.Dst.Addr()))
}

func (g *guest) name(a netip.Addr) string {
	if name, ok := g.names[a]; ok {
		return name
	}
	return g.site.name
}
