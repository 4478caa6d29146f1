package stage

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// Bench is a NAT on the test bench: two hosts behind it, and the STUN server on the other
// side. It is the a side of every world, with a neighbour, for who examines the NAT alone.
type Bench struct {
	A, Neighbour *vnet.Host
	NAT          *vnet.Gateway
	STUN         *vnet.Host // has two addresses
}

// NewBench puts the NAT into the lab. The neighbour has that address, from the private
// network of a. Links have no latency and lose nothing.
func NewBench(lab *vnet.Lab, nat natmodels.Model, place natmodels.Place, neighbour netip.Addr) (*Bench, error) {
	b := &Bench{}
	servers, err := lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: cell.ServerNet})
	if err != nil {
		return nil, err
	}
	if b.STUN, err = servers.AddHost(cell.BoxSTUN, cell.STUNAddr, cell.STUNAltAddr); err != nil {
		return nil, err
	}
	if b.NAT, err = lab.Internet().AddGateway(cell.NATBox(cell.A), vnet.GatewayConfig{NAT: nat, Place: place}); err != nil {
		return nil, fmt.Errorf("stage: bench: %w", err)
	}
	at := cell.PlaceOf(cell.A)
	site, err := b.NAT.Inside().AddSite("site-a", vnet.SiteConfig{Prefix: at.Private})
	if err != nil {
		return nil, err
	}
	if b.A, err = site.AddHost(cell.BoxA, at.Inside); err != nil {
		return nil, err
	}
	b.Neighbour, err = site.AddHost("neighbour", neighbour)
	return b, err
}

// ServeSTUN runs the STUN server until stop is called.
func (b *Bench) ServeSTUN() (stop func() error, err error) { return serveSTUN(b.STUN) }
