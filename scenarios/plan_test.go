package scenarios

import (
	"errors"
	"testing"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

func TestPlan(t *testing.T) {
	if n := len(Claim()) + len(Remedied()) + len(Media()); n != 5+5+50 {
		t.Errorf("the default report has %d cells, want 60", n)
	}
	cells, err := Plan(cell.Choice{"a": {"classic"}, "b": {"rfc4787"}, "latch": cell.Lookup(cell.KeyLatch).Values})
	if err != nil {
		t.Fatal(err)
	}
	count := map[cell.Flow]int{}
	for _, c := range cells {
		count[c.Flow]++
	}
	// Axes that a flow does not use make no further cells.
	if count[flows.Register] != 5 || count[flows.PCToPhone] != 5*4 || count[flows.Call] != 5*10*4 {
		t.Errorf("cells by flow: %v", count)
	}
	var bad *cell.ValueError
	if _, err := Plan(cell.Choice{"b": {"none", "cone"}}); !errors.As(err, &bad) || bad.Value != "cone" || len(bad.Valid) < 14 {
		t.Errorf("unknown preset: %v", err)
	}
}
