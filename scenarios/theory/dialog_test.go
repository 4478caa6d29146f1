package theory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// RTP keeps a mapping of its own: that of SIP ends in a call that is longer than it lives.
func TestTheMappingOfSIPEndsInTheCall(t *testing.T) {
	for _, x := range []struct {
		idle         time.Duration
		early, later cell.Rule // of the BYE, where messages take as little and as much time as they can
	}{
		{9 * time.Second, cell.RuleExpired, cell.RuleExpired},
		{11 * time.Second, cell.RuleExpired, cell.RuleExpired},
		{12 * time.Second, cell.RuleExpired, cell.RuleExpired},
		{12*time.Second + 100*time.Millisecond, "", cell.RuleExpired}, // it depends on the links
		{20 * time.Second, "", ""},
	} {
		m, err := catalogue.Lookup("port-restricted")
		if err != nil {
			t.Fatal(err)
		}
		b := m.Behavior()
		b.Idle, b.Unreplied = x.idle, x.idle
		n, err := theory.New(theory.Config{
			A:      theory.End{Side: cell.A, Host: cell.BoxA, NAT: natmodels.Behavior{Kind: natmodels.Router}},
			B:      theory.End{Side: cell.B, Host: cell.BoxB, NAT: b},
			Policy: cell.RegistrarReceived, Talk: 12 * time.Second,
		})
		if x.idle < 10*time.Second { // and those of media do too
			if !errors.Is(err, theory.ErrNotCovered) {
				t.Errorf("idle %v: %v", x.idle, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range n.Paces() {
			n.Registers(cell.B)
			n.Registered(cell.B, "200 to REGISTER")
			n.Sends(cell.A)
			n.Request(cell.B, "INVITE")
			n.Sends(cell.B)
			n.Response(cell.A, "200 to INVITE")
			n.Sends(cell.A)
			n.Acknowledged(cell.B)
			n.Talk()
			n.Sends(cell.A)
			if got, want := n.InDialog(cell.B, "BYE"), []cell.Rule{x.early, x.early, x.later, x.later}[i]; got.Cause.Rule != want {
				t.Errorf("idle %v, pace %d: %s, want %q", x.idle, i, got.Cause, want)
			}
		}
	}
}
