package boxtest

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Start is when tests begin.
var Start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// RemoteX is a server.
var RemoteX = netip.MustParseAddrPort("203.0.113.20:3478")

// The ends of test packets, from the blocks for documentation (RFC 5737).
var (
	InsideA   = netip.MustParseAddrPort("10.0.0.2:5060")
	InsideB   = netip.MustParseAddrPort("10.0.0.3:5062")
	OutsideA  = netip.MustParseAddr("198.51.100.1")
	OutsideB  = netip.MustParseAddr("198.51.100.2")
	RemoteY1  = netip.MustParseAddrPort("203.0.113.20:3478")
	RemoteY1p = netip.MustParseAddrPort("203.0.113.20:3479")
	RemoteY2  = netip.MustParseAddrPort("203.0.113.30:3478")
)

// ICMPError is an ICMP error about a packet.
func ICMPError(kind, code uint8, src, dst netip.Addr, quoted natmodels.Packet) natmodels.Packet {
	return natmodels.Packet{
		Protocol: natmodels.ICMP, Type: kind, Code: code, Quoted: &quoted,
		Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0),
	}
}

// TCP is a segment.
func TCP(flags natmodels.TCPFlags, src, dst netip.AddrPort) natmodels.Packet {
	return natmodels.Packet{Protocol: natmodels.TCP, Flags: flags, Src: src, Dst: dst}
}

// Echo is an ICMP query or its answer.
func Echo(kind uint8, src, dst netip.Addr, id uint16) natmodels.Packet {
	return natmodels.Packet{Protocol: natmodels.ICMP, Type: kind, Src: netip.AddrPortFrom(src, id), Dst: netip.AddrPortFrom(dst, id)}
}
