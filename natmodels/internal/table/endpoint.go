package table

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
)

// Addr is an IP address without pointers, so that the garbage collector need not
// look into the tables. An IPv4 address is held in its IPv4-mapped form, which no
// packet may carry as such; the zero value means "no address".
type Addr struct{ Hi, Lo uint64 }

const (
	mapped4     = 0xffff_0000_0000
	mapped4Mask = 0xffff_ffff_0000_0000
)

// Pack packs an address, which must be valid.
func Pack(a netip.Addr) Addr {
	if a.Is4() {
		b := a.As4()
		return Addr{0, mapped4 | uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return Addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Is4 reports whether it is an IPv4 address.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo&mapped4Mask == mapped4 }

// Unspecified reports whether it is 0.0.0.0, :: or no address.
func (a Addr) Unspecified() bool { return a.Hi == 0 && a.Lo&^mapped4 == 0 }

// Four returns the bits of an IPv4 address, and zero of any other.
func (a Addr) Four() uint32 {
	if !a.Is4() {
		return 0
	}
	return uint32(a.Lo)
}

// Netip unpacks the address.
func (a Addr) Netip() netip.Addr {
	if a.Is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.Lo))
		return netip.AddrFrom4(b)
	}
	if a == (Addr{}) {
		return netip.Addr{}
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return netip.AddrFrom16(b)
}

// Endpoint is an address and port. Port 0 stands for "any port" in the fields a
// behavior ignores; no packet carries it.
type Endpoint struct {
	Addr Addr
	Port uint16
}

// Netip unpacks the endpoint.
func (e Endpoint) Netip() netip.AddrPort {
	if e.Addr == (Addr{}) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(e.Addr.Netip(), e.Port)
}

// Key is the key function of RFC 4787 sections 4.1 and 5: it zeroes the fields of a
// remote endpoint that the behavior ignores. Two remotes with the same key share a
// mapping, or a filter permission.
func Key(b natmodels.Dependence, remote Endpoint) Endpoint {
	switch b {
	case natmodels.EndpointIndependent:
		return Endpoint{}
	case natmodels.AddressDependent:
		return Endpoint{Addr: remote.Addr}
	}
	return remote
}

// HashKey is drawn from the seed, so that hash values are repeatable.
type HashKey [4]uint64

// NewHashKey draws a key.
func NewHashKey(r *rand.Rand) HashKey {
	return HashKey{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
}

// Words hashes two addresses and a word.
func (k *HashKey) Words(a, b Addr, w uint64) uint32 {
	x := mum(a.Lo^k[0], a.Hi^w^k[1])
	y := mum(b.Lo^k[2], b.Hi^k[3])
	h := mum(x^k[1], y^w^k[0])
	return uint32(h>>32) ^ uint32(h)
}

// mum folds a 128-bit product, the mixing step of wyhash.
func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
