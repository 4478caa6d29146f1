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
		idle time.Duration
		want cell.Rule // of the BYE; empty if it arrives
		err  error
	}{
		{9 * time.Second, "", theory.ErrNotCovered},
		{11 * time.Second, cell.RuleExpired, nil},
		{13 * time.Second, "", theory.ErrNotCovered}, // it depends on the links
		{20 * time.Second, "", nil},
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
		if !errors.Is(err, x.err) {
			t.Errorf("idle %v: %v, want %v", x.idle, err, x.err)
		}
		if err != nil {
			continue
		}
		if got := n.RequestAfterTalk(cell.B, "BYE"); got.Cause.Rule != x.want {
			t.Errorf("idle %v: %s, want %q", x.idle, got.Cause, x.want)
		}
	}
}
