package table

import (
	"math/bits"

	"github.com/natproof/natproof/natmodels"
)

// PrefixPair is a PrefixMapping made ready: two prefixes of the same length.
type PrefixPair struct {
	Internal, External Addr
	Mask               Addr // of the bits that name the prefix
}

// PackPrefixes makes prefixes ready.
func PackPrefixes(list []natmodels.PrefixMapping) []PrefixPair {
	pairs := make([]PrefixPair, len(list))
	for i, m := range list {
		length := m.Internal.Bits()
		if m.Internal.Addr().Is4() {
			length += 96
		}
		pairs[i] = PrefixPair{
			Internal: Pack(m.Internal.Addr()),
			External: Pack(m.External.Addr()),
			Mask:     maskOf(length),
		}
	}
	return pairs
}

// maskOf returns the mask of a prefix of 128-bit addresses.
func maskOf(length int) Addr {
	if length <= 64 {
		return Addr{Hi: ^uint64(0) << (64 - length)}
	}
	return Addr{^uint64(0), ^uint64(0) << (128 - length)}
}

// Within reports whether an address is in a prefix.
func (a Addr) Within(prefix, mask Addr) bool {
	return a.Hi&mask.Hi == prefix.Hi && a.Lo&mask.Lo == prefix.Lo
}

// Length is the number of bits of the prefix, of 128.
func (p *PrefixPair) Length() int {
	return bits.OnesCount64(p.Mask.Hi) + bits.OnesCount64(p.Mask.Lo)
}

// Moved puts a into another prefix of the same length.
func (a Addr) Moved(prefix, mask Addr) Addr {
	return Addr{prefix.Hi | a.Hi&^mask.Hi, prefix.Lo | a.Lo&^mask.Lo}
}
