package vnet

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// SetALG switches the SIP application level gateway on, or off with nil, while the
// gateway runs.
func (g *Gateway) SetALG(alg *sipalg.ALG) error {
	g.lab.core.Lock()
	defer g.lab.core.Unlock()
	if err := checkALG(alg, g.cfg); err != nil {
		return fmt.Errorf("vnet: gateway %q: %w", g.name, err)
	}
	g.alg = alg
	g.lab.changed(g.name, fmt.Sprintf("SIP ALG %s", map[bool]string{true: "off", false: "on"}[alg == nil]))
	return nil
}

// checkALG refuses an ALG where there is nothing for it to rewrite.
func checkALG(alg *sipalg.ALG, cfg natmodels.Config) error {
	if alg != nil && !cfg.Translates() {
		return fmt.Errorf("a SIP ALG rewrites addresses that are translated, and this %v translates none", cfg.Kind)
	}
	return nil
}

// rewrite hands the payload of a translated packet to the ALG. What it opens for media
// on the way is opened in the NAT beside it.
func (g *Gateway) rewrite(p *packet, before, after natmodels.Packet, hairpin, outward bool) {
	if g.alg == nil || after.Protocol != natmodels.UDP {
		return
	}
	var opened []string
	was := p.payload
	if outward || hairpin {
		f := sipalg.Flow{Internal: before.Src, External: after.Src, Remote: before.Dst}
		f.Media = func(internal netip.AddrPort) (netip.AddrPort, bool) {
			e, ok := g.expect(f, internal)
			if ok {
				opened = append(opened, fmt.Sprintf("%v for %v", e, internal))
			}
			return e, ok
		}
		p.payload = g.alg.Outbound(p.payload, f)
	}
	if !outward || hairpin {
		p.payload = g.alg.Inbound(p.payload, sipalg.Flow{Internal: after.Dst, External: before.Dst, Remote: after.Src})
	}
	if bytes.Equal(p.payload, was) || g.lab.cfg.DiscardTrace && g.lab.cfg.OnEvent == nil {
		return
	}
	detail := "the SIP ALG rewrote " + strings.Join(sipalg.Changes(was, p.payload), ", ")
	if len(opened) > 0 {
		detail += "; it opened " + strings.Join(opened, ", ")
	}
	g.lab.emit(Event{
		At: g.lab.Now(), Kind: Rewritten, Packet: p.id, Parent: p.parent, Box: g.name, Proto: after.Protocol,
		Src: after.Src, Dst: after.Dst, Payload: p.payload, Detail: detail,
	})
}

// expect opens the NAT for media that a message announces.
func (g *Gateway) expect(f sipalg.Flow, internal netip.AddrPort) (netip.AddrPort, bool) {
	e := natmodels.Expectation{Protocol: natmodels.UDP, Internal: internal}
	if g.alg.PeerMedia {
		e.Remote = f.Remote.Addr()
	}
	external, reason := g.nat.Expect(e, time.Now())
	return external, reason == natmodels.NotDropped
}
