// Package vnet is a virtual internet: sites with hosts, NAT gateways nested to
// any depth, links that lose and delay, all in one process.
//
// It is for whoever wants to run real network code (a SIP stack, a STUN client,
// pion/ice) behind NATs of exactly known behaviour and see every packet. Hosts
// are pion vnet hosts and each is a transport.Net; what joins them is this
// package's own core, because pion's NAT cannot be configured in all of RFC
// 4787's ways.
//
// One meets the types in this order:
//
//	lab, _ := vnet.New(vnet.Config{Seed: 1})
//	defer lab.Close()
//
//	// A public network with a server on it.
//	dc, _ := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
//	server, _ := dc.AddHost("server", netip.MustParseAddr("203.0.113.10"))
//
//	// A home behind a NAT.
//	nat, _ := catalogue.Lookup("port-restricted")
//	at := natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
//	gw, _ := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: at})
//	home, _ := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/24")})
//	phone, _ := home.AddHost("phone")
//
//	conn, _ := phone.ListenPacket("udp4", ":5060") // a net.PacketConn like any other
//
// A gateway may have a SIP application level gateway beside its NAT (package sipalg),
// which is switched on and off with Gateway.SetALG.
//
// A link ([LinkConfig]) loses alone or in bursts, duplicates, reorders, corrupts, delays by
// a distribution, and has a rate with a queue (drop-tail or FQ-CoDel); its directions may
// differ, and each may be changed while it runs without losing what waits. Access links as
// people have them are [LinkPreset]; what none of that does, a [Rule] does. docs/network.md
// has the order in which a packet meets all this.
//
// Every box writes typed events (sent, translated, rewritten, delivered, dropped with the
// reason and the mapping) into one trace, see Lab.Trace.
//
// # Determinism
//
// Run a lab in a bubble (package bubble): then time is virtual and the same
// seed gives the same trace, to the nanosecond. Goroutines run in any order
// within one virtual instant, so the core handles packets in steps: it collects
// what arrives, lets one virtual nanosecond pass, which happens only when every
// goroutine is blocked, and handles the batch sorted by site, source,
// destination and order within the flow. At the instant of a step what else
// happens there, because a timer of somebody fires at the same nanosecond, comes
// first: the core waits until the bubble is at rest (synctest.Wait), and what was
// sent at that instant is for the next step. A host gets one packet at an
// instant.
//
// That order ends at the sockets: what goroutines of one host that wake at the same
// nanosecond do to each other is theirs to order. Beside a lab use bubble.Wait, not
// synctest.Wait. Outside a bubble a lab works too, in real time and without that
// promise.
//
// # What it is not
//
// IPv4 and UDP only. No fragments: a packet larger than a link's MTU is
// dropped with reason "mtu". Packets have no bytes below UDP: a flipped bit is a
// dropped packet, and FQ-CoDel has no ECN to mark. No ARP, no DHCP, no routing protocol: addresses
// and prefixes are given.
package vnet
