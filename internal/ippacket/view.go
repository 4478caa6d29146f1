package ippacket

import (
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// View is a packet as [Parse] reads it. Places are counted in bytes from the start of the
// packet.
type View struct {
	// Packet is what a NAT sees. Of a fragment that is not the first it has addresses and
	// protocol alone, which is nothing to judge by: ask Offset before it is given to a NAT. So it
	// has of protocols other than UDP, TCP, echo and errors of ICMP.
	Packet natmodels.Packet
	// Version is 4 or 6.
	Version uint8
	// TTL is the hop limit in IPv6.
	TTL uint8
	// TOS is the traffic class in IPv6.
	TOS uint8
	// DF forbids fragmentation; always set in IPv6, where routers never do it.
	DF bool
	// MF says that this is not the last fragment.
	MF bool
	// ID is the identification, zero in an IPv6 packet without a fragment header.
	ID uint32
	// Offset is that of the fragment, in bytes.
	Offset int
	// Len is the length of the packet. What follows in the bytes is not part of it.
	Len int
	// HeaderLen is the length of the IP header with its options or extension headers: the
	// transport's begins there.
	HeaderLen int
	// PayloadAt and PayloadEnd bound what UDP, TCP or ICMP carry; of fragments and other
	// protocols, what follows HeaderLen.
	PayloadAt, PayloadEnd int

	fragmentAt int  // the IPv6 fragment header, if there is one
	fragmentBy int  // the next header field that names it
	routed     bool // source-routed, and not there yet
	quoteAt    int  // ICMP errors: the packet quoted
	quote      quoteView
}

// quoteView is what Apply needs of a packet quoted.
type quoteView struct {
	headerLen int
	later     bool // a fragment that is not the first
}

// Fragmented reports whether the packet is a part of a datagram. A fragment header alone, on
// a whole packet, does not make it one (RFC 6946).
func (v *View) Fragmented() bool { return v.MF || v.Offset > 0 }

// later reports whether it is a part without the transport's header.
func (v *View) later() bool { return v.Offset > 0 }

// Payload is what UDP, TCP or ICMP carry; of fragments and other protocols, what follows
// the IP header.
func (v *View) Payload(b []byte) []byte { return b[v.PayloadAt:v.PayloadEnd] }

// Quoted is the packet that an ICMP error quotes, as far as it does; nil if there is none.
// [Parse] reads it if it is there as a whole.
func (v *View) Quoted(b []byte) []byte {
	if v.quoteAt == 0 {
		return nil
	}
	return b[v.quoteAt:v.Len]
}

// Verify checks the transport's checksum, where the protocol is known to have one and the
// packet is no fragment. UDP may have none in IPv4 (RFC 768), and must have one in IPv6
// (RFC 8200 section 8.1).
func (v *View) Verify(b []byte) error {
	at, addresses, ok := checksumAt(v.Packet.Protocol)
	switch {
	case !ok, !knows(v.Version, v.Packet.Protocol), v.Fragmented(), v.routed:
		return nil
	case v.Packet.Protocol == udpLite, v.Packet.Protocol == dccp: // which may cover less than all
		return nil
	}
	end := v.Len
	if v.Packet.Protocol == natmodels.UDP {
		end = v.PayloadEnd
		if be.Uint16(b[v.HeaderLen+at:]) == 0 {
			if v.Version == 6 {
				return BadChecksum
			}
			return nil
		}
	}
	s := uint64(0)
	if addresses {
		s = pseudo(b, v.Packet.Protocol, end-v.HeaderLen)
	}
	if fold(sum(b[v.HeaderLen:end], s)) != 0xffff {
		return BadChecksum
	}
	return nil
}

// knows reports whether a protocol belongs to a family: ICMP of the other one is a protocol
// like any other.
func knows(version uint8, p natmodels.Protocol) bool {
	switch p {
	case natmodels.ICMP:
		return version == 4
	case natmodels.ICMPv6:
		return version == 6
	}
	return true
}

// addr4 and addr6 read an address.
func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }
func addr6(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }
