package conntrack

import (
	"encoding/binary"
	"math/bits"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// choose picks the external endpoint of a new connection to the outside: that of the
// newest connection from the same internal endpoint, else the same port, else a random
// one; each only if no connection has it towards the same remote endpoint.
func (k *Tracker) choose(c *connection, t uint64) bool {
	c.source = true
	random := k.cfg.PortChoice == natmodels.Random
	if !random {
		if lent, ok := k.lent(c.original.protocol, c.original.source(), t); ok && k.try(c, lent, t) {
			return true
		}
	}
	a, ok := k.address(c.original.src, c.original.dst)
	if !ok {
		return false
	}
	e := table.Endpoint{Addr: a, Port: c.original.srcPort}
	if !random && k.inRange(e.Port) && k.try(c, e, t) {
		return true
	}
	return k.chooseRandom(c, e.Addr, t)
}

// try gives a connection an external endpoint, if that is free for its remote.
func (k *Tracker) try(c *connection, e table.Endpoint, t uint64) bool {
	c.reply.dst, c.reply.dstPort = e.Addr, e.Port
	if c.reply.protocol == natmodels.ICMP || c.reply.protocol == natmodels.ICMPv6 {
		c.reply.srcPort = e.Port // the identifier is one for both ends
	}
	_, other, _ := k.find(c.reply, t)
	return other == nil
}

// chooseRandom scans upward from a random port, and then from others, as
// nf_nat_l4proto_unique_tuple of Linux does: it gives up when it has had bad luck.
func (k *Tracker) chooseRandom(c *connection, a table.Addr, t uint64) bool {
	first, size := k.portRange(c.original.protocol, c.original.srcPort)
	for attempts := 128; ; attempts /= 2 {
		off := k.random.IntN(1 << 16)
		for i := range min(attempts, size) {
			if k.try(c, table.Endpoint{Addr: a, Port: uint16(first + (off+i)%size)}, t) {
				return true
			}
		}
		if attempts >= size || attempts < 16 {
			return false
		}
	}
}

// lent returns the external endpoint of the newest live connection from the same
// internal endpoint, if the rule may choose it.
func (k *Tracker) lent(p natmodels.Protocol, internal table.Endpoint, t uint64) (table.Endpoint, bool) {
	of := kinKey{p, internal}
	for ref := k.bySender.newest(k, of); ref != 0; {
		c := k.table.At(ref)
		if c.deadline <= t {
			k.end(ref, natmodels.Expired, c.deadline)
			ref = k.bySender.newest(k, of)
			continue
		}
		e := c.reply.destination()
		if k.inRange(e.Port) && k.mayHave(internal.Addr, e.Addr) {
			return e, true
		}
		ref = c.kin[sameSender].older
	}
	return table.Endpoint{}, false
}

// mayHave reports whether the rule for an internal address gives out an external one.
func (k *Tracker) mayHave(internal, external table.Addr) bool {
	if a, ok := k.static(internal); ok {
		return a == external
	}
	return k.external[external]
}

func (k *Tracker) inRange(port uint16) bool {
	return k.cfg.PortRange == natmodels.PortRange{} || k.cfg.PortRange.Contains(port)
}

// portRange is where a random port is taken from: the class of the internal port,
// unless there is a range.
func (k *Tracker) portRange(p natmodels.Protocol, port uint16) (first, size int) {
	switch {
	case k.cfg.PortRange != natmodels.PortRange{}:
		return int(k.cfg.PortRange.First), k.cfg.PortRange.Size()
	case p == natmodels.ICMP || p == natmodels.ICMPv6:
		return 0, 1 << 16
	case port < 512:
		return 1, 511
	case port < 1024:
		return 600, 424
	}
	return 1024, 1<<16 - 1024
}

// address picks the external address of a connection. Where prefixes are all there is, who is
// not in one has none (Basic NAT, RFC 2663 section 4.1.1).
func (k *Tracker) address(src, dst table.Addr) (a table.Addr, ok bool) {
	if a, ok := k.static(src); ok {
		return a, true
	}
	n := uint64(len(k.place.External))
	switch n {
	case 0:
		return table.Addr{}, false
	case 1:
		return table.Pack(k.place.External[0]), true
	}
	init := uint32(0)
	if k.cfg.Pooling == natmodels.PerDestination {
		init = word(dst)
	}
	return table.Pack(k.place.External[uint64(jhash(word(src), init))*n>>32]), true
}

// word is an IPv4 address as a little-endian machine reads it.
func word(a table.Addr) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(a.Lo))
	return binary.LittleEndian.Uint32(b[:])
}

// jhash is jhash2 of include/linux/jhash.h over four words of which only the first is
// not zero: Bob Jenkins's lookup3 over an IPv4 address.
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
