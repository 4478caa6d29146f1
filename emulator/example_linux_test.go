package emulator_test

import (
	"fmt"
	"net/netip"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

// A program behind a symmetric NAT, a host of the lab that it talks to, and why something does not come.
func Example() {
	lab, _ := vnet.New(vnet.Config{OnEvent: func(e vnet.Event) {
		if e.Kind == vnet.Dropped {
			fmt.Println(e)
		}
	}})
	defer lab.Close()
	dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Hosts: vnet.Native})
	server, _ := dc.AddHost("server", netip.MustParseAddr("203.0.113.10"))
	conn, _ := server.Listen(netip.MustParseAddrPort("203.0.113.10:7000"))

	nat, _ := catalogue.Lookup("symmetric")
	at := natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
	gateway, _ := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: at})
	home, _ := gateway.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("192.168.1.0/24"), Hosts: vnet.Native})

	phone, err := emulator.Attach(home, "phone", emulator.Config{
		Addrs: []netip.Addr{netip.MustParseAddr("192.168.1.10")},
		Hosts: map[string]netip.Addr{"server": server.Addr()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer phone.Close()
	program := phone.Command("bash", "-c", "echo hello > /dev/udp/server/7000")
	if err := program.Run(); err != nil {
		fmt.Println(err)
		return
	}
	buf := make([]byte, 100)
	n, from, _ := conn.ReadFromUDPAddrPort(buf)
	fmt.Printf("%s from %v\n", buf[:n], from.Addr()) // hello from 198.51.100.1
}
