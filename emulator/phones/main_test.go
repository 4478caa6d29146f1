package phones_test

import (
	"os"
	"testing"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// withTraits is the phone as somebody knows it who has looked at it: bound addresses.
func withTraits(phone stage.Phone, rport, noRTCP bool) stage.Phone {
	phone.Traits = func(cell.Cell, cell.Side) (theory.Traits, error) {
		return theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: rport}, MediaTraits: theory.MediaTraits{NoRTCP: noRTCP}}, nil
	}
	return phone
}

// inACell plays a cell with a program as a, which must be as predicted.
func inACell(t *testing.T, id string, phone stage.Phone) {
	t.Helper()
	c, err := scenarios.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: phone}, Trace: true})
	_, judged := r.Observed.Step(flows.RTPAToB)
	if r.Err != nil || !r.Expected || c.HasMedia() && !judged {
		_ = report.Ladder(t.Output(), r, report.Options{})
		t.Error(r.Err, r.Surprises())
	}
}

func TestMain(m *testing.M) { os.Exit(emulator.Main(m)) }
