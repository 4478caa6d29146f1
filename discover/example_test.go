package discover_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/vnet"
)

// listener opens sockets on a virtual host; on a real one it would call net.ListenUDP.
func listener(h *vnet.Host) func(netip.AddrPort) (net.PacketConn, error) {
	return func(a netip.AddrPort) (net.PacketConn, error) { return h.ListenPacket("udp4", a.String()) }
}

func Example() {
	err := bubble.Run(func() {
		lab, _ := vnet.New(vnet.Config{Seed: 1})
		defer lab.Close()
		dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		host, _ := dc.AddHost("stun", netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("203.0.113.11"))
		nat, _ := catalogue.Lookup("eim-adf")
		at := natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
		gateway, _ := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: at})
		home, _ := gateway.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/24")})
		phone, _ := home.AddHost("phone", netip.MustParseAddr("10.0.0.2"))

		conns, err := stun.Listen(listener(host), netip.MustParseAddrPort("203.0.113.10:3478"), netip.MustParseAddrPort("203.0.113.11:3479"))
		if err != nil {
			fmt.Println(err)
			return
		}
		server, err := stun.New(stun.Config{Conns: conns})
		if err != nil {
			fmt.Println(err)
			return
		}
		go server.Serve()
		defer server.Close()

		report, err := discover.Run(context.Background(), discover.Config{
			Server: netip.MustParseAddrPort("203.0.113.10:3478"),
			Local:  netip.MustParseAddr("10.0.0.2"),
			Listen: listener(phone),
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("mapping:", report.Mapping)
		fmt.Println("filtering:", report.Filtering)
		fmt.Println("RFC 3489:", report.Classic)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// mapping: endpoint-independent
	// filtering: address-dependent
	// RFC 3489: restricted cone
}
