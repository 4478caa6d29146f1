package plain_test

import (
	"testing"

	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/specs"
)

var both = scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: plain.Phone, cell.B: plain.Phone}}

func plan(t *testing.T, choice cell.Choice) []cell.Cell {
	t.Helper()
	choice["port-manager"] = []string{"local"}
	cells, err := scenarios.Plan(choice)
	if err != nil {
		t.Fatal(err)
	}
	return cells
}

// The standard table of a phone without any help: registration and an incoming call, and a
// call to a telephone, through the classic NATs, whatever the proxy's policy.
func TestStandardTable(t *testing.T) {
	cells := plan(t, cell.Choice{"flow": {"register", "pc-to-phone"}, "registrar": {"contact", "received"}})
	if len(cells) != 20 {
		t.Fatalf("%d cells", len(cells))
	}
	specs.Matrix(t, cells, both)
}

// Calls between two plain phones, and between a plain one and the project's own.
func TestCalls(t *testing.T) {
	cells := plan(t, cell.Choice{"flow": {"call"}, "registrar": {"received"}})
	t.Run("plain", func(t *testing.T) { specs.Matrix(t, cells, both) })
	t.Run("a is plain", func(t *testing.T) {
		specs.Matrix(t, cells, scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: plain.Phone}})
	})
	t.Run("b is plain", func(t *testing.T) {
		specs.Matrix(t, plan(t, cell.Choice{"flow": {"call"}, "registrar": {"received"}, "latch": {"a"}}),
			scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.B: plain.Phone}})
	})
}

// Texts, and questions before a call; pings that it answers hold its mapping.
func TestRequests(t *testing.T) {
	specs.Matrix(t, plan(t, cell.Choice{"flow": {"message"}, "registrar": {"received"}}), both)
	specs.Matrix(t, plan(t, cell.Choice{"flow": {"options-ping", "idle-then-called"}, "a": {"classic", "linux-masquerade"},
		"registrar": {"contact", "received"}, "ping": {"zero", "options"}, "idle": {"5m"}, "refresh": {"own"}}), both)
}

// Prediction goes by the traits and not by the name: what is said of the phone and is not so
// is found out.
func TestWrongTraitsAreNoticed(t *testing.T) {
	for name, wrong := range map[string]theory.Traits{
		"it asks for rport": {SignallingTraits: theory.SignallingTraits{Rport: true}},
		"it asks STUN":      {Address: theory.Asked},
	} {
		liar := stage.Phone{Name: "plain", New: plain.Phone.New, Traits: func(cell.Cell, cell.Side) (theory.Traits, error) { return wrong, nil }}
		cells := plan(t, cell.Choice{"flow": {"register"}, "a": {"symmetric"}})
		r := scenarios.Run(t.Context(), cells[0], scenarios.RunOptions{Seed: 1, Phones: stage.Phones{cell.A: liar, cell.B: plain.Phone}})
		if r.Err != nil || r.Expected {
			t.Errorf("%s: expected %v, %v", name, r.Expected, r.Err)
		}
	}
}

// A cell that wants what the phone does not have is not played as if it had.
func TestNotThisPhone(t *testing.T) {
	r := scenarios.Run(t.Context(), scenarios.Claim()[0], both)
	if r.Err == nil || r.Expected {
		t.Errorf("%+v", r)
	}
}

// Nobody answers, the caller loses patience, and its CANCEL needs no DNS.
func TestNeverAnswered(t *testing.T) {
	cells := plan(t, cell.Choice{"flow": {"call"}, "a": {"linux-masquerade"}, "b": {"eim-apdf", "symmetric"}})
	specs.Matrix(t, cells, both)
}
