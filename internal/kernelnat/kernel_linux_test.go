//go:build kernel

package kernelnat

import (
	"flag"
	"os"
	"testing"
	"time"
)

var (
	seed    = flag.Uint64("seed", 1, "seed of the sequences")
	count   = flag.Int("sequences", 10_000, "sequences without pauses, for each ruleset")
	paused  = flag.Int("paused", 300, "sequences with pauses, for each ruleset")
	script  = flag.String("script", "", "file with a sequence to run by TestScript")
	ruleset = flag.String("ruleset", Rulesets[0].Name, "ruleset of TestScript")
)

// pauses are chosen so that no sum of them comes near a multiple of a second that
// is one of ShortTimers.
var pauses = []time.Duration{
	600 * time.Millisecond, 1200 * time.Millisecond, 1800 * time.Millisecond, 2400 * time.Millisecond,
	4200 * time.Millisecond, 7800 * time.Millisecond,
}

// pausesInAll is the longest that the pauses of a sequence take together.
const pausesInAll = 13 * time.Second

// TestKernel puts sequences without pauses through the kernel, the engine and the
// rules.
func TestKernel(t *testing.T) {
	for i, rs := range Rulesets {
		t.Run(rs.Name, func(t *testing.T) {
			t.Parallel()
			g := rs.Generator(*seed*1000 + uint64(i))
			differ(t, newKernel(t, rs), rs, KernelTimers, sequences(g, *count))
		})
	}
}

// TestKernelPaused does the same across timers.
func TestKernelPaused(t *testing.T) {
	for i, rs := range Rulesets {
		t.Run(rs.Name, func(t *testing.T) {
			t.Parallel()
			k := newKernel(t, rs)
			shortenTimers(t, k)
			g := rs.Generator(*seed*1000 + 500 + uint64(i))
			g.Pauses, g.Patience = pauses, pausesInAll
			differ(t, k, rs, ShortTimers, sequences(g, *paused))
		})
	}
}

func newKernel(t testing.TB, rs Ruleset) *Kernel {
	t.Helper()
	k := &Kernel{Router: newRouter(t)}
	if err := k.Install(rs.Text()); err != nil {
		t.Fatal(err)
	}
	return k
}

func shortenTimers(t testing.TB, k *Kernel) {
	t.Helper()
	for _, s := range ShortTimers.Sysctls() {
		if err := k.Sysctl(s); err != nil {
			t.Fatal(err)
		}
	}
}

// differ fails the test for each sequence on which the kernel and a model do not
// agree.
func differ(t *testing.T, k *Kernel, rs Ruleset, timers Timers, seqs []Sequence) {
	t.Helper()
	runs, err := k.Run(seqs)
	if err != nil {
		t.Fatal(err)
	}
	f := figure{Ruleset: rs, sequences: len(seqs), paused: timers == ShortTimers}
	for _, r := range runs {
		f.packets += r.Packets()
	}
	for _, model := range []Maker{engineMaker(rs, timers, *seed), rulesMaker(rs, timers, *seed)} {
		d := Difference{Runner: k, Model: model}
		found, err := d.Judge(runs)
		if err != nil {
			t.Fatal(err)
		}
		f.divergences += len(found)
		report(t, d, found)
	}
	t.Logf("%d sequences, %d packets, %d divergences", f.sequences, f.packets, f.divergences)
	f.note()
}

// TestScript runs one sequence from a file, as a divergence prints it, and shows what
// the kernel makes of it, and where the engine does not agree. The timers are the
// short ones.
func TestScript(t *testing.T) {
	if *script == "" {
		t.Skip("no -script")
	}
	text, err := os.ReadFile(*script)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := ParseSequence(string(text))
	if err != nil {
		t.Fatal(err)
	}
	rs, err := FindRuleset(*ruleset)
	if err != nil {
		t.Fatal(err)
	}
	k := newKernel(t, rs)
	shortenTimers(t, k)
	runs, err := k.Run([]Sequence{seq})
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range runs[0].Trace() {
		t.Logf("%2d  %-44v %s", i+1, seq[i], line)
	}
	model := engineMaker(rs, ShortTimers, *seed)
	if rs.Helper {
		model = helpedMaker(rs, ShortTimers, *seed)
	}
	d := Difference{Runner: k, Model: model}
	found, err := d.Judge(runs)
	if err != nil {
		t.Fatal(err)
	}
	report(t, d, found)
}
