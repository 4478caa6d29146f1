package vnet

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// SetALG switches the SIP application level gateway on, or off with nil, while the
// gateway runs.
func (g *Gateway) SetALG(alg *sipalg.ALG) error {
	g.lab.enter()
	defer g.lab.core.Unlock()
	if err := checkALG(alg, g.nat.Model().Behavior()); err != nil {
		return fmt.Errorf("vnet: gateway %q: %w", g.name, err)
	}
	g.alg = g.beside(alg)
	g.lab.changed(g.name, fmt.Sprintf("SIP ALG %s", map[bool]string{true: "off", false: "on"}[alg == nil]))
	return nil
}

// beside puts an ALG beside the NAT; nil is none.
func (g *Gateway) beside(alg *sipalg.ALG) *sipalg.Beside {
	if alg == nil {
		return nil
	}
	return &sipalg.Beside{NAT: g.nat, ALG: *alg}
}

// checkALG refuses an ALG where there is nothing for it to rewrite.
func checkALG(alg *sipalg.ALG, nat natmodels.Behavior) error {
	switch {
	case alg == nil:
	case !nat.Translates():
		return fmt.Errorf("a SIP ALG rewrites addresses that are translated, and this %v translates none", nat.Kind)
	case alg.Linux && nat.Kind == natmodels.Conntrack && !nat.SIPHelper:
		return errors.New("the SIP ALG linux beside a conntrack is its SIP helper: it needs the setting sip-helper")
	}
	return nil
}

// rewrite hands a packet that the NAT has let through to the ALG, which opens the NAT for
// what it reads. It reports whether the packet goes on.
func (g *Gateway) rewrite(p *packet, before natmodels.Packet, v natmodels.Verdict, inward bool) bool {
	if g.alg == nil || p.np.Protocol != natmodels.UDP {
		return true
	}
	was, wasFor := p.payload, p.np.Dst
	passed := g.alg.Pass(sipalg.Passage{Before: before, Verdict: v, Inward: inward, Payload: p.payload, At: g.lab.clock()})
	if passed.Dropped {
		g.lab.drop(p, p.np, g.name, ALGDrop, v.Mapping, "the SIP ALG makes no sense of the message, or cannot have the ports it needs")
		return false
	}
	if err := g.takeOver(p, passed); err != nil {
		g.lab.drop(p, p.np, g.name, ALGDrop, v.Mapping, "the message has become too long: "+err.Error())
		return false
	}
	if bytes.Equal(p.payload, was) && p.np.Dst == wasFor && len(passed.Opened) == 0 || !g.lab.watched() {
		return true
	}
	g.lab.emit(Event{
		At: g.lab.elapsed(), Kind: Rewritten, Packet: p.id, Parent: p.parent, Box: g.name, Proto: p.np.Protocol,
		Src: p.np.Src, Dst: p.np.Dst, Payload: p.payload, Detail: rewriting(was, wasFor, passed),
	})
	return true
}

// takeOver gives a packet what an ALG made of it.
func (g *Gateway) takeOver(p *packet, passed sipalg.Passed) error {
	if !bytes.Equal(p.payload, passed.Payload) {
		if err := p.carry(passed.Payload); err != nil {
			return err
		}
	}
	if passed.Dst == p.np.Dst {
		return nil
	}
	to := p.np
	to.Dst = passed.Dst
	return p.become(to)
}

// rewriting says what an ALG did.
func rewriting(was []byte, wasFor netip.AddrPort, passed sipalg.Passed) string {
	var did []string
	if passed.Dst != wasFor {
		did = append(did, fmt.Sprintf("sends it to %v, which the Via names", passed.Dst))
	}
	if changes := sipalg.Changes(was, passed.Payload); len(changes) > 0 {
		did = append(did, "rewrote "+strings.Join(changes, ", "))
	}
	if len(passed.Opened) > 0 {
		opened := make([]string, len(passed.Opened))
		for i, o := range passed.Opened {
			opened[i] = fmt.Sprintf("%v for %v", o.External, o.Internal)
		}
		did = append(did, "opened "+strings.Join(opened, ", "))
	}
	return "the SIP ALG " + strings.Join(did, "; it ")
}
