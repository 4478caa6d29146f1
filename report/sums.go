package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/natproof/natproof/scenarios"
)

// Sums is a report on more results than anybody reads: for every flow how many there are of each
// status, why what is not covered is not, and the surprises with the command that repeats each.
// It keeps none of the others.
func Sums(w io.Writer, o Options) Report { return &sums{w: w, o: o, uncovered: map[string]int{}} }

type sums struct {
	w           io.Writer
	o           Options
	title, note string
	flows       []flowSum
	uncovered   map[string]int // by the reason
	summary     summary
}

// flowSum is what is counted of a flow.
type flowSum struct {
	name  string
	tally tally
	works int // of those as predicted, in which all arrives
}

func (x *sums) Section(title, note string) { x.title, x.note = title, note }

func (x *sums) Add(r scenarios.Result) {
	name := r.Cell.Flow.Name()
	if n := len(x.flows); n == 0 || x.flows[n-1].name != name {
		x.flows = append(x.flows, flowSum{name: name, tally: tally{}})
	}
	f := &x.flows[len(x.flows)-1]
	f.tally[r.Status()]++
	if asExpected(r) && r.Observed.Works() {
		f.works++
	}
	if noTheory(r) {
		x.uncovered[unboxed(notCovered(r))]++
	}
	x.summary.count(r)
}

// unboxed is a reason without the box that it begins with, so that those of either side are one.
func unboxed(why string) string {
	if i := strings.Index(why, "scenarios: no prediction: "); i >= 0 {
		why = why[i+len("scenarios: no prediction: "):]
	}
	if box, rest, ok := strings.Cut(why, ": "); ok && !strings.Contains(box, " ") {
		return rest
	}
	return why
}

func (x *sums) Close() error {
	var b strings.Builder
	if x.title != "" {
		paintLines(&b, heading, x.title, x.o)
	}
	if x.note != "" {
		hang(&b, "", x.note, x.o.width())
	}
	b.WriteByte('\n')
	x.table(&b)
	b.WriteByte('\n')
	if len(x.uncovered) > 0 {
		b.WriteString("  Not covered:\n")
		byCount := slices.SortedFunc(maps.Keys(x.uncovered), func(a, c string) int {
			return cmp.Or(cmp.Compare(x.uncovered[c], x.uncovered[a]), cmp.Compare(a, c))
		})
		for _, why := range byCount {
			hang(&b, fmt.Sprintf("  %6d  ", x.uncovered[why]), why, x.o.width())
		}
		b.WriteByte('\n')
	}
	textSummary(&b, &x.summary, x.o)
	return flush(x.w, &b)
}

// table has a row for each flow.
func (x *sums) table(b *strings.Builder) {
	names := len("flow")
	for _, f := range x.flows {
		names = max(names, len(f.name))
	}
	b.WriteString(x.o.paint(faint, fmt.Sprintf("  %s  %8s  %12s  %13s  %11s  %6s", pad("flow", names), "cells", "as predicted", "of which work", "not covered", "NOT")) + "\n")
	for _, f := range x.flows {
		all := 0
		for _, n := range f.tally {
			all += n
		}
		odd := fmt.Sprintf("%6d", f.tally[scenarios.Fail]+f.tally[scenarios.Broken])
		if strings.TrimSpace(odd) != "0" {
			odd = x.o.paint(alarm, odd)
		}
		fmt.Fprintf(b, "  %s  %8d  %12d  %13d  %11d  %s\n", pad(f.name, names), all, f.tally[scenarios.Pass], f.works, f.tally[scenarios.NotCovered], odd)
	}
}
