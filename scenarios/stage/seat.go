package stage

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// Seat is where an end joins the lab that brings a host of its own, such as the network namespace
// of a program: the name that it must have in the trace, and its address on a site.
type Seat struct {
	Name string
	Site *vnet.Site
	Addr netip.Addr
}

// keepSeats takes note of the ends that bring a host of their own. Of those there are no two alike.
func (w *World) keepSeats(c cell.Cell, bring []cell.Side) error {
	for _, side := range bring {
		switch {
		case side == Proxy && (c.Topology == cell.ProxyNAT || c.Registrar == cell.RegistrarAnotherSource):
			return fmt.Errorf("stage: %s: %w: there is no seat for a host of its own", cell.BoxProxy, ErrNotThisProxy)
		case side == Proxy:
		case c.Host(side) == "" || c.Host(side) == cell.BoxGateway:
			continue // it is somebody else in this cell
		case side == cell.C, side == cell.B && c.Topology == cell.OneNAT, side == cell.A && (c.Topology == cell.TwoPhones || c.Flow.Uses(cell.KeyPhones)):
			return fmt.Errorf("stage: %s: %w: there is no seat for a host of its own", c.Host(side), ErrNotThisPhone)
		}
		w.seats[side] = Seat{}
		w.hosts = vnet.Native // pion's take turns with a goroutine on the real clock
	}
	return nil
}

// Proxy is the side of a registrar and proxy that brings a host of its own.
const Proxy cell.Side = "proxy"

// Seat is that of an end, or of the proxy, that brings a host of its own.
func (w *World) Seat(side cell.Side) Seat { return w.seats[side] }

// seat adds the host of an end, or keeps its place for it.
func (w *World) seat(site *vnet.Site, side cell.Side, name string, addrs ...netip.Addr) (*vnet.Host, error) {
	if _, brings := w.seats[side]; brings {
		w.seats[side] = Seat{name, site, addrs[0]}
		return nil, nil
	}
	return site.AddHost(name, addrs...)
}

// Peopled says whether there is a phone at an end: on a host, or with a seat for its own. The
// gateway is none.
func (w *World) Peopled(side cell.Side) bool {
	_, brings := w.seats[side]
	return brings || w.Host(side) != nil
}

// Bringing are the ends whose phones bring a host of their own.
func (p Phones) Bringing() []cell.Side {
	var all []cell.Side
	for _, side := range []cell.Side{cell.A, cell.B, cell.C} {
		if p.Of(side).Brings {
			all = append(all, side)
		}
	}
	return all
}
