// Package vnet is a virtual internet: sites with hosts, NAT gateways nested to
// any depth, links that lose and delay, all in one process.
//
// It is for whoever wants to run real network code (a SIP stack, a STUN client,
// pion/ice) behind NATs of exactly known behaviour and see every packet. What joins
// them is this package's own core, because pion's NAT cannot be configured in all of
// RFC 4787's ways.
//
// # What sends and receives
//
// A site has hosts of one kind; each is a transport.Net. [Pion] hosts are pion vnet Nets on a
// pion router, which carries what is for them. [Native] hosts are this package's own: the same
// promises and the same trace, with IPv6, for speed and number. A pion router of your own, with
// the Nets that it has, becomes a site by [Realm.AttachRouter]. A [Port] is for whole IP packets
// of any protocol, for a program that has an IP stack of its own; package emulator has real programs.
//
// Packets are IP packets: what a socket sends gets its bytes when a port, a fragment or an ICMP
// error wants them. Each router takes a hop off the TTL; a link has an MTU; gateways write what
// their NAT decides into the bytes, and join fragments or drop them ([FragmentPolicy]). Hosts
// answer echo requests, and tell of closed ports: a socket that is connected gets ECONNREFUSED,
// as on Linux. A host that is told what its path carries sends fragments from then on.
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
// instant. A native socket may call its reader instead of waking it ([Conn.Push]),
// where two links meet that only take time there is no step, and the step of a datagram that
// has to go over such a link first is left out: the core handles it when it next comes to rest,
// by the clock of that step. So OnEvent may be told later than a thing happened, though in order
// and before anything comes of it; [Lab.CatchUp] has it told at once.
//
// That order ends at the sockets: what goroutines of one host that wake at the same
// nanosecond do to each other is theirs to order. Beside a lab use bubble.Wait, not
// synctest.Wait.
//
// # The real clock
//
// Outside a bubble a packet is carried all its way on the goroutine that sends it, as soon as
// it is sent; what a link holds leaves by a timer of the kernel (on Linux; elsewhere by one of
// Go, up to a millisecond late). There is no order but that in which things happen.
//
// # What it is not
//
// Hosts have UDP, and no TCP. A flipped bit is a dropped packet, and FQ-CoDel has no ECN to mark.
// No ARP, no DHCP, no routing protocol: addresses and prefixes are given.
package vnet
