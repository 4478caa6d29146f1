package scenarios_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

var (
	randomCells = flag.Int("random.cells", 400, "how many cells with a theory TestCellsAtRandom plays")
	randomSeed  = flag.Uint64("random.seed", 1, "what it draws them from")
)

// Everything has each two axes varied at a time. Here all of them are, so that what three or more do
// to each other is met too.
func TestCellsAtRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(*randomSeed, 7))
	for played := 0; played < *randomCells; {
		c := drawn(rng)
		if err := c.Validate(); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: rng.Uint64(), Brief: true})
		switch r.Status() {
		case scenarios.NotCovered:
			continue
		case scenarios.Broken:
			t.Errorf("%s: %v", c, r.Err)
		case scenarios.Fail:
			t.Errorf("%s\nthe least of it: %s\n%+v", c, least(t, c), r.Surprises())
		}
		played++
	}
}

// drawn is a cell on native hosts, about half of whose axes have their default.
func drawn(rng *rand.Rand) cell.Cell {
	flows := scenarios.Space().Flows
	c := cell.Default(flows[rng.IntN(len(flows))], cell.NoNAT, cell.NoNAT)
	for _, x := range cell.Axes {
		values := x.Interests()
		switch {
		case x.Key == cell.KeyHosts:
			c.Hosts = cell.HostsNative
			continue
		case x.NAT: // the plain ones as often as all devices
			values = slices.Concat(cell.Classic(), cell.RFC4787(), cell.NATs())
		case rng.IntN(2) == 0:
			continue
		}
		c, _ = x.With(c, values[rng.IntN(len(values))])
	}
	return c.Canonical()
}

// least has every axis at its default that can be without the surprise going.
func least(t *testing.T, c cell.Cell) cell.Cell {
	fails := func(c cell.Cell) bool {
		return scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Brief: true}).Status() == scenarios.Fail
	}
	for again := fails(c); again; {
		again = false
		for _, x := range cell.Axes {
			values := []string{x.Default}
			if x.NAT && !slices.Contains(cell.Classic(), x.Get(c)) {
				values = cell.Classic()
			}
			for _, v := range values {
				d, err := x.With(c, v)
				if d = d.Canonical(); err == nil && x.Key != cell.KeyHosts && d != c && fails(d) {
					c, again = d, true
					break
				}
			}
		}
	}
	return c
}
