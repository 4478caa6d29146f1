package vnet

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// GatewayConfig describes a gateway.
type GatewayConfig struct {
	// NAT says how it translates and filters, such as catalogue.Lookup("port-restricted").
	NAT natmodels.Model
	// Place is where it stands. Its External addresses must be free in the outer realm; its
	// Seed decides what the NAT chooses at random.
	Place natmodels.Place
	// Link joins it to the outer realm.
	Link LinkConfig
	// Inbound is the direction of the link into the gateway; nil is the same as Link.
	Inbound *LinkConfig
	// Fragments says what becomes of fragments.
	Fragments FragmentPolicy
	// ALG is the SIP application level gateway beside the NAT; nil is none, as RFC 4787
	// REQ-10 wants it. Beside a Conntrack the variant linux is its SIP helper and needs
	// the setting sip-helper.
	ALG *sipalg.ALG
}

// Gateway is a NAT, or a plain router, between an outer realm and the realm
// inside it. Gateways nest: attach one to another's Inside.
type Gateway struct {
	lab     *Lab
	name    string
	outside *Realm
	inside  *Realm
	link    *Link
	nat     natmodels.Box
	mute    natmodels.Mute // the same, if it says so of itself
	alg     *sipalg.Beside
	// routed says that it does not translate: what is inside keeps its addresses outside too.
	routed  bool
	nat64   bool          // packets change their family
	arrived func(*packet) // enter, bound once

	fragments    FragmentPolicy
	inner, outer joiner        // of fragments from the inside and from the outside
	toIn, toOut  func(*packet) // on to the inner or the outer realm, bound once
	polledAt     time.Time     // when the NAT is asked what it sends by itself; zero: it is not
}

// AddGateway attaches a gateway to the realm and makes the realm inside it.
func (r *Realm) AddGateway(name string, cfg GatewayConfig) (*Gateway, error) {
	l := r.lab
	l.enter()
	defer l.core.Unlock()
	if err := checkLinks(cfg.Link, cfg.Inbound); err != nil {
		return nil, fmt.Errorf("vnet: gateway %q: %w", name, err)
	}
	if cfg.NAT == nil {
		return nil, fmt.Errorf("vnet: gateway %q: it has no NAT; catalogue.Lookup(\"none\") is a router", name)
	}
	if cfg.Fragments >= fragmentPolicies {
		return nil, fmt.Errorf("vnet: gateway %q: fragments %d: no such policy", name, cfg.Fragments)
	}
	nat, err := cfg.NAT.New(cfg.Place)
	if err != nil {
		return nil, fmt.Errorf("vnet: gateway %q: %w", name, err)
	}
	if err := checkALG(cfg.ALG, cfg.NAT.Behavior()); err != nil {
		return nil, fmt.Errorf("vnet: gateway %q: %w", name, err)
	}
	if err := r.checkExternal(nil, cfg.Place.External); err != nil {
		return nil, fmt.Errorf("vnet: gateway %q: %w", name, err)
	}
	var announced []netip.Prefix
	if a, ok := cfg.NAT.(natmodels.Announcer); ok {
		announced = a.Announces()
	}
	for _, p := range announced {
		if err := r.checkFree(p); err != nil {
			return nil, fmt.Errorf("vnet: gateway %q: %w", name, err)
		}
	}
	if err := l.claim(name); err != nil {
		return nil, err
	}
	g := &Gateway{lab: l, name: name, outside: r, nat: nat, routed: !cfg.NAT.Behavior().Translates(), link: newLink(l, name, cfg.Link, cfg.Inbound)}
	g.mute, _ = nat.(natmodels.Mute)
	g.nat64 = cfg.NAT.Behavior().Kind == natmodels.NAT64
	g.alg = g.beside(cfg.ALG)
	g.arrived = g.enter
	g.inside = newRealm(l, "inside "+name, g)
	g.toIn, g.toOut = g.inside.originate, func(p *packet) { g.link.up.send(p, g.outside.arrived) }
	g.inner = joiner{lab: l, box: name, from: g.inside.routerOf, back: g.toIn, own: g.has, how: cfg.Fragments}
	g.outer = joiner{lab: l, box: name, from: g.address, back: g.toOut, own: g.has, how: cfg.Fragments}
	g.fragments = cfg.Fragments
	g.link.realm, g.link.router = r, r.routerOf
	g.link.up.back, g.link.down.back = g.arrived, r.originate
	for _, a := range cfg.Place.External {
		r.gatewayByAddr[a] = g
	}
	for _, p := range announced {
		r.addRoute(route{prefix: p, gateway: g})
	}
	l.gateways = append(l.gateways, g)
	return g, nil
}

