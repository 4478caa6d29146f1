package natmodels

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Protocol is a transport protocol by its IANA protocol number.
type Protocol uint8

// The transport protocols with a name. A translating NAT serves UDP; a packet of
// another protocol is dropped with [UnsupportedProtocol]. A [Router] forwards
// any protocol.
const (
	ICMP Protocol = 1
	TCP  Protocol = 6
	UDP  Protocol = 17
)

// String returns "udp", "tcp", "icmp" or "protocol-N".
func (p Protocol) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return "protocol-" + strconv.Itoa(int(p))
}

// Packet is what a NAT sees of a packet: the fields it reads and rewrites. The
// payload stays with the caller.
//
// IPv4 addresses must be plain: an IPv4-mapped IPv6 address (::ffff:192.0.2.1)
// is a [BadPacket], as is a zone, an unspecified address or port zero.
type Packet struct {
	Protocol Protocol
	Src, Dst netip.AddrPort
}

// String returns "udp 10.0.0.2:5060 -> 203.0.113.20:3478".
func (p Packet) String() string {
	return fmt.Sprintf("%v %v -> %v", p.Protocol, p.Src, p.Dst)
}
