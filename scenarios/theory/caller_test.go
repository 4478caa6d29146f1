package theory_test

import (
	"testing"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// Behind a NAT that keeps entries of its own for what comes unasked, it is the caller whom the
// packets of the other one outrun: the callee has both session descriptions first.
func TestTheCalleeSendsFirst(t *testing.T) {
	nat := func(name string) theory.End {
		m, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return theory.End{NAT: m.Behavior(), Traits: theory.Traits{Address: theory.Asked}}
	}
	for _, x := range []struct {
		caller cell.Side
		toA    cell.Fate // what b sends to a, who is behind such a NAT
	}{{"", cell.Lost}, {cell.A, cell.Lost}, {cell.B, cell.Arrived}} {
		cfg := theory.Config{A: nat("docker"), B: nat("none"), Caller: x.caller}
		cfg.A.Side, cfg.A.Host, cfg.B.Side, cfg.B.Host = cell.A, cell.BoxA, cell.B, cell.BoxB
		n, err := theory.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Stream(cell.RTP, cell.B); got.Fate != x.toA {
			t.Errorf("caller %q: RTP b>a is %s (%s), want %s", x.caller, got.Fate, got.Cause, x.toA)
		}
		if got := n.Stream(cell.RTP, cell.A); got.Fate != cell.Arrived {
			t.Errorf("caller %q: RTP a>b is %s (%s)", x.caller, got.Fate, got.Cause)
		}
	}
}
