package plain_test

import (
	"testing"

	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/specs"
)

// Calls that are held and resumed, told again of addresses, or in which keys are pressed, with a plain
// phone at either end and at both, also when the NAT changes meanwhile.
func TestWithinCalls(t *testing.T) {
	held := plan(t, cell.Choice{"flow": {"hold-resume", "renew"}, "b": {"none", "port-restricted", "symmetric"}, "registrar": {"received"}, "change": {"none", "restart", "renumber"}, "when": {"in-call"}})
	pressed := plan(t, cell.Choice{"flow": {"dtmf"}, "registrar": {"contact", "received"}})
	for name, phones := range map[string]stage.Phones{"both": both.Phones, "a": {cell.A: plain.Phone}, "b": {cell.B: plain.Phone}} {
		t.Run(name, func(t *testing.T) {
			for _, cells := range [][]cell.Cell{held, pressed} {
				specs.Matrix(t, cells, scenarios.RunOptions{Seed: 1, Phones: phones})
			}
		})
	}
}
