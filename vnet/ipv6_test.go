package vnet_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/stateless"
	"github.com/natproof/natproof/natmodels/translate"
	"github.com/natproof/natproof/vnet"
)

// six is a native host of IPv6 and its socket behind a gateway, and a server on the internet.
func six(lab *vnet.Lab, nat natmodels.Model, place natmodels.Place, inside, server string, link vnet.LinkConfig) (phone, far *vnet.Conn, err error) {
	gw, err := lab.Internet().AddGateway("box", vnet.GatewayConfig{NAT: nat, Place: place, Link: link})
	if err != nil {
		return nil, nil, err
	}
	open := func(r *vnet.Realm, name, net, at string) (*vnet.Conn, error) {
		site, err := r.AddSite(name, vnet.SiteConfig{Prefix: prefix(net), Hosts: vnet.Native})
		if err != nil {
			return nil, err
		}
		h, err := site.AddHost(name+"-host", addr(at))
		if err != nil {
			return nil, err
		}
		return h.Listen(netip.AddrPortFrom(addr(at), 5060))
	}
	if phone, err = open(gw.Inside(), "home", inside+"/64", inside+"5"); err != nil {
		return nil, nil, err
	}
	far, err = open(lab.Internet(), "dc", netip.PrefixFrom(addr(server), map[bool]int{true: 24, false: 64}[addr(server).Is4()]).Masked().String(), server)
	return phone, far, err
}

// A box that knows IPv6 serves native hosts: what comes is seen from where the box shows it,
// and the answer gets back.
func TestIPv6(t *testing.T) {
	router, err := catalogue.Lookup("none")
	if err != nil {
		t.Fatal(err)
	}
	nat64 := translate.NAT64{Config: translate.RFC4787(natmodels.EndpointIndependent, natmodels.AddressDependent), Prefix: translate.WellKnownPrefix}
	nptv6 := stateless.PrefixTranslator{Prefixes: []natmodels.PrefixMapping{{Internal: prefix("fd00::/64"), External: prefix("2001:db8:1::/64")}}}
	for name, x := range map[string]struct {
		nat            natmodels.Model
		place          natmodels.Place
		inside, server string
		to, seen       string
	}{
		"router":   {router, natmodels.Place{}, "2001:db8:1::", "2001:db8:2::9", "[2001:db8:2::9]:5060", "[2001:db8:1::5]:5060"},
		"firewall": {conntrack.Firewall{Filtering: natmodels.AddressAndPortDependent}, natmodels.Place{}, "2001:db8:1::", "2001:db8:2::9", "[2001:db8:2::9]:5060", "[2001:db8:1::5]:5060"},
		"nptv6":    {nptv6, natmodels.Place{}, "fd00::", "2001:db8:2::9", "[2001:db8:2::9]:5060", ""},
		"nat64":    {nat64, at("198.51.100.1"), "2001:db8:1::", "203.0.113.9", "[64:ff9b::203.0.113.9]:5060", "198.51.100.1:5060"},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
				phone, far, err := six(lab, x.nat, x.place, x.inside, x.server, vnet.LinkConfig{})
				if err != nil {
					return err
				}
				if _, err := phone.WriteToUDPAddrPort([]byte("ping"), ap(x.to)); err != nil {
					return err
				}
				buf := make([]byte, 10)
				n, from, err := far.ReadFromUDPAddrPort(buf)
				if err != nil || string(buf[:n]) != "ping" || x.seen != "" && from != ap(x.seen) || from.Addr() == phone.LocalAddrPort().Addr() != (name == "router" || name == "firewall") {
					return fmt.Errorf("%q from %v: %v", buf[:n], from, err)
				}
				if _, err := far.WriteToUDPAddrPort([]byte("pong"), from); err != nil {
					return err
				}
				n, from, err = phone.ReadFromUDPAddrPort(buf)
				if err != nil || string(buf[:n]) != "pong" || from != ap(x.to) {
					return fmt.Errorf("answer %q from %v: %v", buf[:n], from, err)
				}
				return nil
			})
		})
	}
}

