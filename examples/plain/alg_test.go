package plain_test

import (
	"errors"
	"testing"

	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// Beside an ALG a plain phone is predicted, and rightly; but for a session description that is cut
// short in the middle of a line.
func TestBesideALGs(t *testing.T) {
	cells := plan(t, cell.Choice{"flow": {"register", "call", "called", "pc-to-phone", "message", "options-ping"}, "alg": {"full", "any-port", "linux", "stale-length", "double"}, "registrar": {"contact", "received"}})
	for _, phones := range []stage.Phones{both.Phones, {cell.A: plain.Phone}, {cell.B: plain.Phone}} {
		count := map[scenarios.Status]int{}
		for _, c := range cells {
			r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Phones: phones})
			if errors.Is(r.Err, stage.ErrNotThisPhone) {
				continue // it neither transfers calls nor is heard before it answers
			}
			count[r.Status()]++
			if errors.Is(r.Err, stage.ErrNotThisPhone) {
				continue
			}
			if r.Err == nil && !r.Expected {
				t.Errorf("%s: %v", c, r.Surprises())
			}
			if errors.Is(r.Err, stage.ErrNotThisPhone) || c.Flow == flows.LatchAttack {
				continue // it takes no re-INVITE; and what a stranger does beside an ALG there is no theory of
			}
			if r.Err != nil && (r.Status() != scenarios.NotCovered || c.ALG != "stale-length" || c.A == cell.NoNAT) {
				t.Errorf("%s: %v", c, r.Err)
			}
		}
		t.Log(count)
	}
}