// checkExternal refuses addresses that somebody else in the realm has.
func (r *Realm) checkExternal(self *Gateway, addrs []netip.Addr) error {
	for _, a := range addrs {
		if other, ok := r.gatewayByAddr[a]; ok && other != self {
			return fmt.Errorf("external address %v belongs to %q", a, other.name)
		}
		if n, ok := r.routes.siteOf(a); ok {
			return fmt.Errorf("external address %v lies inside site %q (%v)", a, n.site.name, n.prefix)
		}
	}
	return nil
}

// Name is the gateway's name in traces.
func (g *Gateway) Name() string { return g.name }

// Inside is the realm the gateway serves.
func (g *Gateway) Inside() *Realm { return g.inside }

// Link is the link to the outer realm.
func (g *Gateway) Link() *Link { return g.link }

// Mappings are the mappings alive now, in a fixed order.
func (g *Gateway) Mappings() []natmodels.MappingInfo {
	g.lab.enter()
	defer g.lab.core.Unlock()
	return g.nat.Mappings(time.Now())
}

// Flush forgets every mapping, as a restart does.
func (g *Gateway) Flush() {
	g.lab.enter()
	defer g.lab.core.Unlock()
	g.nat.Advance(time.Now())
	g.nat.Flush()
	g.lab.changed(g.name, "all mappings flushed")
}

// SetBehavior changes how the gateway translates while it runs. It stays where it is; see
// natmodels.Box, and the NATs of translate and conntrack, for what becomes of mappings.
func (g *Gateway) SetBehavior(nat natmodels.Model) error {
	g.lab.enter()
	defer g.lab.core.Unlock()
	g.nat.Advance(time.Now())
	if err := g.nat.SetBehavior(nat); err != nil {
		return fmt.Errorf("vnet: gateway %q: %w", g.name, err)
	}
	g.nat64 = g.nat.Model().Behavior().Kind == natmodels.NAT64
	g.lab.changed(g.name, "behaviour changed")
	return nil
}

// Renumber gives the gateway new external addresses, as a provider does when a
// lease ends. Mappings on addresses that go are lost.
func (g *Gateway) Renumber(external ...netip.Addr) error {
	g.lab.enter()
	defer g.lab.core.Unlock()
	if err := g.outside.checkExternal(g, external); err != nil {
		return fmt.Errorf("vnet: gateway %q: %w", g.name, err)
	}
	g.nat.Advance(time.Now())
	before := g.nat.Place().External
	if err := g.nat.Renumber(external); err != nil {
		return fmt.Errorf("vnet: gateway %q: %w", g.name, err)
	}
	for _, a := range before {
		delete(g.outside.gatewayByAddr, a)
	}
	for _, a := range external {
		g.outside.gatewayByAddr[a] = g
	}
	g.lab.changed(g.name, fmt.Sprintf("new external addresses %v", external))
	return nil
}

// leave takes a packet from the inside. What is for the gateway itself needs no hop. What may not
// be forwarded never comes to the NAT, and the source is told of the packet as it sent it: so does
// Linux (net/ipv4/ip_forward.c).
func (g *Gateway) leave(p *packet) {
	if p = g.whole(&g.inner, p); p == nil {
		return
	}
	if g.parts(p) {
		g.lab.apart(p, g.leave)
		return
	}
	if !g.has(p.np.Dst.Addr()) && (g.tooBig(p) || !g.inside.hop(p)) {
		return
	}
	g.translate(p)
}

// has says whether an address is the gateway's own outside.
func (g *Gateway) has(a netip.Addr) bool { return g.outside.gatewayByAddr[a] == g }

// tooBig drops what does not fit the link to the outside and must not be cut, and says so. A packet
// that a NAT64 makes one of the other family has another length there: the link will see.
func (g *Gateway) tooBig(p *packet) bool {
	mtu := g.link.up.cfg.MTU
	if mtu == 0 || p.size() <= mtu || p.ttl <= 1 || g.nat.Model().Behavior().Kind == natmodels.NAT64 {
		return false
	}
	if p.cuts != nil && p.largest <= mtu || !p.onWire().v.DF {
		return false
	}
	g.link.up.refuse(p, p.size(), g.inside.routerOf(p.np.Src.Addr()), g.toIn)
	return true
}

// translate sends to the outside what the NAT lets pass.
func (g *Gateway) translate(p *packet) {
	v := g.judge(p, true)
	switch v.Action {
	case natmodels.Forward:
		if g.translated(p, v, false) {
			g.lab.inPieces(p, g.link.up.cfg.MTU, g.toOut)
		}
	case natmodels.Hairpin:
		if g.translated(p, v, false) && g.inside.hop(p) {
			g.lab.inPieces(p, 0, g.inside.route)
		}
	default:
		g.refused(p, v, g.toIn)
	}
	g.poll()
}