// A NAT64 translates what comes in bytes: a connection of TCP, and an echo.
func TestNAT64OfBytes(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		nat64 := translate.NAT64{Config: translate.RFC4787(natmodels.EndpointIndependent, natmodels.AddressDependent), Prefix: translate.WellKnownPrefix}
		gw, err := lab.Internet().AddGateway("nat64", vnet.GatewayConfig{NAT: nat64, Place: at("198.51.100.1")})
		if err != nil {
			return err
		}
		home, _ := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: prefix("2001:db8::/64"), Hosts: vnet.Native})
		dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: prefix("203.0.113.0/24"), Hosts: hosts})
		var there, here tray
		in, err := home.AddPort("in", here.put, addr("2001:db8::5"))
		if err != nil {
			return err
		}
		out, err := dc.AddPort("out", there.put, addr("203.0.113.10"))
		if err != nil {
			return err
		}
		syn := natmodels.Packet{Protocol: natmodels.TCP, Flags: natmodels.SYN, Seq: 7, Src: ap("[2001:db8::5]:4000"), Dst: ap("[64:ff9b::203.0.113.10]:80")}
		in.Send(must(ippacket.AppendTCP(nil, ippacket.Header{}, syn, 100, nil)))
		time.Sleep(time.Second)
		v, ip, err := last(there.get())
		if err == nil {
			err = v.Verify(ip)
		}
		if err != nil || v.Version != 4 || v.Packet.Src.Addr() != addr("198.51.100.1") || v.Packet.Seq != 7 {
			return fmt.Errorf("%+v: %v", v, err)
		}
		answer := natmodels.Packet{Protocol: natmodels.TCP, Flags: natmodels.SYN | natmodels.ACK, Ack: 8, Src: v.Packet.Dst, Dst: v.Packet.Src}
		out.Send(must(ippacket.AppendTCP(nil, ippacket.Header{}, answer, 100, nil)))
		time.Sleep(time.Second)
		v, ip, err = last(here.get())
		if err == nil {
			err = v.Verify(ip)
		}
		if err != nil || v.Version != 6 || v.Packet.Dst != syn.Src || v.Packet.Src != syn.Dst || v.Packet.Ack != 8 {
			return fmt.Errorf("answer %+v: %v", v, err)
		}
		return nil
	})
}

// "Packet too big" is believed as far as every link of IPv6 goes, and what is larger is cut by its
// source, never on the way (RFC 8200 section 5, RFC 8201 section 4).
func TestPathMTUOfIPv6(t *testing.T) {
	for mtu, arrives := range map[int]bool{1300: true, 1000: false} {
		inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
			router, err := catalogue.Lookup("none")
			if err != nil {
				return err
			}
			phone, far, err := six(lab, router, natmodels.Place{}, "2001:db8:1::", "2001:db8:2::9", vnet.LinkConfig{MTU: mtu})
			if err != nil {
				return err
			}
			sent := bytes.Repeat([]byte("0123456789"), 300)
			phone.WriteToUDPAddrPort(sent, far.LocalAddrPort()) // lost: this is how the host learns
			time.Sleep(time.Second)
			phone.WriteToUDPAddrPort(sent, far.LocalAddrPort())
			far.SetReadDeadline(time.Now().Add(time.Second))
			buf := make([]byte, 4000)
			n, _, err := far.ReadFromUDPAddrPort(buf)
			if arrived := err == nil && bytes.Equal(buf[:n], sent); arrived != arrives {
				return fmt.Errorf("MTU %d: %d bytes, %v\n%s", mtu, n, err, trace(lab))
			}
			return nil
		})
	}
}

// A NAT64 joins fragments in whatever order they come (RFC 6146 section 3.4).
func TestNAT64Fragments(t *testing.T) {
	for _, backwards := range []bool{false, true} {
		inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
			nat64 := translate.NAT64{Config: translate.RFC4787(natmodels.EndpointIndependent, natmodels.AddressDependent), Prefix: translate.WellKnownPrefix}
			gw, err := lab.Internet().AddGateway("nat64", vnet.GatewayConfig{NAT: nat64, Place: at("198.51.100.1")})
			if err != nil {
				return err
			}
			home, _ := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: prefix("2001:db8::/64"), Hosts: vnet.Native})
			dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: prefix("203.0.113.0/24"), Hosts: hosts})
			in, err := home.AddPort("in", func([]byte) {}, addr("2001:db8::5"))
			if err != nil {
				return err
			}
			server, err := dc.AddHost("server", addr("203.0.113.10"))
			if err != nil {
				return err
			}
			c, err := server.Listen(ap("203.0.113.10:53"))
			if err != nil {
				return err
			}
			sent := bytes.Repeat([]byte("0123456789"), 300)
			b := datagram(ippacket.Header{}, "[2001:db8::5]:4000", "[64:ff9b::203.0.113.10]:53", sent)
			v := must(ippacket.Parse(b))
			parts := must(v.Fragment6(b, 1280, 7))
			if backwards {
				slices.Reverse(parts)
			}
			for _, p := range parts {
				in.Send(p)
				time.Sleep(time.Millisecond)
			}
			c.SetReadDeadline(time.Now().Add(time.Second))
			got := make([]byte, 4000)
			n, from, err := c.ReadFromUDPAddrPort(got)
			if err != nil || from.Addr() != addr("198.51.100.1") || !bytes.Equal(got[:n], sent) {
				return fmt.Errorf("%d bytes from %v: %v\n%v", n, from, err, trace(lab))
			}
			return nil
		})
	}
}
