package scenarios

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/vnet"
)

// The ports that user agents use inside, and that port forwards are for.
const (
	RTPPort  = 40000
	RTCPPort = RTPPort + 1
)

// The addresses of every world are from the blocks for documentation (RFC 5737)
// and for private networks (RFC 1918).
var (
	serverNet = netip.MustParsePrefix("203.0.113.0/24")

	proxyAddr   = netip.MustParseAddr("203.0.113.10")
	stunAddr    = netip.MustParseAddr("203.0.113.20")
	stunAltAddr = netip.MustParseAddr("203.0.113.21")
	gatewayAddr = netip.MustParseAddr("203.0.113.30")

	sides = map[Side]sideAddrs{
		A: {
			public: netip.MustParsePrefix("198.51.100.0/24"), private: netip.MustParsePrefix("10.0.0.0/24"),
			external: netip.MustParseAddr("198.51.100.1"),
			host:     netip.MustParseAddr("198.51.100.2"), inside: netip.MustParseAddr("10.0.0.2"),
		},
		B: {
			public: netip.MustParsePrefix("192.0.2.0/24"), private: netip.MustParsePrefix("192.168.1.0/24"),
			external: netip.MustParseAddr("192.0.2.1"),
			host:     netip.MustParseAddr("192.0.2.2"), inside: netip.MustParseAddr("192.168.1.2"),
		},
	}
)

// sideAddrs are the addresses of one side: with a NAT the private network and
// the external address, without one the public network.
type sideAddrs struct {
	public, private        netip.Prefix
	external, host, inside netip.Addr
}

// DefaultLink is the access link of each side: 10 ms one way, nothing lost.
var DefaultLink = vnet.LinkConfig{Latency: 10 * time.Millisecond}

// World is the topology of a cell, built in a lab: the two ends behind their
// NATs, and the servers on the internet, each with an address of its own.
type World struct {
	Lab                  *vnet.Lab
	A, B                 *vnet.Host    // B is nil where the gateway is the other end
	NATA, NATB           *vnet.Gateway // nil on a side without a NAT
	STUN, Proxy, Gateway *vnet.Host    // STUN has two addresses; Gateway is nil but in pc-to-phone

	boxes   []Box
	refused []registrar.Event // what the proxy threw away; read it when it has stopped
}

// NewWorld builds the cell's topology. The seed decides what NATs choose at random.
func NewWorld(lab *vnet.Lab, c Cell, seed uint64, access vnet.LinkConfig) (*World, error) {
	w := &World{Lab: lab}
	if err := w.addSide(c, A, seed, access); err != nil {
		return nil, err
	}
	if err := w.addServers(c); err != nil {
		return nil, err
	}
	if c.Flow != FlowPCToPhone {
		if err := w.addSide(c, B, seed, access); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Boxes are the boxes of the world from left to right.
func (w *World) Boxes() []Box { return w.boxes }

// host is the user agent's on the given side, or nil.
func (w *World) host(side Side) *vnet.Host {
	if side == A {
		return w.A
	}
	return w.B
}

func (w *World) addServers(c Cell) error {
	w.box(BoxInternet, RoleInternet)
	site, err := w.Lab.Internet().AddSite("servers", vnet.SiteConfig{Prefix: serverNet})
	if err != nil {
		return err
	}
	if w.STUN, err = site.AddHost(BoxSTUN, stunAddr, stunAltAddr); err != nil {
		return err
	}
	w.box(BoxSTUN, RoleServer, stunAddr, stunAltAddr)
	if w.Proxy, err = site.AddHost(BoxProxy, proxyAddr); err != nil {
		return err
	}
	w.box(BoxProxy, RoleServer, proxyAddr)
	if c.Flow == FlowPCToPhone {
		if w.Gateway, err = site.AddHost(BoxGateway, gatewayAddr); err != nil {
			return err
		}
		w.box(BoxGateway, RoleServer, gatewayAddr)
	}
	return nil
}

func (w *World) addSide(c Cell, side Side, seed uint64, access vnet.LinkConfig) error {
	nat, err := c.NAT(side)
	if err != nil {
		return err
	}
	at := sides[side]
	realm, prefix, addr, siteLink := w.Lab.Internet(), at.public, at.host, access
	var gw *vnet.Gateway
	if nat.Behavior().Translates() {
		place := natmodels.Place{External: []netip.Addr{at.external}, Seed: seedFor(seed, NATBox(side))}
		if c.PortManager == ManagerStatic {
			place.Static = forwards(at)
		}
		alg, err := c.SIPALG()
		if err != nil {
			return err
		}
		if gw, err = w.Lab.Internet().AddGateway(NATBox(side), vnet.GatewayConfig{NAT: nat, Place: place, Link: access, ALG: alg}); err != nil {
			return err
		}
		realm, prefix, addr, siteLink = gw.Inside(), at.private, at.inside, vnet.LinkConfig{}
	}
	site, err := realm.AddSite(fmt.Sprintf("site-%s", side), vnet.SiteConfig{Prefix: prefix, Link: siteLink})
	if err != nil {
		return err
	}
	host, err := site.AddHost(c.Host(side), addr)
	if err != nil {
		return err
	}
	if side == A {
		w.A, w.NATA = host, gw
		w.box(c.Host(side), RoleHost, addr)
	}
	if gw != nil {
		w.box(NATBox(side), RoleNAT, at.external)
	}
	if side == B {
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
func forwards(at sideAddrs) []natmodels.StaticMapping {
	var all []natmodels.StaticMapping
	for _, port := range []uint16{SIPPort, RTPPort, RTCPPort} {
		all = append(all, natmodels.StaticMapping{
			Protocol: natmodels.UDP,
			Internal: netip.AddrPortFrom(at.inside, port),
			External: netip.AddrPortFrom(at.external, port),
		})
	}
	return all
}

func (w *World) box(name string, role Role, addrs ...netip.Addr) {
	w.boxes = append(w.boxes, Box{Name: name, Role: role, Addrs: addrs})
}
