package scenarios

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/wire"
)

// What is seen on the wire is all that a verdict needs, unless an endpoint discards what it got.
func TestObserveFromTheWireAlone(t *testing.T) {
	for id, tells := range map[string]bool{
		"register/stun[a=symmetric]":                                           false,
		"call/stun[a=symmetric,b=full-cone,registrar=received,rport=true]":     false,
		"call/stun[a=port-restricted,b=symmetric,latch=both]":                  false,
		"call/stun[a=docker,b=none,registrar=received,rport=true]":             false,
		"call/local[a=none,b=none,silent=a]":                                   false,
		"pc-to-phone/static[a=symmetric]":                                      false,
		"pc-to-phone/stun[a=full-cone,alg=full]":                               true, // foreign Via
		"call/local[a=none,b=full-cone,alg=stale-length]":                      true, // malformed
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,strict=b]": true, // strict source
	} {
		c, err := ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		r := Run(t.Context(), c, RunOptions{Seed: 1, Trace: true})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		diff := cmp.Diff(r.Observed, Observe(c, r.Events), sameStep)
		if (diff != "") != tells {
			t.Errorf("%s: the run saw (-) and the wire alone shows (+):\n%s", id, diff)
		}
		if diff := cmp.Diff(r.Observed, Observe(c, r.Events, r.Told...), sameStep); diff != "" {
			t.Errorf("%s: the run saw (-) and with what was told there is (+):\n%s", id, diff)
		}
	}
}

var sameStep = cmp.Comparer(func(a, b cell.StepOutcome) bool { return a == b })

// Whoever asks where a packet went is told the box and the rule that stopped it.
func TestWhy(t *testing.T) {
	c, err := ParseID("call/stun[a=symmetric,b=none,registrar=received,rport=true]")
	if err != nil {
		t.Fatal(err)
	}
	r := Run(t.Context(), c, RunOptions{Seed: 1, Trace: true})
	lost := r.Observed.Losses()
	if r.Err != nil || len(lost) == 0 {
		t.Fatal(r.Err, lost)
	}
	ways := r.WhyTuple(wire.Tuple{Src: lost[0].Cause.Src, Dst: lost[0].Cause.Dst})
	if len(ways) < 100 {
		t.Fatalf("%d packets of a stream of twelve seconds", len(ways))
	}
	for _, w := range ways {
		text := w.String()
		if w.Arrived() || !strings.Contains(text, "sent by b ") || !strings.Contains(text, "dropped by nat-a: filtered: ") {
			t.Fatal(text)
		}
		if again := r.Why(w.Packet).String(); again != text {
			t.Errorf("by its identity: %s, by its addresses: %s", again, text)
		}
	}
}
