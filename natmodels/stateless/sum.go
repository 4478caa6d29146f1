package stateless

import (
	"math/bits"

	"github.com/natproof/natproof/natmodels/internal/table"
)

// wordOf returns one of the eight 16-bit words of an address.
func wordOf(a table.Addr, i int) uint16 {
	if i < 4 {
		return uint16(a.Hi >> (48 - 16*i))
	}
	return uint16(a.Lo >> (112 - 16*i))
}

func setWord(a *table.Addr, i int, w uint16) {
	part, shift := &a.Hi, 48-16*i
	if i >= 4 {
		part, shift = &a.Lo, 112-16*i
	}
	*part = *part&^(0xffff<<shift) | uint64(w)<<shift
}

// onesSum is the one's complement sum of a 128-bit address, as the Internet checksum
// takes it (RFC 1071).
func onesSum(a table.Addr) uint16 {
	sum, carry := bits.Add64(a.Hi, a.Lo, 0)
	sum, carry = bits.Add64(sum, carry, 0)
	sum += carry
	sum = sum>>32 + sum&0xffff_ffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}
