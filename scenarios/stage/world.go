package stage

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/vnet"
)

// DefaultLink is the access link of each side: 10 ms one way, nothing lost.
var DefaultLink = vnet.LinkConfig{Latency: 10 * time.Millisecond}

// World is the topology of a cell, built in a lab: the two ends behind their
// NATs, and the servers on the internet, each with an address of its own.
type World struct {
	Lab                  *vnet.Lab
	A, B                 *vnet.Host    // B is nil where the gateway is the other end
	NATA, NATB           *vnet.Gateway // nil on a side without a NAT
	Carrier              *vnet.Gateway // nil where there is none
	STUN, Proxy, Gateway *vnet.Host    // STUN has two addresses; Proxy is nil where it brings a host of its own, Gateway where the flow has none
	Beside               *vnet.Host    // the phone beside a, or nil
	Stranger             *vnet.Host    // somebody who is not of the call, or nil
	Crowd                []*vnet.Host  // others beside a; they are no boxes to be drawn
	C                    *vnet.Host    // nil where the flow has no third end
	Elsewhere            *vnet.Host    // a where it roams to, or nil

	site      *vnet.Site         // of a
	seats     map[cell.Side]Seat // of ends that bring a host of their own
	elsewhere *vnet.Link         // to the network that it roams to, or nil
	natA      natmodels.Model
	next      netip.Addr // that the NAT in front of a gets
	hosts     vnet.HostKind
	boxes     []Box
	registrar *registrar.Server // nil before ServeProxy
	told      []wire.Told       // what the proxy tells; read it when it has stopped
}

// NewWorld builds the cell's topology. The seed decides what NATs choose at random. The ends that
// bring a host of their own get a seat.
func NewWorld(lab *vnet.Lab, c cell.Cell, seed uint64, access vnet.LinkConfig, bring ...cell.Side) (*World, error) {
	w := &World{Lab: lab, hosts: hostKind(c), next: cell.PlaceIn(c, cell.A).Next, seats: map[cell.Side]Seat{}}
	if err := w.keepSeats(c, bring); err != nil {
		return nil, err
	}
	if err := w.addCarrier(c, seed); err != nil {
		return nil, err
	}
	if err := w.addSide(c, cell.A, seed, access); err != nil {
		return nil, err
	}
	if err := w.addElsewhere(c, seed, access); err != nil {
		return nil, err
	}
	if err := w.addServers(c); err != nil {
		return nil, err
	}
	if c.Host(cell.B) != cell.BoxGateway {
		if err := w.addSide(c, cell.B, seed, access); err != nil {
			return nil, err
		}
	}
	return w, w.lose(c.Loss)
}

// Boxes are the boxes of the world from left to right.
func (w *World) Boxes() []Box { return w.boxes }

// Host is the user agent's on the given side, or nil.
func (w *World) Host(side cell.Side) *vnet.Host {
	switch side {
	case cell.A:
		return w.A
	case cell.C:
		return w.C
	}
	return w.B
}

func (w *World) addServers(c cell.Cell) error {
	w.box(cell.BoxInternet, RoleInternet)
	prefix := cell.ServerNet
	if c.Topology == cell.ProxyNAT {
		prefix = cell.OtherServers
	}
	site, err := w.Lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: prefix, Hosts: w.hosts, Link: serversLink(c)})
	if err != nil {
		return err
	}
	if w.STUN, err = site.AddHost(cell.BoxSTUN, cell.STUNAddr, cell.STUNAltAddr); err != nil {
		return err
	}
	w.box(cell.BoxSTUN, RoleServer, cell.STUNAddr, cell.STUNAltAddr)
	if err := w.addProxy(c, site); err != nil {
		return err
	}
	if err := w.addStranger(c, site); err != nil {
		return err
	}
	if c.Host(cell.B) == cell.BoxGateway {
		if w.Gateway, err = site.AddHost(cell.BoxGateway, cell.GatewayAddr); err != nil {
			return err
		}
		w.box(cell.BoxGateway, RoleServer, cell.GatewayAddr)
	}
	if third := c.Host(cell.C); third != "" {
		if w.C, err = site.AddHost(third, cell.ThirdAddr); err != nil {
			return err
		}
		w.box(third, RoleHost, cell.ThirdAddr)
	}
	return nil
}

func (w *World) addSide(c cell.Cell, side cell.Side, seed uint64, access vnet.LinkConfig) error {
	if c.Topology == cell.OneNAT && side == cell.B {
		return w.addNeighbour(c)
	}
	nat, err := NAT(c, side)
	if err != nil {
		return err
	}
	at := cell.PlaceIn(c, side)
	realm, prefix, addr, siteLink := w.Lab.Internet(), at.Public, at.Host, access
	if w.Carrier != nil && (side == cell.A || c.Topology == cell.SharedCGN) {
		realm = w.Carrier.Inside()
	}
	outer := realm
	var gw *vnet.Gateway
	if nat.Behavior().Translates() {
		place := natmodels.Place{External: []netip.Addr{at.External}, Seed: seedFor(seed, cell.NATBox(side))}
		if c.PortManager == cell.ManagerStatic {
			place.Static = forwards(at, lines(c))
		}
		alg, err := c.SIPALG()
		if err != nil {
			return err
		}
		if gw, err = outer.AddGateway(cell.NATBox(side), vnet.GatewayConfig{NAT: nat, Place: place, Link: access, ALG: alg}); err != nil {
			return err
		}
		realm, prefix, addr, siteLink = gw.Inside(), at.Private, at.Inside, vnet.LinkConfig{}
	}
	if side == cell.A && gw != nil && c.Flow.Uses(cell.KeyPhones) {
		prefix = netip.PrefixFrom(prefix.Addr(), 16) // there may be many
	}
	site, err := realm.AddSite(fmt.Sprintf("site-%s", side), vnet.SiteConfig{Prefix: prefix, Link: siteLink, Hosts: w.hosts})
	if err != nil {
		return err
	}
	host, err := w.seat(site, side, c.Host(side), addr)
	if err != nil {
		return err
	}
	if side == cell.A {
		w.A, w.NATA, w.natA, w.site = host, gw, nat, site
		w.box(c.Host(side), RoleHost, addr)
		if c.Topology == cell.TwoPhones {
			if w.Beside, err = site.AddHost(cell.BoxBeside, third(prefix)); err != nil {
				return err
			}
			w.box(cell.BoxBeside, RoleHost, w.Beside.Addr())
		}
		if err := w.addCrowd(c); err != nil {
			return err
		}
	}
	if gw != nil {
		w.box(cell.NATBox(side), RoleNAT, at.External)
	}
	if side == cell.A && w.Carrier != nil {
		w.box(cell.BoxCarrier, RoleNAT, cell.PlaceOf(cell.A).External)
	}
	if side == cell.B {
		w.B, w.NATB = host, gw
		w.box(c.Host(side), RoleHost, addr)
	}
	return nil
}

