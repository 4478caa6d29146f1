package vnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/transport/v3/vnet"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// pionSite is a router and two Nets as somebody has them who knows pion vnet.
func pionSite(cidr string, addrs ...string) (router *pion.Router, nets []*pion.Net, err error) {
	if router, err = pion.NewRouter(&pion.RouterConfig{CIDR: cidr, LoggerFactory: logging.NewDefaultLoggerFactory()}); err != nil {
		return nil, nil, err
	}
	for _, a := range addrs {
		n, err := pion.NewNet(&pion.NetConfig{StaticIPs: []string{a}})
		if err == nil {
			err = router.AddNet(n)
		}
		if err != nil {
			return nil, nil, err
		}
		nets = append(nets, n)
	}
	return router, nets, router.Start()
}

// A pion router that was there before stands behind our NAT; its Nets talk to each other and to
// the world, and the trace tells what the NAT did.
func TestAttachRouter(t *testing.T) {
	play := func(lab *vnet.Lab) error {
		nat, _ := catalogue.Lookup("symmetric")
		gw, err := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: at("198.51.100.1")})
		if err != nil {
			return err
		}
		router, nets, err := pionSite("10.0.0.0/24", "10.0.0.5", "10.0.0.6")
		if err != nil {
			return err
		}
		defer router.Stop()
		site, err := gw.Inside().AttachRouter("office", router, vnet.RouterConfig{Prefix: prefix("10.0.0.0/24"), Names: map[netip.Addr]string{addr("10.0.0.5"): "desk"}})
		if err != nil {
			return err
		}
		dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")})
		h, err := dc.AddHost("server")
		if err != nil {
			return err
		}
		server, err := h.Listen(netip.AddrPort{})
		if err != nil {
			return err
		}
		desk, err := nets[0].ListenUDP("udp4", udp("10.0.0.5:4000"))
		if err != nil {
			return err
		}
		defer desk.Close()
		other, err := nets[1].ListenUDP("udp4", udp("10.0.0.6:4000"))
		if err != nil {
			return err
		}
		defer other.Close()
		buf := make([]byte, 100)
		hear := func(c net.PacketConn, want, from string) error {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, a, err := c.ReadFrom(buf)
			if err != nil || string(buf[:n]) != want || from != "" && a.String() != from {
				return fmt.Errorf("%q from %v: %v, want %q from %s", buf[:n], a, err, want, from)
			}
			return nil
		}
		if _, err := desk.WriteTo([]byte("local"), other.LocalAddr()); err != nil {
			return err
		}
		if err := hear(other, "local", "10.0.0.5:4000"); err != nil {
			return err
		}
		if _, err := desk.WriteTo([]byte("out"), server.LocalAddr()); err != nil {
			return err
		}
		n, from, err := server.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "out" || from.Addr() != addr("198.51.100.1") {
			return fmt.Errorf("%q from %v: %v", buf[:n], from, err)
		}
		if _, err := server.WriteToUDPAddrPort([]byte("back"), from); err != nil {
			return err
		}
		if err := hear(desk, "back", server.LocalAddr().String()); err != nil {
			return err
		}
		sent := 0
		for _, e := range lab.Trace() {
			if e.Kind == vnet.Sent && e.Box == "desk" {
				sent++
			}
		}
		if _, err := site.AddHost("x"); err == nil || sent != 1 {
			return fmt.Errorf("%d sent by the desk; a host on the router: %v", sent, err)
		}
		_, again := gw.Inside().AttachRouter("again", router, vnet.RouterConfig{Prefix: prefix("10.0.0.0/24")})
		_, none := gw.Inside().AttachRouter("none", nil, vnet.RouterConfig{Prefix: prefix("10.0.1.0/24")})
		_, foreign := gw.Inside().AttachRouter("foreign", router, vnet.RouterConfig{Prefix: prefix("10.0.1.0/24"), Own: addr("10.0.2.1")})
		if again == nil || none == nil || foreign == nil {
			return fmt.Errorf("%v, %v, %v", again, none, foreign)
		}
		return nil
	}
	t.Run("virtual", func(t *testing.T) { inLab(t, vnet.Config{}, play) })
	t.Run("real", func(t *testing.T) {
		lab, err := vnet.New(vnet.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(play(lab), lab.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Fragments for a Net are joined before its router; of those that do not all come its router tells
// who sent them.
func TestFragmentsForARouter(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		router, nets, err := pionSite("192.0.2.0/24", "192.0.2.5")
		if err != nil {
			return err
		}
		defer router.Stop()
		if _, err := lab.Internet().AttachRouter("office", router, vnet.RouterConfig{Prefix: prefix("192.0.2.0/24")}); err != nil {
			return err
		}
		dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Hosts: hosts, Prefix: prefix("203.0.113.0/24")})
		var told tray
		port, err := dc.AddPort("port", told.put, addr(far))
		if err != nil {
			return err
		}
		desk, err := nets[0].ListenUDP("udp4", udp("192.0.2.5:4000"))
		if err != nil {
			return err
		}
		defer desk.Close()
		pieces := func(id uint16) [][]byte {
			b := datagram(ippacket.Header{ID: id}, far+":53", "192.0.2.5:4000", make([]byte, 1200))
			v := must(ippacket.Parse(b))
			return must(v.Fragment(b, 500))
		}
		for _, p := range pieces(1) {
			port.Send(p)
		}
		buf := make([]byte, 2000)
		if n, _, err := desk.ReadFrom(buf); n != 1200 || err != nil {
			return fmt.Errorf("%d bytes: %v", n, err)
		}
		port.Send(pieces(2)[0])
		time.Sleep(2 * time.Minute)
		v, _, err := last(told.get())
		if err != nil || v.Packet.Type != natmodels.TimeExceeded || v.Packet.Code != 1 || v.Packet.Src.Addr() != addr("192.0.2.1") {
			return fmt.Errorf("%+v: %v", v, err)
		}
		return nil
	})
}
