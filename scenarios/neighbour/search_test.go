package neighbour_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/neighbour"
	"github.com/natproof/natproof/scenarios/stage"
)

func parse(t testing.TB, id string) cell.Cell {
	t.Helper()
	c, err := scenarios.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// first is what the cheapest set of each size says.
func first(sets []neighbour.Set) string {
	if len(sets) == 0 {
		return ""
	}
	var all []string
	for _, c := range sets[0].Changes {
		all = append(all, fmt.Sprintf("%s %s=%s", c.Who, c.Axis, c.Value))
	}
	return strings.Join(all, ", ")
}

func TestSearch(t *testing.T) {
	for id, want := range map[string]string{
		"register/stun[a=none]":                                                            "",
		"register/local[a=symmetric,registrar=received]":                                   "phone rport=true",
		"register/local[a=port-restricted]":                                                "phone port-manager=stun",
		"register/local[a=symmetric]":                                                      "phone rport=true, proxy registrar=received",
		"register/stun[a=symmetric,rport=true]":                                            "proxy registrar=received",
		"call/local[a=symmetric,b=none,registrar=received,rport=true]":                     "other end latch=b",
		"call/stun[a=symmetric,b=none,registrar=received,rport=true]":                      "other end latch=b",
		"call/stun[a=full-cone,b=none,registrar=received,rport=true,alg=double]":           "nat alg=off",
		"call/stun[a=none,b=none,registrar=received,rport=true,silent=a]":                  "phone silent=none",
		"idle-then-called/local[a=port-restricted,registrar=received,rport=true,idle=20m]": "phone keepalive=crlf",
	} {
		sets, err := neighbour.Search(parse(t, id), nil)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if got := first(sets); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// What is found works when it is played, none of its changes alone is enough, and the order is
// that of costs.
func TestFoundSets(t *testing.T) {
	for _, id := range []string{
		"register/local[a=symmetric]", "call/stun[a=symmetric,b=port-restricted,registrar=received,rport=true]",
		"idle-then-called/local[a=linux-masquerade,registrar=received,rport=true,idle=20m]",
	} {
		c := parse(t, id)
		sets, err := neighbour.Search(c, nil)
		if err != nil || len(sets) == 0 {
			t.Errorf("%s: %d sets, %v", id, len(sets), err)
		}
		if !slices.IsSortedFunc(sets, func(a, b neighbour.Set) int { return a.Cost - b.Cost }) {
			t.Errorf("%s: not in the order of costs", id)
		}
		for i, s := range sets {
			if i < 12 {
				if r := scenarios.Run(t.Context(), s.Cell, scenarios.RunOptions{Seed: 1, Brief: true}); r.Err != nil || !r.Expected || !r.Observed.Works() {
					t.Errorf("%s: %v: %v %v", id, s.Changes, r.Err, r.Cause)
				}
			}
			for _, x := range s.Changes {
				at, err := cell.Lookup(x.Axis).With(c, x.Value)
				if err != nil {
					t.Fatal(err)
				}
				if o, err := scenarios.Predict(at, nil); len(s.Changes) > 1 && err == nil && o.Works() {
					t.Errorf("%s: %v: %v is enough", id, s.Changes, x)
				}
			}
		}
		t.Log(id, len(sets), sets[0].Changes)
	}
}

// A phone without settings is left as it is.
func TestAPhoneThatCannotBeChanged(t *testing.T) {
	c := parse(t, "register/local[a=symmetric,registrar=received]")
	sets, err := neighbour.Search(c, stage.Phones{cell.A: plain.Phone})
	if err != nil || len(sets) == 0 {
		t.Fatal(sets, err)
	}
	for _, s := range sets {
		if !s.By(neighbour.NAT) {
			t.Errorf("%v", s.Changes)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	c := parse(b, "call/stun[a=symmetric,b=symmetric,alg=double]")
	for b.Loop() {
		if _, err := neighbour.Search(c, nil); err != nil {
			b.Fatal(err)
		}
	}
}
