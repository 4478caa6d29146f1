package specs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/onsi/ginkgo/v2"

	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// Matrix plays each cell as a subtest.
func Matrix(t *testing.T, cells []cell.Cell, opts scenarios.RunOptions) {
	t.Helper()
	if len(cells) == 0 {
		t.Fatal("specs: no cell to play")
	}
	played := false
	defer func() {
		if !played && !t.Failed() {
			t.Error("specs: there is no theory of any of the cells, so nothing was played")
		}
	}()
	for _, c := range cells {
		t.Run(c.ID(), func(t *testing.T) {
			r := scenarios.Run(t.Context(), c, opts)
			played = played || r.Status() != scenarios.NotCovered
			switch {
			case r.Status() == scenarios.NotCovered:
				t.Skip(r.Err)
			case r.Err != nil:
				t.Fatal(r.Err)
			case !r.Expected:
				t.Errorf("%s\n%s\nrepeat it with: go test -run '%s'", cause(r), Ladder(t.Context(), c, opts), pattern(t.Name()))
			case r.Cause != "":
				t.Log("as predicted: " + r.Cause)
			}
		})
	}
}

// Describe makes a Ginkgo spec of each cell, with the labels of [Labels] and, where something
// failed, the cause as a report entry. Call it where Ginkgo builds its tree.
func Describe(cells []cell.Cell, opts scenarios.RunOptions) {
	played := false
	defer func() {
		if !played {
			ginkgo.It("plays something", func() { ginkgo.Fail("there are no cells, or there is no theory of any of them") })
		}
	}()
	for _, c := range cells {
		predicted, err := scenarios.Predict(c, opts.Phones)
		played = played || !errors.Is(err, theory.ErrNotCovered)
		ginkgo.It(c.ID(), Labels(c, predicted, err), func(ctx context.Context) {
			r := scenarios.Run(ctx, c, opts)
			switch {
			case r.Status() == scenarios.NotCovered:
				ginkgo.Skip(r.Err.Error())
			case r.Err != nil:
				ginkgo.Fail(r.Err.Error())
			case !r.Expected:
				repeat := repeat(c, opts)
				ginkgo.AddReportEntry("cause", cause(r))
				ginkgo.AddReportEntry("ladder", Ladder(ctx, c, opts), ginkgo.ReportEntryVisibilityFailureOrVerbose)
				ginkgo.AddReportEntry("repeat", repeat)
				ginkgo.Fail(fmt.Sprintf("%s\nrepeat it with: %s", cause(r), repeat))
			case r.Cause != "":
				ginkgo.AddReportEntry("cause", "as predicted: "+r.Cause, ginkgo.ReportEntryVisibilityFailureOrVerbose)
			}
		})
	}
}

// repeat is the command that plays the cell once more.
func repeat(c cell.Cell, opts scenarios.RunOptions) string {
	if len(opts.Phones) == 0 && opts.MediaTime == 0 && opts.Access == nil && opts.Setup == nil {
		return fmt.Sprintf("natproof run --seed %d '%s'", opts.Seed, c.ID())
	}
	return fmt.Sprintf("ginkgo --focus '%s'", regexp.QuoteMeta(c.ID()))
}

// Labels of a cell: flow:, nat: and port-manager: for what it plays, and expect:works,
// expect:fails or expect:nothing (there is no theory) for what the theory says of it.
func Labels(c cell.Cell, predicted cell.Outcome, err error) ginkgo.Labels {
	l := ginkgo.Labels{"flow:" + c.Flow.Name(), "nat:" + label(c.A), "port-manager:" + string(c.PortManager)}
	if c.B != c.A {
		l = append(l, "nat:"+label(c.B))
	}
	switch {
	case err != nil:
		return append(l, "expect:nothing")
	case predicted.Register == cell.OK && predicted.Signalling == cell.OK && (!c.HasMedia() || predicted.Media == cell.TwoWay):
		return append(l, "expect:works")
	}
	return append(l, "expect:fails")
}

// label is the name of a NAT as a label may have it: of a file its last element, without what
// means something in a label filter.
func label(nat string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("&|!,()/:", r) {
			return '-'
		}
		return r
	}, path.Base(nat))
}

// Ladder plays the cell once more and draws every message of it.
func Ladder(ctx context.Context, c cell.Cell, opts scenarios.RunOptions) string {
	opts.Trace = true
	var b strings.Builder
	if err := report.Ladder(&b, scenarios.Run(ctx, c, opts), report.Options{}); err != nil {
		return err.Error()
	}
	return b.String()
}

// cause says, step by step, what was predicted and what was observed instead.
func cause(r scenarios.Result) string {
	lines := []string{"not as predicted:"}
	for _, s := range r.Surprises() {
		lines = append(lines, fmt.Sprintf("  %s: predicted %s, observed %s", s.Step, fate(s.Predicted), fate(s.Observed)))
	}
	return strings.Join(lines, "\n")
}

func fate(s cell.StepOutcome) string {
	if s.Cause.IsZero() {
		return string(s.Fate)
	}
	return fmt.Sprintf("%s (%s)", s.Fate, s.Cause)
}

// pattern is a test's name as -run takes it: each part whole, to the letter.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}