// parts says whether the NAT must see each of several segments in one.
func (g *Gateway) parts(p *packet) bool {
	return p.segment > 0 && g.nat64
}

// whole joins fragments, or drops them. It is nil where there is no whole packet, yet or ever.
func (g *Gateway) whole(j *joiner, p *packet) *packet {
	if p.bytes == nil || !p.bytes.v.Fragmented() {
		return p
	}
	if g.fragments == DropFragments {
		g.lab.drop(p, p.np, g.name, NoFragments, natmodels.MappingInfo{}, "the gateway takes no fragments")
		return nil
	}
	return j.join(p)
}

// address is one of the gateway's own outside, of the family of a, or that of the realm's router.
func (g *Gateway) address(a netip.Addr) netip.Addr {
	for _, own := range g.nat.Place().External {
		if own.Is4() == a.Is4() {
			return own
		}
	}
	return g.outside.routerOf(a)
}

// poll sees to it that what the NAT sends by itself is sent in time.
func (g *Gateway) poll() {
	at, ok := g.nat.NextDue()
	if !ok || !g.polledAt.IsZero() && !at.Before(g.polledAt) {
		return
	}
	g.polledAt = at
	g.lab.at(at, func() {
		if g.polledAt.Equal(at) {
			g.polledAt = time.Time{}
		}
		for _, np := range g.nat.Due(g.lab.clock()) {
			if p := g.lab.made(np, 0); p != nil {
				g.toOut(p)
			}
		}
		g.poll()
	})
}

// judge asks the NAT about a packet.
func (g *Gateway) judge(p *packet, fromInside bool) natmodels.Verdict {
	now := g.lab.clock()
	if p.raw && p.segment == 0 {
		if checker, ok := g.nat.(natmodels.Checker); ok && p.bytes.v.Verify(p.bytes.b) != nil {
			return checker.Spoiled(p.np, fromInside, now)
		}
	}
	if fromInside {
		return g.nat.Outbound(p.np, now)
	}
	return g.nat.Inbound(p.np, now)
}

// enter takes a packet from the outside.
func (g *Gateway) enter(p *packet) {
	if p = g.whole(&g.outer, p); p == nil {
		return
	}
	if g.parts(p) {
		g.lab.apart(p, g.enter)
		return
	}
	v := g.judge(p, false)
	switch v.Action {
	case natmodels.Forward:
		if !g.inside.owns(v.Packet.Dst.Addr()) {
			g.lab.drop(p, p.np, g.name, NoRoute, v.Mapping, fmt.Sprintf("nobody inside owns %v", v.Packet.Dst.Addr()))
			return
		}
		if g.translated(p, v, true) && g.inside.hop(p) {
			g.lab.inPieces(p, 0, g.inside.route)
		}
	case natmodels.Hairpin:
		if g.translated(p, v, true) && g.inside.hop(p) {
			g.lab.inPieces(p, 0, g.inside.route)
		}
	default:
		g.refused(p, v, g.toOut)
	}
	g.poll()
}

// owns says whether the realm has a site or gateway for the address, so that a
// packet that came in is never sent out again.
func (r *Realm) owns(a netip.Addr) bool {
	if _, ok := r.gatewayByAddr[a]; ok {
		return true
	}
	return r.routes.to(a) != nil
}

// translated takes over what the NAT made of a packet, and reports whether it goes on.
func (g *Gateway) translated(p *packet, v natmodels.Verdict, inward bool) bool {
	before := p.np
	if err := p.become(v.Packet); err != nil {
		g.lab.drop(p, p.np, g.name, Unsupported, v.Mapping, fmt.Sprintf("the translation to %v: %v", v.Packet, err))
		return false
	}
	if g.lab.watched() {
		detail := ""
		if v.Created && !g.lab.cfg.DiscardTrace {
			detail = g.nat.Explain(v)
		}
		g.lab.emit(Event{
			At: g.lab.elapsed(), Kind: Translated, Packet: p.id, Parent: p.parent, Box: g.name, Proto: p.np.Protocol,
			Src: p.np.Src, Dst: p.np.Dst, FromSrc: before.Src, FromDst: before.Dst, Payload: p.payload,
			Mapping: v.Mapping, Detail: detail,
		})
	}
	return g.rewrite(p, before, v, inward)
}

// refused drops a packet and, where the gateway answers with a packet of its own, sends that
// back to where the packet came from.
func (g *Gateway) refused(p *packet, v natmodels.Verdict, back func(*packet)) {
	g.lab.drop(p, p.np, g.name, Reason(v.Reason.String()), v.Mapping, g.nat.Explain(v))
	if v.Action != natmodels.Reply {
		return
	}
	w := p.onWire()
	if b, err := w.v.AppendReply(nil, ippacket.Header{}, v.Packet, w.b); err == nil {
		back(g.lab.answer(b, p))
	}
}
