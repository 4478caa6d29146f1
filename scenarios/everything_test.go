package scenarios_test

import (
	"slices"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// canary is the stride of the sample of everything that tests play: a prime, so that it does not
// keep step with what is varied.
const canary = 149

// Everything is more than 100,000 cells of all flows, each once and by its own name, always in
// the same order.
func TestEverything(t *testing.T) {
	seen := make(map[string]bool, 200_000)
	have := map[string]int{}
	var order []string
	for x := range scenarios.Everything() {
		c := x.Cell
		id := c.ID()
		if seen[id] || c != c.Canonical() {
			t.Fatalf("%s: it is there twice, or not canonical", id)
		}
		seen[id] = true
		have[c.Flow.Name()]++
		if len(order) < 1000 {
			order = append(order, id)
		}
		if c.Hosts != cell.HostsNative {
			t.Fatalf("%s: not on native hosts", id)
		}
	}
	if len(seen) < 100_000 {
		t.Errorf("%d cells are not everything", len(seen))
	}
	for _, f := range flows.All() {
		if have[f.Key] == 0 {
			t.Errorf("nothing of %s", f)
		}
	}
	var again []string
	for x := range scenarios.Everything() {
		if again = append(again, x.Cell.ID()); len(again) == len(order) {
			break
		}
	}
	if !slices.Equal(order, again) {
		t.Error("it has another order now")
	}
}

// Of a sample of everything all that there is a theory of is as it predicts, and that is nearly all.
func TestEverythingIsAsPredicted(t *testing.T) {
	count := map[scenarios.Status]int{}
	all := 0
	for r := range scenarios.RunTakes(t.Context(), scenarios.Every(canary, scenarios.Everything()), scenarios.RunOptions{Seed: 1}, 0) {
		all++
		count[r.Status()]++
		switch r.Status() {
		case scenarios.Broken:
			t.Errorf("%s: %v", r.Cell, r.Err)
		case scenarios.Fail:
			t.Errorf("%s (brief: %v):\n%+v", r.Cell, r.Brief, r.Surprises())
		}
	}
	if n := count[scenarios.NotCovered]; n*20 > all {
		t.Errorf("there is no theory of %d of %d cells", n, all)
	}
}
