package natmodels

import (
	"math/bits"
)

// prefixPair is a PrefixMapping made ready: two prefixes of the same length.
type prefixPair struct {
	internal, external addr
	mask               addr // of the bits that name the prefix
}

func packPrefixes(list []PrefixMapping) []prefixPair {
	pairs := make([]prefixPair, len(list))
	for i, m := range list {
		length := m.Internal.Bits()
		if m.Internal.Addr().Is4() {
			length += 96
		}
		pairs[i] = prefixPair{
			internal: packAddr(m.Internal.Addr()),
			external: packAddr(m.External.Addr()),
			mask:     maskOf(length),
		}
	}
	return pairs
}

// maskOf returns the mask of a prefix of 128-bit addresses.
func maskOf(length int) addr {
	if length <= 64 {
		return addr{hi: ^uint64(0) << (64 - length)}
	}
	return addr{^uint64(0), ^uint64(0) << (128 - length)}
}

func (a addr) within(prefix, mask addr) bool {
	return a.hi&mask.hi == prefix.hi && a.lo&mask.lo == prefix.lo
}

// length is the number of bits of the prefix, of 128.
func (p *prefixPair) length() int {
	return bits.OnesCount64(p.mask.hi) + bits.OnesCount64(p.mask.lo)
}

// moved puts a into another prefix of the same length.
func (a addr) moved(prefix, mask addr) addr {
	return addr{prefix.hi | a.hi&^mask.hi, prefix.lo | a.lo&^mask.lo}
}

// static returns the external address of an internal one that has its own.
func (k *tracker) static(internal addr) (addr, bool) {
	for _, p := range k.prefixes {
		if internal.within(p.internal, p.mask) {
			return internal.moved(p.external, p.mask), true
		}
	}
	return addr{}, false
}

// unstatic returns the internal address behind an external one of a prefix, and any
// other address as it is.
func (k *tracker) unstatic(external addr) addr {
	for _, p := range k.prefixes {
		if external.within(p.external, p.mask) {
			return external.moved(p.internal, p.mask)
		}
	}
	return external
}

// inside reports whether an address is known to be inside.
func (k *tracker) inside(a addr) bool {
	for _, p := range k.prefixes {
		if a.within(p.internal, p.mask) {
			return true
		}
	}
	return false
}

// onesSum is the one's complement sum of a 128-bit address, as the Internet checksum
// takes it (RFC 1071).
func onesSum(a addr) uint16 {
	sum, carry := bits.Add64(a.hi, a.lo, 0)
	sum, carry = bits.Add64(sum, carry, 0)
	sum += carry
	sum = sum>>32 + sum&0xffff_ffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}
