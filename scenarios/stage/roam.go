package stage

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// Roamer is an endpoint that can go on by another interface of its host, which has another address on
// another network: Setup.Elsewhere. It registers from there (RFC 3261 §10.2), tells those that it talks
// to by re-INVITE (§14.1), and returns when all of that is decided.
type Roamer interface {
	Roam(ctx context.Context) error
}

// Roam moves the user agent to the other interface.
func (a *agent) Roam(ctx context.Context) error {
	if a.setup.Elsewhere == nil {
		return ErrCannot
	}
	return unanswered(a.client.Move(ctx, a.setup.Elsewhere.Addr()))
}

// listen opens a socket on the interface with that address.
func (s Setup) listen(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
	if s.Elsewhere != nil && at.Addr() == s.Elsewhere.Addr() {
		return s.Elsewhere.Listen(at)
	}
	return s.Host.Listen(at)
}

// addElsewhere builds the network that a roams to, behind a NAT of its own or none.
func (w *World) addElsewhere(c cell.Cell, seed uint64, access vnet.LinkConfig) error {
	if c.Change != cell.ChangeRoam {
		return nil
	}
	nat, err := NAT(c, cell.Elsewhere)
	if err != nil {
		return err
	}
	at := cell.PlaceOf(cell.Elsewhere)
	realm, prefix, addr, link := w.Lab.Internet(), at.Public, at.Host, access
	if nat.Behavior().Translates() {
		alg, err := c.SIPALG()
		if err != nil {
			return err
		}
		place := natmodels.Place{External: []netip.Addr{at.External}, Seed: seedFor(seed, cell.BoxNATElsewhere)}
		gw, err := realm.AddGateway(cell.BoxNATElsewhere, vnet.GatewayConfig{NAT: nat, Place: place, Link: access, ALG: alg})
		if err != nil {
			return err
		}
		w.elsewhere = gw.Link()
		realm, prefix, addr, link = gw.Inside(), at.Private, at.Inside, vnet.LinkConfig{}
	}
	site, err := realm.AddSite(fmt.Sprintf("site-%s", cell.Elsewhere), vnet.SiteConfig{Prefix: prefix, Link: link, Hosts: w.hosts})
	if err != nil {
		return err
	}
	if w.elsewhere == nil {
		w.elsewhere = site.Link()
	}
	if w.Elsewhere, err = site.AddHost(cell.BoxElsewhere, addr); err != nil {
		return err
	}
	w.box(cell.BoxElsewhere, RoleHost, addr)
	if addr == at.Inside {
		w.box(cell.BoxNATElsewhere, RoleNAT, at.External)
	}
	return nil
}
