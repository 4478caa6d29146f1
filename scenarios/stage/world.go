package stage

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/wire"
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
	STUN, Proxy, Gateway *vnet.Host    // STUN has two addresses; Gateway is nil where the flow has none

	hosts vnet.HostKind
	boxes []Box
	told  []wire.Told // what the proxy tells; read it when it has stopped
}

// NewWorld builds the cell's topology. The seed decides what NATs choose at random.
func NewWorld(lab *vnet.Lab, c cell.Cell, seed uint64, access vnet.LinkConfig) (*World, error) {
	w := &World{Lab: lab, hosts: hostKind(c)}
	if err := w.addSide(c, cell.A, seed, access); err != nil {
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
	return w, nil
}

// Boxes are the boxes of the world from left to right.
func (w *World) Boxes() []Box { return w.boxes }

// Host is the user agent's on the given side, or nil.
func (w *World) Host(side cell.Side) *vnet.Host {
	if side == cell.A {
		return w.A
	}
	return w.B
}

func (w *World) addServers(c cell.Cell) error {
	w.box(cell.BoxInternet, RoleInternet)
	site, err := w.Lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: cell.ServerNet, Hosts: w.hosts})
	if err != nil {
		return err
	}
	if w.STUN, err = site.AddHost(cell.BoxSTUN, cell.STUNAddr, cell.STUNAltAddr); err != nil {
		return err
	}
	w.box(cell.BoxSTUN, RoleServer, cell.STUNAddr, cell.STUNAltAddr)
	if w.Proxy, err = site.AddHost(cell.BoxProxy, cell.ProxyAddr); err != nil {
		return err
	}
	w.box(cell.BoxProxy, RoleServer, cell.ProxyAddr)
	if c.Host(cell.B) == cell.BoxGateway {
		if w.Gateway, err = site.AddHost(cell.BoxGateway, cell.GatewayAddr); err != nil {
			return err
		}
		w.box(cell.BoxGateway, RoleServer, cell.GatewayAddr)
	}
	return nil
}

func (w *World) addSide(c cell.Cell, side cell.Side, seed uint64, access vnet.LinkConfig) error {
	nat, err := NAT(c, side)
	if err != nil {
		return err
	}
	at := cell.PlaceOf(side)
	realm, prefix, addr, siteLink := w.Lab.Internet(), at.Public, at.Host, access
	var gw *vnet.Gateway
	if nat.Behavior().Translates() {
		place := natmodels.Place{External: []netip.Addr{at.External}, Seed: seedFor(seed, cell.NATBox(side))}
		if c.PortManager == cell.ManagerStatic {
			place.Static = forwards(at)
		}
		alg, err := c.SIPALG()
		if err != nil {
			return err
		}
		if gw, err = w.Lab.Internet().AddGateway(cell.NATBox(side), vnet.GatewayConfig{NAT: nat, Place: place, Link: access, ALG: alg}); err != nil {
			return err
		}
		realm, prefix, addr, siteLink = gw.Inside(), at.Private, at.Inside, vnet.LinkConfig{}
	}
	site, err := realm.AddSite(fmt.Sprintf("site-%s", side), vnet.SiteConfig{Prefix: prefix, Link: siteLink, Hosts: w.hosts})
	if err != nil {
		return err
	}
	host, err := site.AddHost(c.Host(side), addr)
	if err != nil {
		return err
	}
	if side == cell.A {
		w.A, w.NATA = host, gw
		w.box(c.Host(side), RoleHost, addr)
	}
	if gw != nil {
		w.box(cell.NATBox(side), RoleNAT, at.External)
	}
	if side == cell.B {
		w.B, w.NATB = host, gw
		w.box(c.Host(side), RoleHost, addr)
	}
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
func forwards(at cell.Place) []natmodels.StaticMapping {
	var all []natmodels.StaticMapping
	for _, port := range []uint16{cell.SIPPort, cell.RTPPort, cell.RTCPPort} {
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
