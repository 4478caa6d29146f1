package cell

import "net/netip"

// Names of the boxes of every cell, as they stand in traces and causes. A side
// without a NAT has no NAT box, a flow without a server does not have it.
const (
	BoxA            = "a"        // the user agent a
	BoxNATA         = "nat-a"    // the NAT in front of a
	BoxInternet     = "internet" // where public addresses live
	BoxSTUN         = "stun"
	BoxProxy        = "proxy"   // registrar and proxy, one public UDP socket
	BoxGateway      = "gateway" // the PSTN gateway
	BoxNATB         = "nat-b"   // the NAT in front of b
	BoxCarrier      = "carrier" // the NAT of a carrier, in front of those of its subscribers
	BoxNATProxy     = "nat-proxy"
	BoxBeside       = "phone" // the phone beside a
	BoxStranger     = "stranger"
	BoxElsewhere    = "a-elsewhere" // a where it roams to
	BoxNATElsewhere = "nat-elsewhere"
	BoxB            = "b" // the user agent b
	BoxC            = "c" // the user agent c
)

// NATBox is the box of the NAT on the given side.
func NATBox(side Side) string {
	switch side {
	case A:
		return BoxNATA
	case Elsewhere:
		return BoxNATElsewhere
	}
	return BoxNATB
}

// The ports that user agents use inside, and that port forwards are for.
const (
	SIPPort  = 5060
	RTPPort  = 40000
	RTCPPort = RTPPort + 1
)

// Ports of the servers.
const (
	STUNPort    = 3478
	STUNAltPort = 3479
	ProxyPort   = 5060
	GatewayPort = 5060
)

// Domain is the domain of the addresses of record. Nobody resolves it: every
// request goes through the outbound proxy.
const Domain = "example.com"

// PhoneNumber is the number behind the PSTN gateway.
const PhoneNumber = "1234567"

// The addresses of every world are from the blocks for documentation (RFC 5737)
// and for private networks (RFC 1918).
var (
	ServerNet   = netip.MustParsePrefix("203.0.113.0/24")
	ProxyAddr   = netip.MustParseAddr("203.0.113.10")
	CallsAddr   = netip.MustParseAddr("203.0.113.11") // the proxy's other one
	STUNAddr    = netip.MustParseAddr("203.0.113.20")
	STUNAltAddr = netip.MustParseAddr("203.0.113.21")
	GatewayAddr = netip.MustParseAddr("203.0.113.30")
	ThirdAddr   = netip.MustParseAddr("203.0.113.40") // of c
	// StrangerAddr is the address of somebody who is not of the call.
	StrangerAddr = netip.MustParseAddr("203.0.113.66")
)

// Place are the addresses of one side: with a NAT the private network and
// the external address, without one the public network.
type Place struct {
	Public, Private        netip.Prefix
	External, Host, Inside netip.Addr
	Next                   netip.Addr // the external address after a change of it
}

var places = map[Side]Place{
	A: {
		Public: netip.MustParsePrefix("198.51.100.0/24"), Private: netip.MustParsePrefix("10.0.0.0/24"),
		External: netip.MustParseAddr("198.51.100.1"),
		Host:     netip.MustParseAddr("198.51.100.2"), Inside: netip.MustParseAddr("10.0.0.2"),
		Next: netip.MustParseAddr("198.51.100.77"),
	},
	B: {
		Public: netip.MustParsePrefix("192.0.2.0/24"), Private: netip.MustParsePrefix("192.168.1.0/24"),
		External: netip.MustParseAddr("192.0.2.1"),
		Host:     netip.MustParseAddr("192.0.2.2"), Inside: netip.MustParseAddr("192.168.1.2"),
		Next: netip.MustParseAddr("192.0.2.77"),
	},
	Elsewhere: { // of a block for measurements (RFC 2544): those for documentation are in use
		Public: netip.MustParsePrefix("198.18.0.0/24"), Private: netip.MustParsePrefix("172.20.10.0/24"),
		External: netip.MustParseAddr("198.18.0.1"),
		Host:     netip.MustParseAddr("198.18.0.2"), Inside: netip.MustParseAddr("172.20.10.2"),
	},
}

// PlaceOf are the addresses of the side in the plain topology.
func PlaceOf(side Side) Place { return places[side] }

// Where subscribers of a carrier are: between its NAT and theirs (RFC 6598).
var subscribers = map[Side]Place{
	A: {
		Public: netip.MustParsePrefix("100.64.1.0/24"), Private: places[A].Private,
		External: netip.MustParseAddr("100.64.0.2"), Next: netip.MustParseAddr("100.64.0.77"),
		Host: netip.MustParseAddr("100.64.1.2"), Inside: places[A].Inside,
	},
	B: {
		Public: netip.MustParsePrefix("100.64.2.0/24"), Private: places[B].Private,
		External: netip.MustParseAddr("100.64.0.3"), Next: netip.MustParseAddr("100.64.0.78"),
		Host: netip.MustParseAddr("100.64.2.2"), Inside: places[B].Inside,
	},
}

// PlaceIn are the addresses of the side in a cell.
func PlaceIn(c Cell, side Side) Place {
	if c.Topology == SharedCGN && side != Elsewhere || c.Topology == CGN && side == A {
		return subscribers[side]
	}
	return places[side]
}

// Where the proxy is that is behind a NAT: inside, and as it is known.
var (
	ProxyNet     = netip.MustParsePrefix("172.16.0.0/24")
	ProxyInside  = netip.MustParseAddr("172.16.0.10")
	CallsInside  = netip.MustParseAddr("172.16.0.11")
	OtherServers = netip.MustParsePrefix("203.0.113.0/25") // without the address of that NAT
	proxyOutside = netip.MustParseAddr("203.0.113.130")
	callsOutside = netip.MustParseAddr("203.0.113.131")
)

// ProxyOf is the address of the proxy as phones know it.
func ProxyOf(c Cell) netip.AddrPort {
	if c.Topology == ProxyNAT {
		return netip.AddrPortFrom(proxyOutside, ProxyPort)
	}
	return netip.AddrPortFrom(ProxyAddr, ProxyPort)
}

// CallsOf is the address that the proxy calls users from, where that is another one.
func CallsOf(c Cell) netip.AddrPort {
	if c.Topology == ProxyNAT {
		return netip.AddrPortFrom(callsOutside, ProxyPort)
	}
	return netip.AddrPortFrom(CallsAddr, ProxyPort)
}
