package natmodels

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// addr is an IP address without pointers, so that the garbage collector need not
// look into the tables. An IPv4 address is held in its IPv4-mapped form, which no
// packet may carry as such; the zero value means "no address".
type addr struct{ hi, lo uint64 }

const (
	mapped4     = 0xffff_0000_0000
	mapped4Mask = 0xffff_ffff_0000_0000
)

func packAddr(a netip.Addr) addr {
	if a.Is4() {
		b := a.As4()
		return addr{0, mapped4 | uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a addr) is4() bool { return a.hi == 0 && a.lo&mapped4Mask == mapped4 }

func (a addr) unspecified() bool { return a.hi == 0 && a.lo&^mapped4 == 0 }

func (a addr) netip() netip.Addr {
	if a.is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrFrom4(b)
	}
	if a == (addr{}) {
		return netip.Addr{}
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

// endpoint is an address and port. Port 0 stands for "any port" in the fields a
// behavior ignores; no packet carries it.
type endpoint struct {
	addr addr
	port uint16
}

func (e endpoint) netip() netip.AddrPort {
	if e.addr == (addr{}) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(e.addr.netip(), e.port)
}

// key is the key function of RFC 4787 sections 4.1 and 5: it zeroes the fields of a
// remote endpoint that the behavior ignores. Two remotes with the same key share a
// mapping, or a filter permission.
func (b Dependence) key(remote endpoint) endpoint {
	switch b {
	case EndpointIndependent:
		return endpoint{}
	case AddressDependent:
		return endpoint{addr: remote.addr}
	}
	return remote
}

// flow is what a mapping is found by from the inside.
type flow struct {
	internal, remote         addr
	internalPort, remotePort uint16
	protocol                 Protocol
}

func flowOf(p Protocol, internal, remote endpoint) flow {
	return flow{internal.addr, remote.addr, internal.port, remote.port, p}
}

// hashKey is drawn from the seed, so that hash values are repeatable.
type hashKey [4]uint64

func (k *hashKey) flow(f *flow) uint32 {
	ports := uint64(f.internalPort) | uint64(f.remotePort)<<16 | uint64(f.protocol)<<32
	return k.words(f.internal, f.remote, ports)
}

func (k *hashKey) words(a, b addr, w uint64) uint32 {
	x := mum(a.lo^k[0], a.hi^w^k[1])
	y := mum(b.lo^k[2], b.hi^k[3])
	h := mum(x^k[1], y^w^k[0])
	return uint32(h>>32) ^ uint32(h)
}

// mum folds a 128-bit product, the mixing step of wyhash.
func mum(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
