package theory_test

import (
	"errors"
	"testing"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/theory"
)

// Where nothing happens in a call the media that is played packet by packet is what the closed
// forms say.
func TestTalksAreWhatTheRulesSay(t *testing.T) {
	compared := 0
	for _, choice := range []cell.Choice{
		{"a": cell.RFC4787(), "b": cell.RFC4787(), "port-manager": all(cell.KeyPortManager), "filter-scope": all(cell.KeyFilterScope),
			"latch": all(cell.KeyLatch), "strict": all(cell.KeyStrict), "silent": all(cell.KeySilent)},
		{"a": cell.RFC4787(), "b": cell.RFC4787(), "port-manager": all(cell.KeyPortManager),
			"latch": {"a", "b", "both"}, "latch-policy": {"once", "window", "same-address"}},
		{"a": {"devices"}, "b": {"devices"}, "port-manager": {"local", "stun"}, "latch": {"none", "both"}},
		{"a": {"classic"}, "b": {"classic"}, "topology": {"cgn", "one-nat", "shared-cgn"}, "hairpin": {"off", "external", "internal"},
			"port-manager": {"local", "stun"}, "latch": {"none", "a", "both"}, "silent": all(cell.KeySilent)},
	} {
		choice["flow"], choice["registrar"], choice["rport"] = []string{"call"}, []string{"received"}, []string{"true"}
		for _, c := range mustPlan(t, choice) {
			rules, err := flows.Network(c, nil, 0)
			if errors.Is(err, theory.ErrNotCovered) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			played := rules.Paces()[0]
			played.PlayMedia()
			for _, part := range []cell.Part{cell.RTP, cell.RTCP, cell.Keys} {
				for _, from := range []cell.Side{cell.A, cell.B} {
					compared++
					want, got := rules.Stream(part, from), played.Stream(part, from)
					if got.Fate != want.Fate || !got.Cause.Same(want.Cause) {
						t.Errorf("%s: %s of %s: played %s %s; the rules say %s %s", c, part.Message(), from, got.Fate, got.Cause, want.Fate, want.Cause)
					}
				}
			}
			if t.Failed() && compared > 4000 {
				t.FailNow()
			}
		}
	}
	if compared < 50000 {
		t.Errorf("compared %d streams", compared)
	}
}
