package vnet

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// Realm is an address realm (RFC 2663 section 2.1): the internet, or what is
// inside a gateway. Sites and gateways attach to it; it routes between them.
type Realm struct {
	lab     *Lab
	name    string
	gateway *Gateway // the way out; nil for the internet

	gatewayByAddr map[netip.Addr]*Gateway
	routes        routes        // sites and routed prefixes
	arrived       func(*packet) // forward, bound once
	routers       [2]netip.Addr // the realm's own, of IPv4 and IPv6: that of its first site
}

func newRealm(l *Lab, name string, gateway *Gateway) *Realm {
	r := &Realm{lab: l, name: name, gateway: gateway, gatewayByAddr: map[netip.Addr]*Gateway{}}
	r.arrived = r.forward
	return r
}

// Name is "internet", or "inside NAME" for a gateway's inner realm.
func (r *Realm) Name() string { return r.name }

// AddSite attaches a local network to the realm through a link.
func (r *Realm) AddSite(name string, cfg SiteConfig) (*Site, error) {
	l := r.lab
	l.enter()
	defer l.core.Unlock()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("vnet: site %q: %w", name, err)
	}
	if err := r.checkFree(cfg.Prefix); err != nil {
		return nil, fmt.Errorf("vnet: site %q: %w", name, err)
	}
	if err := l.claim(name); err != nil {
		return nil, err
	}
	s, err := newSite(l, r, name, cfg)
	if err != nil {
		return nil, fmt.Errorf("vnet: site %q: %w", name, err)
	}
	l.sites = append(l.sites, s)
	if first := &r.routers[family(cfg.Prefix.Addr())]; !first.IsValid() {
		*first = s.router()
	}
	r.addRoute(route{prefix: cfg.Prefix, site: s})
	return s, nil
}

// checkFree refuses a prefix that would make routing ambiguous.
func (r *Realm) checkFree(p netip.Prefix) error {
	if have, ok := r.routes.overlaps(p); ok {
		return fmt.Errorf("prefix %v overlaps %v in %s", p, have, r.name)
	}
	return nil
}

// addRoute makes a prefix known here and, as long as the way out does not
// translate, further out too: a router announces what is behind it.
func (r *Realm) addRoute(n route) {
	r.routes.add(n)
	if g := r.gateway; g != nil && g.routed {
		g.outside.addRoute(route{prefix: n.prefix, gateway: g})
	}
}

// forward takes a packet a hop further, or tells its source that there is none left (RFC 1812
// section 5.3.1). What leaves for the outside is the gateway's business, which joins fragments first.
func (r *Realm) forward(p *packet) {
	if r.gateway != nil && !r.owns(p.np.Dst.Addr()) {
		r.gateway.leave(p)
		return
	}
	if r.hop(p) {
		r.route(p)
	}
}

// hop takes a hop off a packet. If there is none it drops the packet, and says so to its source.
func (r *Realm) hop(p *packet) bool {
	if p.hop() {
		return true
	}
	r.lab.drop(p, p.np, r.name, TTLExceeded, natmodels.MappingInfo{}, "no hop is left")
	if answer := r.lab.complain(p, r.routerOf(p.np.Src.Addr()), timeExceeded, 0); answer != nil {
		r.originate(answer)
	}
	return false
}

// originate sends a packet that the realm's own router has made.
func (r *Realm) originate(p *packet) {
	if r.gateway != nil && !r.owns(p.np.Dst.Addr()) {
		r.gateway.translate(p)
		return
	}
	r.route(p)
}

// route sends a packet to whoever owns its destination: a site or gateway here.
func (r *Realm) route(p *packet) {
	dst := p.np.Dst.Addr()
	if d, end := r.way(dst); d != nil {
		d.send(p, end)
		return
	}
	r.lab.drop(p, p.np, r.name, NoRoute, natmodels.MappingInfo{}, noRouteDetail(dst, r.name))
}

// way is the pipe to whoever owns an address, and who is at its end; nil if nobody does.
func (r *Realm) way(dst netip.Addr) (*pipe, func(*packet)) {
	if g, ok := r.gatewayByAddr[dst]; ok {
		return g.link.down, g.arrived
	}
	switch n := r.routes.to(dst); {
	case n == nil:
		return nil, nil
	case n.site != nil:
		return n.site.link.down, n.site.arrived
	default:
		return n.gateway.link.down, n.gateway.arrived
	}
}

func noRouteDetail(dst netip.Addr, where string) string {
	if dst.IsPrivate() {
		return fmt.Sprintf("%v is a private address (RFC 1918): nobody in %s owns it", dst, where)
	}
	return fmt.Sprintf("nobody in %s owns %v", where, dst)
}
