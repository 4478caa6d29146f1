package kernelnat

import (
	"testing"
	"time"
)

// rulesMaker and engineMaker make models that never draw the same random numbers
// twice.
func rulesMaker(rs Ruleset, timers Timers, seed uint64) Maker {
	return func() (Box, error) {
		seed++
		return rs.Rules(timers, seed), nil
	}
}

func engineMaker(rs Ruleset, timers Timers, seed uint64) Maker {
	return func() (Box, error) {
		seed++
		return rs.Engine(timers, seed)
	}
}

func helpedMaker(rs Ruleset, timers Timers, seed uint64) Maker {
	return func() (Box, error) {
		seed++
		return rs.Helped(timers, seed)
	}
}

func sequences(g *Generator, n int) []Sequence {
	seqs := make([]Sequence, n)
	for i := range seqs {
		seqs[i] = g.Sequence()
	}
	return seqs
}

// virtualPauses end a nanosecond before, at, and after what the timers of Linux are.
func virtualPauses() []time.Duration {
	var all []time.Duration
	for _, s := range []time.Duration{2, 10, 30, 60, 120, 300, 5 * 24 * 3600} {
		all = append(all, s*time.Second-1, s*time.Second, s*time.Second+1)
	}
	return append(all, time.Second, 20*time.Second, time.Hour)
}

// TestEngineKeepsTheRules puts the same sequences through the rules that the kernel
// was found to have and through the engine.
func TestEngineKeepsTheRules(t *testing.T) {
	const each = 2000
	for i, rs := range Rulesets {
		for _, paused := range []bool{false, true} {
			name := rs.Name
			g := rs.Generator(uint64(i) + 1)
			if paused {
				name += "-paused"
				g.Pauses, g.Patience = virtualPauses(), 100*24*time.Hour
			}
			t.Run(name, func(t *testing.T) {
				d := Difference{
					Runner: Virtual{"rules", rulesMaker(rs, KernelTimers, 1)},
					Model:  engineMaker(rs, KernelTimers, 1_000_000),
				}
				found, err := d.Find(sequences(g, each))
				if err != nil {
					t.Fatal(err)
				}
				report(t, d, found)
			})
		}
	}
}

// shown is how many divergences are shrunk and printed.
const shown = 3

// report fails the test for divergences.
func report(t *testing.T, d Difference, found []*Divergence) {
	t.Helper()
	for i, f := range found {
		if i == shown {
			t.Fatalf("%d divergences in all", len(found))
		}
		f, err := d.Shrink(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("\n%v", f)
	}
}
