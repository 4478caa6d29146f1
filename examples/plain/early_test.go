package plain_test

import (
	"slices"
	"testing"

	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// A caller that begins its media with the 200 does not hear a callee that sends before, unless it
// has a public address.
func TestACallerThatSendsNothingYet(t *testing.T) {
	cells := plan(t, cell.Choice{"flow": {"early-media"}, "registrar": {"contact", "received"}})
	heard := map[cell.Fate]int{}
	for _, c := range cells {
		r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: plain.Phone}})
		if r.Err != nil || !r.Expected {
			t.Errorf("%s: %v %v", c, r.Err, r.Surprises())
		}
		if i := slices.IndexFunc(r.Observed.Steps, func(s cell.StepOutcome) bool { return s.Step == flows.EarlyRTPBToA }); i >= 0 {
			heard[r.Observed.Steps[i].Fate]++
		}
	}
	t.Log(heard)
	if heard[cell.Arrived] == 0 || heard[cell.Lost] == 0 {
		t.Error("it makes no difference")
	}
}
