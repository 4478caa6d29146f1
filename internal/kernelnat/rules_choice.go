package kernelnat

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Choice is how the kernel picks the outside of a new connection.
type Choice uint8

// The choices.
const (
	// Masquerade: "masquerade", and "snat to" one address.
	Masquerade Choice = iota
	// RandomPort: "masquerade random" and "masquerade fully-random"; the kernel makes no
	// difference between them.
	RandomPort
	// Pool: "snat to" several addresses.
	Pool
	// PersistentPool: the same with "persistent".
	PersistentPool
	// Static: 1:1, every inside address has an outside address of its own, both ways.
	Static
)

// choose picks the external endpoint of a new connection to the outside.
func (r *Rules) choose(c *connection) bool {
	c.source = true
	inside := c.original.src
	try := func(e netip.AddrPort) bool {
		c.reply.dst = e
		if e.Addr().IsValid() && c.reply.proto == ICMP {
			c.reply.src = netip.AddrPortFrom(c.reply.src.Addr(), e.Port())
		}
		other, _ := r.find(c.reply)
		return other == nil
	}
	if r.Choice != RandomPort {
		if lent, ok := r.lent(c.original); ok && try(lent) {
			return true
		}
	}
	addr := r.address(inside.Addr(), c.original.dst.Addr())
	if r.Choice != RandomPort && r.inRange(inside.Port()) && try(netip.AddrPortFrom(addr, inside.Port())) {
		return true
	}
	first, size := r.portRange(c.original.proto, inside.Port())
	for attempts := 128; ; attempts /= 2 {
		off := r.Rand.IntN(1 << 16)
		for i := range min(attempts, size) {
			if try(netip.AddrPortFrom(addr, uint16(first+(off+i)%size))) {
				return true
			}
		}
		if attempts >= size || attempts < 16 {
			return false
		}
	}
}

// lent returns the external endpoint of the newest connection from the same inside
// endpoint, if the rule may choose it.
func (r *Rules) lent(t tuple) (netip.AddrPort, bool) {
	for i := len(r.connections) - 1; i >= 0; i-- {
		c := r.connections[i]
		if c.source && c.original.proto == t.proto && c.original.src == t.src && r.inRange(c.reply.dst.Port()) {
			return c.reply.dst, true
		}
	}
	return netip.AddrPort{}, false
}

func (r *Rules) inRange(port uint16) bool {
	return r.Ports == [2]uint16{} || r.Ports[0] <= port && port <= r.Ports[1]
}

// portRange is where a random port is taken from.
func (r *Rules) portRange(proto Proto, port uint16) (first, size int) {
	switch {
	case r.Ports != [2]uint16{}:
		return int(r.Ports[0]), int(r.Ports[1]) - int(r.Ports[0]) + 1
	case proto == ICMP:
		return 0, 1 << 16
	case port < 512:
		return 1, 511
	case port < 1024:
		return 600, 424
	}
	return 1024, 1<<16 - 1024
}

// address picks the external address.
func (r *Rules) address(src, dst netip.Addr) netip.Addr {
	init := uint32(0)
	switch r.Choice {
	case Static:
		return OneToOne(src)
	case Pool:
		init = word(dst)
	case PersistentPool:
	default:
		return External[0]
	}
	return External[uint64(jhash(word(src), init))*uint64(len(External))>>32]
}

// word is an IPv4 address as the kernel of a little-endian machine reads it.
func word(a netip.Addr) uint32 {
	b := a.As4()
	return binary.LittleEndian.Uint32(b[:])
}

// jhash is the kernel's jhash2 over the four words of an address of which only the
// first is in use (include/linux/jhash.h, Bob Jenkins's lookup3).
func jhash(first, init uint32) uint32 {
	rol := bits.RotateLeft32
	b := 0xdeadbeef + 16 + init
	a, c := b+first, b

	a = a - c ^ rol(c, 4)
	c += b
	b = b - a ^ rol(a, 6)
	a += c
	c = c - b ^ rol(b, 8)
	b += a
	a = a - c ^ rol(c, 16)
	c += b
	b = b - a ^ rol(a, 19)
	a += c
	c = c - b ^ rol(b, 4)
	b += a

	c = (c ^ b) - rol(b, 14)
	a = (a ^ c) - rol(c, 11)
	b = (b ^ a) - rol(a, 25)
	c = (c ^ b) - rol(b, 16)
	a = (a ^ c) - rol(c, 4)
	b = (b ^ a) - rol(a, 14)
	c = (c ^ b) - rol(b, 24)
	return c
}
