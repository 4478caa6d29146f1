//go:build kernel

package kernelnat

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestKernelFacts holds the kernel to what is known of it. The facts of one ruleset
// run at once, so that their pauses do not add up.
func TestKernelFacts(t *testing.T) {
	type group struct {
		ruleset string
		short   bool
	}
	facts := make(map[group][]fact)
	for _, file := range factFiles(t) {
		datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
			f := readFact(t, d)
			g := group{f.ruleset.Name, f.short}
			facts[g] = append(facts[g], f)
			return d.Expected
		})
	}
	traces := make(map[group][][]string)
	for g, list := range facts {
		k := newKernel(t, list[0].ruleset)
		k.next = -1 // a pool chooses by address: the first fact is to be where a model puts it
		if g.short {
			shortenTimers(t, k)
		}
		seqs := make([]Sequence, len(list))
		for i, f := range list {
			seqs[i] = f.seq
		}
		runs, err := k.Run(seqs)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			traces[g] = append(traces[g], r.Trace())
		}
	}
	for _, file := range factFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
				f := readFact(t, d)
				g := group{f.ruleset.Name, f.short}
				trace := traces[g][0]
				traces[g] = traces[g][1:]
				return lines(trace)
			})
		})
	}
}