// addCarrier puts the NAT of a carrier on the internet, where the topology has one.
func (w *World) addCarrier(c cell.Cell, seed uint64) error {
	nat, err := carrierNAT(c)
	if nat == nil || err != nil {
		return err
	}
	place := natmodels.Place{External: []netip.Addr{cell.PlaceOf(cell.A).External}, Seed: seedFor(seed, cell.BoxCarrier)}
	w.Carrier, err = w.Lab.Internet().AddGateway(cell.BoxCarrier, vnet.GatewayConfig{NAT: nat, Place: place})
	return err
}

// addNeighbour puts b on the local network of a.
func (w *World) addNeighbour(c cell.Cell) error {
	host, err := w.site.AddHost(c.Host(cell.B), third(w.site.Prefix()))
	if err != nil {
		return err
	}
	w.B = host
	w.box(c.Host(cell.B), RoleHost, host.Addr())
	return nil
}

// third is the third address of a network, after that of its router and its first host.
func third(p netip.Prefix) netip.Addr { return p.Addr().Next().Next().Next() }

// addProxy puts the proxy beside the other servers, or behind a NAT that forwards its port.
func (w *World) addProxy(c cell.Cell, site *vnet.Site) error {
	at, addr, calls := cell.ProxyOf(c), cell.ProxyAddr, cell.CallsAddr
	apart := c.Registrar == cell.RegistrarAnotherSource
	if c.Topology == cell.ProxyNAT {
		nat, err := catalogue.Lookup("port-restricted")
		if err != nil {
			return err
		}
		addr, calls = cell.ProxyInside, cell.CallsInside
		place := natmodels.Place{
			External: []netip.Addr{at.Addr()},
			Static:   []natmodels.StaticMapping{{Protocol: natmodels.UDP, Internal: netip.AddrPortFrom(addr, cell.ProxyPort), External: at}},
		}
		if out := cell.CallsOf(c); apart {
			place.External = append(place.External, out.Addr())
			place.Static = append(place.Static, natmodels.StaticMapping{Protocol: natmodels.UDP, Internal: netip.AddrPortFrom(calls, cell.ProxyPort), External: out})
		}
		gw, err := w.Lab.Internet().AddGateway(cell.BoxNATProxy, vnet.GatewayConfig{NAT: nat, Place: place})
		if err != nil {
			return err
		}
		if site, err = gw.Inside().AddSite("site-proxy", vnet.SiteConfig{Prefix: cell.ProxyNet, Hosts: w.hosts}); err != nil {
			return err
		}
		w.box(cell.BoxNATProxy, RoleNAT, place.External...)
	}
	addrs := []netip.Addr{addr}
	if apart {
		addrs = append(addrs, calls)
	}
	var err error
	if w.Proxy, err = w.seat(site, Proxy, cell.BoxProxy, addrs...); err != nil {
		return err
	}
	w.box(cell.BoxProxy, RoleServer, addrs...)
	return nil
}

// seedFor gives every box a seed of its own. It is never 0, which some take for
// "draw one".
func seedFor(seed uint64, box string) uint64 {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64([]byte(box), seed))
	return max(h.Sum64(), 1)
}

// forwards are the port forwards that go with the static port manager.
func forwards(at cell.Place, lines int) []natmodels.StaticMapping {
	ports := []uint16{cell.SIPPort}
	for port := uint16(cell.RTPPort); port < cell.RTPPort+2*uint16(lines); port++ {
		ports = append(ports, port)
	}
	var all []natmodels.StaticMapping
	for _, port := range ports {
		all = append(all, natmodels.StaticMapping{
			Protocol: natmodels.UDP,
			Internal: netip.AddrPortFrom(at.Inside, port),
			External: netip.AddrPortFrom(at.External, port),
		})
	}
	return all
}

func (w *World) box(name string, role Role, addrs ...netip.Addr) {
	w.boxes = append(w.boxes, Box{Name: name, Role: role, Addrs: addrs})
}

// Role is what a box is, for those who draw it.
type Role string

// The roles of boxes.
const (
	RoleHost     Role = "host"     // a user agent's host
	RoleNAT      Role = "nat"      // a gateway
	RoleInternet Role = "internet" // the realm of public addresses
	RoleServer   Role = "server"   // STUN server, proxy, PSTN gateway
)

// Box is one box of a cell's topology.
type Box struct {
	Name  string
	Role  Role
	Addrs []netip.Addr // its addresses; of a NAT the external ones
}
