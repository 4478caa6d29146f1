package ippacket

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

var be = binary.BigEndian

// Checksum is the Internet checksum of b (RFC 1071). It is zero if the right checksum lies
// within b.
func Checksum(b []byte) uint16 { return ^fold(sum(b, 0)) }

// sum adds the 16-bit words of b, an odd byte at the end being the first of its word, to
// what is there. It is not folded yet; words of 64 bits do as well as such of 16, since
// 2^16 is 1 in ones' complement arithmetic (RFC 1071 section 2).
func sum(b []byte, s uint64) uint64 {
	var carry uint64
	for len(b) >= 32 {
		s, carry = bits.Add64(s, be.Uint64(b), 0)
		s, carry = bits.Add64(s, be.Uint64(b[8:]), carry)
		s, carry = bits.Add64(s, be.Uint64(b[16:]), carry)
		s, carry = bits.Add64(s, be.Uint64(b[24:]), carry)
		s, carry = bits.Add64(s, 0, carry)
		s += carry
		b = b[32:]
	}
	for len(b) >= 8 {
		s, carry = bits.Add64(s, be.Uint64(b), 0)
		s += carry
		b = b[8:]
	}
	if len(b) >= 4 {
		s, carry = bits.Add64(s, uint64(be.Uint32(b)), 0)
		s += carry
		b = b[4:]
	}
	if len(b) >= 2 {
		s, carry = bits.Add64(s, uint64(be.Uint16(b)), 0)
		s += carry
		b = b[2:]
	}
	if len(b) == 1 {
		s, carry = bits.Add64(s, uint64(b[0])<<8, 0)
		s += carry
	}
	return s
}

// fold adds the words of a sum until one is left.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s&0xffff)
}

// delta is what changes within what a checksum covers: the sum of the complements of the
// old words and of the new ones.
type delta uint64

func (d *delta) add(old, now uint32) { *d += delta(^old) + delta(now) }

// change is the delta of one word of 16 bits.
func change(old, now uint16) delta { return delta(^old) + delta(now) }

// update is HC' = ~(~HC + ~m + m') (RFC 1624 section 3, eqn. 3).
func (d delta) update(hc uint16) uint16 { return ^fold(uint64(^hc) + uint64(d)) }

// put16 writes a word if it changes, and adds the change.
func (d *delta) put16(b []byte, now uint16) {
	if old := be.Uint16(b); old != now {
		*d += change(old, now)
		be.PutUint16(b, now)
	}
}

// put32 is put16 for twice as much.
func (d *delta) put32(b []byte, now uint32) {
	if old := be.Uint32(b); old != now {
		d.add(old, now)
		be.PutUint32(b, now)
	}
}

// putAddr writes an address.
func (d *delta) putAddr(b []byte, a netip.Addr) {
	if a.Is4() {
		four := a.As4()
		d.put32(b, be.Uint32(four[:]))
		return
	}
	six := a.As16()
	for i := 0; i < 16; i += 4 {
		d.put32(b[i:], be.Uint32(six[i:]))
	}
}

// pseudo is the sum of the pseudo-header (RFC 768, RFC 9293 section 3.1, RFC 8200 section
// 8.1) of the IP packet in b.
func pseudo(b []byte, protocol natmodels.Protocol, length int) uint64 {
	s := uint64(protocol) + uint64(length)
	if b[0]>>4 == 4 {
		return sum(b[12:20], s)
	}
	return sum(b[8:40], s)
}

// Protocols that natmodels has no word for.
const (
	dccp    natmodels.Protocol = 33
	udpLite natmodels.Protocol = 136
)

// checksumAt is where the transport's checksum is in its header, and whether it covers the
// addresses: UDP (RFC 768), TCP (RFC 9293), ICMP (RFC 792), ICMPv6 (RFC 4443 section 2.3),
// DCCP (RFC 4340 section 9.1), UDP-Lite (RFC 3828 section 3.2). That of SCTP does not.
func checksumAt(p natmodels.Protocol) (at int, addresses, ok bool) {
	switch p {
	case natmodels.UDP, dccp, udpLite:
		return 6, true, true
	case natmodels.TCP:
		return 16, true, true
	case natmodels.ICMP:
		return 2, false, true
	case natmodels.ICMPv6:
		return 2, true, true
	}
	return 0, false, false
}
