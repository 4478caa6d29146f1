package translate

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// Tables empty themselves, whatever went through.
func TestTablesEmpty(t *testing.T) {
	for _, name := range presetNames() {
		for seed := range uint64(5) {
			cfg, err := presetOf(name)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Place = natmodels.Place{External: []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}, Seed: seed}
			cfg.Limits = Limits{PerSubscriber: int(seed) * 10}
			n, err := cfg.nat()
			if err != nil {
				t.Fatal(err)
			}
			tr := &boxtest.Traffic{Rand: rand.New(rand.NewPCG(seed, 1)), Now: boxtest.Start}
			for range 2000 {
				tr.Send(n)
			}
			n.Advance(tr.Now.Add(6 * 24 * time.Hour))
			left := n.byFlow.Len() + n.byGrant.Len() + n.bySession.Len() + len(n.groups)
			for _, p := range n.pools {
				for sp := range p.ports {
					left += p.ports[sp].inUse
				}
			}
			if left != 0 {
				t.Fatalf("%s: %d entries are left in the tables", name, left)
			}
		}
	}
}
