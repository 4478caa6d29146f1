package phones_test

import (
	"testing"

	"github.com/natproof/natproof/emulator/phones"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// Two programs call each other through two NATs, and who hears whom is as theory says of what was
// learned of them.
func TestTwoPrograms(t *testing.T) {
	if !*all {
		t.Skip("minutes on the real clock: make phones-all")
	}
	needs(t, "baresip")
	cells, err := scenarios.Plan(cell.Choice{"flow": {"call"}, "port-manager": {"stun"}, "a": {"port-restricted", "symmetric", "none"}, "b": {"full-cone", "port-restricted", "symmetric"}, "registrar": {"received"}, "rport": {"true"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		t.Run(c.ID(), func(t *testing.T) {
			t.Parallel()
			phone, err := phones.Baresip(phones.Config{Set: map[string]string{"account": ";medianat=stun;stunserver=stun:203.0.113.20:3478"}})
			if err != nil {
				t.Fatal(err)
			}
			phone.Traits = func(cell.Cell, cell.Side) (theory.Traits, error) {
				return theory.Traits{SignallingTraits: theory.SignallingTraits{Rport: true}, MediaTraits: theory.MediaTraits{Media: theory.MediaAsked, HearsEarly: true}}, nil
			}
			r := scenarios.Run(t.Context(), c, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: phone, cell.B: phone}})
			if _, judged := r.Observed.Step(flows.RTPAToB); r.Err != nil || !r.Expected || !judged {
				t.Error(r.Err, r.Surprises())
			}
			t.Log(r.Observed.Media)
		})
	}
}
