package kernelnat

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Side is a side of the router.
type Side uint8

// The sides of the router.
const (
	Inside Side = iota
	Outside
)

// Other returns the side across the router.
func (s Side) Other() Side { return s ^ 1 }

// String returns "inside" or "outside".
func (s Side) String() string {
	if s == Inside {
		return "inside"
	}
	return "outside"
}

// Emission is a packet that the router sends.
type Emission struct {
	Side Side
	Packet
}

// String returns "inside: udp 203.0.113.20:3478 -> 10.0.0.2:5060".
func (e Emission) String() string { return fmt.Sprintf("%v: %v", e.Side, e.Packet) }

// RouterInside is the router's own address on the inside.
var RouterInside = netip.MustParseAddr("10.255.255.1")

// External lists the addresses of the router on the outside (RFC 5737, TEST-NET-1).
// All but the first are used by pools alone.
var External = []netip.Addr{
	netip.MustParseAddr("192.0.2.1"),
	netip.MustParseAddr("192.0.2.2"),
	netip.MustParseAddr("192.0.2.3"),
	netip.MustParseAddr("192.0.2.4"),
}

var (
	insideNet = netip.MustParsePrefix("10.0.0.0/8")
	serverNet = netip.MustParsePrefix("198.18.0.0/15") // RFC 2544

	// Static 1:1 translation makes an address of oneToOne of each of staticNet, with the
	// same bits after the prefix.
	staticNet = netip.MustParsePrefix("10.0.0.0/12")
	oneToOne  = netip.MustParsePrefix("203.0.0.0/12")
)

// What the sentinels of a Router are sent between.
var (
	sentinelHost   = netip.MustParseAddr("10.255.255.254")
	sentinelServer = netip.MustParseAddr("198.19.255.254")
)

// Host is a party of a sequence: three inside hosts and three servers.
type Host uint8

// The hosts of a sequence. Ext stands for the router's outside, ExtA for what a static
// 1:1 translation makes of A.
const (
	A Host = iota
	B
	C
	S1
	S2
	S3
	Ext
	ExtA
	ExtB
	ExtC
	RouterIn
)

var hostNames = []string{
	A: "A", B: "B", C: "C", S1: "S1", S2: "S2", S3: "S3",
	Ext: "ext", ExtA: "extA", ExtB: "extB", ExtC: "extC", RouterIn: "router",
}

// String returns "A", "S1", "ext".
func (h Host) String() string { return hostNames[h] }

// Side returns where the host is.
func (h Host) Side() Side {
	if h <= C {
		return Inside
	}
	return Outside
}

// Place gives the hosts of one sequence addresses that no other sequence has, so
// that sequences cannot meet in the router's tables: connections are told apart by
// all of their addresses, and ports are reused by inside address and port.
type Place int

// Places is how many there are. The sentinels have the addresses after the last one.
const Places = 1<<15 - 1

// Addr returns the address of a host here. Ext is the first external address.
func (pl Place) Addr(h Host) netip.Addr {
	switch {
	case h <= C:
		return offset(insideNet, uint32(pl)*4+1+uint32(h-A))
	case h <= S3:
		return offset(serverNet, uint32(pl)*4+1+uint32(h-S1))
	case h == RouterIn:
		return RouterInside
	case h == ExtA, h == ExtB, h == ExtC:
		return OneToOne(pl.Addr(h - ExtA + A))
	}
	return External[0]
}

// Name returns the name of an address here: "A", "S1", "ext", "ext2" for the second
// of the pool, "extA" for what a static 1:1 translation makes of A.
func (pl Place) Name(a netip.Addr) string {
	for i, e := range External[1:] {
		if e == a {
			return fmt.Sprintf("%v%d", Ext, i+2)
		}
	}
	for h := A; h <= RouterIn; h++ {
		if pl.Addr(h) == a {
			return h.String()
		}
	}
	return a.String()
}

// OneToOne returns the external address of an inside host where the translation is
// static 1:1.
func OneToOne(inside netip.Addr) netip.Addr {
	i := inside.As4()
	return offset(oneToOne, binary.BigEndian.Uint32(i[:])&0xfffff)
}

func offset(p netip.Prefix, n uint32) netip.Addr {
	b := p.Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}

// insideOf is the inverse of OneToOne.
func insideOf(outside netip.Addr) netip.Addr {
	o := outside.As4()
	return offset(insideNet, binary.BigEndian.Uint32(o[:])&0xfffff)
}
