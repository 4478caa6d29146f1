package stage_test

import (
	"strings"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// The filter scope of a cell is its NATs', and a SIP helper is in those that have one.
func TestNAT(t *testing.T) {
	c := cell.Default(flows.Call, "linux-masquerade", "eim-adf")
	c.ALG, c.FilterScope = cell.ALGLinux, cell.ScopeEndpoint
	a, err := stage.Behavior(c, cell.A)
	if err != nil || !a.SIPHelper || a.Kind != natmodels.Conntrack {
		t.Errorf("a: %+v, %v", a, err)
	}
	b, err := stage.Behavior(c, cell.B)
	if err != nil || b.SIPHelper || b.FilterScope != natmodels.PerEndpoint || b.Filtering != natmodels.AddressDependent {
		t.Errorf("b: %+v, %v", b, err)
	}
	c.A = "conical"
	if _, err := stage.NAT(c, cell.A); err == nil || !strings.HasPrefix(err.Error(), "stage: side a: ") {
		t.Errorf("an unknown NAT: %v", err)
	}
}
