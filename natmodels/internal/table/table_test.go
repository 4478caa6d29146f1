package table

import (
	"math/rand/v2"
	"testing"
)

// The index finds what is in it and nothing else, through growth and removal, also
// when many hashes collide.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, hashes := range []uint32{4, 64, 1 << 31} {
		var x Index
		in := map[uint32]uint32{} // ref -> hash
		for ref := uint32(1); ref < 3000; ref++ {
			hash := random.Uint32N(hashes) * 0x9e3779b1
			x.Insert(hash, ref)
			in[ref] = hash
			if gone := 1 + random.Uint32N(ref); random.IntN(3) == 0 && in[gone] != 0 {
				x.Remove(in[gone], gone)
				delete(in, gone)
			}
		}
		if x.count != len(in) {
			t.Fatalf("%d hashes: count %d, want %d", hashes, x.count, len(in))
		}
		for ref, hash := range in {
			p := x.Probe(hash)
			found := p.Next()
			for found != 0 && found != ref {
				found = p.Next()
			}
			if found != ref {
				t.Fatalf("%d hashes: %d is lost", hashes, ref)
			}
		}
		for ref, hash := range in {
			x.Remove(hash, ref)
		}
		for _, s := range x.slots {
			if s.ref != 0 {
				t.Fatalf("%d hashes: %d remains", hashes, s.ref)
			}
		}
	}
}
