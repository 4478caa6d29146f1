package vnet

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// A look-up finds what the first that contains the address would be, whatever the prefixes.
func TestRoutesFindTheLongestPrefix(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	address := func() netip.Addr {
		low := byte(rng.IntN(4)) << 6 // few enough that prefixes meet
		if rng.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(rng.IntN(3)), low, byte(rng.IntN(256))})
		}
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(rng.IntN(3)), low, 15: byte(rng.IntN(256))})
	}
	for range 300 {
		var have routes
		for i := range rng.IntN(40) {
			a := address()
			p, _ := a.Prefix(rng.IntN(a.BitLen() + 1))
			have.add(route{prefix: p, site: &Site{index: i}})
		}
		for range 100 {
			a := address()
			switch rng.IntN(20) {
			case 0:
				a = netip.AddrFrom16(a.As16()) // IPv4 written as IPv6
			case 1:
				a = a.WithZone("eth0")
			}
			var want route
			known := false
			for _, n := range have.all {
				if n.prefix.Contains(a) && (!known || n.prefix.Bits() > want.prefix.Bits()) {
					want, known = n, true
				}
			}
			if got := have.to(a); (got != nil) != known || known && *got != want {
				t.Fatalf("%v leads to %v, want %v (%v) of %v", a, got, want, known, have.all)
			}
		}
		for i := 1; i < len(have.all); i++ {
			if have.all[i-1].prefix.Bits() < have.all[i].prefix.Bits() {
				t.Fatalf("not in order: %v", have.all)
			}
		}
	}
}
