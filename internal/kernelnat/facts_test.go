package kernelnat

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// fact is one case of testdata/facts: what the kernel was found to do.
type fact struct {
	ruleset Ruleset
	short   bool
	seq     Sequence
}

func (f fact) timers() Timers {
	if f.short {
		return ShortTimers
	}
	return KernelTimers
}

func readFact(t *testing.T, d *datadriven.TestData) fact {
	t.Helper()
	if d.Cmd != "run" || len(d.CmdArgs) == 0 {
		d.Fatalf(t, "want: run RULESET [timers=short]")
	}
	rs, err := FindRuleset(d.CmdArgs[0].Key)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	seq, err := ParseSequence(d.Input)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return fact{ruleset: rs, short: d.HasArg("timers"), seq: seq}
}

func factFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/facts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no facts: %v", err)
	}
	slices.Sort(files)
	return files
}

// lines numbers the lines of a trace as its steps are.
func lines(trace []string) string {
	var b strings.Builder
	for i, line := range trace {
		fmt.Fprintf(&b, "%2d  %s\n", i+1, line)
	}
	return b.String()
}

// TestFacts holds the rules and the engine to what is known of the kernel.
func TestFacts(t *testing.T) {
	makers := map[string]func(fact) Maker{
		"rules":  func(f fact) Maker { return rulesMaker(f.ruleset, f.timers(), 1) },
		"engine": func(f fact) Maker { return engineMaker(f.ruleset, f.timers(), 1) },
	}
	for _, name := range []string{"rules", "engine"} {
		for _, file := range factFiles(t) {
			t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
				datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
					f := readFact(t, d)
					runs, err := Virtual{name, makers[name](f)}.Run([]Sequence{f.seq})
					if err != nil {
						d.Fatalf(t, "%v", err)
					}
					return lines(runs[0].Trace())
				})
			})
		}
	}
}
