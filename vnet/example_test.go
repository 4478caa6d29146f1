package vnet_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/vnet"
)

// A rule that drops each second packet of a phone behind a satellite link.
func ExampleRule() {
	err := bubble.Run(func() {
		lab, _ := vnet.New(vnet.Config{Seed: 1, OnEvent: func(e vnet.Event) {
			fmt.Printf("%v %s %v %q\n", e.At.Round(time.Millisecond), e.Box, e.Kind, e.Reason)
		}})
		defer lab.Close()
		up, down, _ := vnet.LinkPreset("satellite")
		up.Jitter, up.Loss = 0, 0
		home, _ := lab.Internet().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Link: up, Inbound: &down})
		far, _ := lab.Internet().AddSite("far", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		phone, _ := home.AddHost("phone")
		server, _ := far.AddHost("server")

		n := 0
		_ = home.Link().SetOutboundRules(func(vnet.Packet) vnet.Verdict {
			if n++; n%2 == 0 {
				return vnet.Drop("second", "each second packet is dropped")
			}
			return vnet.Pass
		})
		to, _ := server.ListenPacket("udp4", ":9")
		from, _ := phone.ListenPacket("udp4", ":9")
		for range 2 {
			_, _ = from.WriteTo([]byte("x"), to.LocalAddr())
		}
		time.Sleep(time.Second)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0s home.link changed ""
	// 0s phone sent ""
	// 0s phone sent ""
	// 0s home.link dropped "second"
	// 300ms server delivered ""
}
