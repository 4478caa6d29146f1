package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// Conclusion writes what Ladder ends with: what was predicted, what was observed, and why.
func Conclusion(w io.Writer, r scenarios.Result, o Options) error {
	var b strings.Builder
	conclusion(&b, r, o)
	return flush(w, &b)
}

// conclusion tells what was predicted, what was observed, and why.
func conclusion(b *strings.Builder, r scenarios.Result, o Options) {
	if noTheory(r) {
		hangPainted(b, "", "NOT COVERED", plain, notCovered(r), o)
		return
	}
	hangPainted(b, "", "predicted", heading, outcomeText(r.Cell, r.Predicted), o)
	if r.Err != nil {
		hangPainted(b, "", "ERROR", alarm, r.Err.Error(), o)
		return
	}
	hangPainted(b, "", "observed ", heading, outcomeText(r.Cell, r.Observed), o)
	if failures := r.Observed.Failures(); len(failures) > 0 {
		b.WriteByte('\n')
		for _, s := range failures {
			failure(b, r, s, o)
		}
	}
	for _, s := range r.Observed.Steps {
		if s.Fate == cell.Arrived && s.Copy > 1 {
			lateCopy(b, r, s, o)
		}
	}
	b.WriteByte('\n')
	odd := r.Surprises()
	if len(odd) == 0 && r.Expected {
		b.WriteString(o.paint(good, verdictText(r)) + "\n")
		return
	}
	b.WriteString(o.paint(alarm, "NOT as predicted:") + "\n")
	for _, s := range odd {
		hangPainted(b, "  ", stepWord(s.Step), alarm, surpriseText(s), o)
	}
}

func verdictText(r scenarios.Result) string {
	if len(r.Observed.Failures()) == 0 {
		return "As predicted: everything arrives."
	}
	return "As predicted, and for the predicted reason."
}

// failure tells of one step what the trace shows and what theory says.
func failure(b *strings.Builder, r scenarios.Result, s cell.StepOutcome, o Options) {
	head := stepWord(s.Step) + " " + fateWord(s.Fate)
	hangPainted(b, "  ", head, bad, causeText(s.Cause), o)
	p, _ := r.Predicted.Step(s.Step)
	if p.Cause.Why != "" && p.Cause.Why != s.Cause.Why {
		hang(b, "    theory: ", p.Cause.Why, o.width())
	}
}

// lateCopy tells of a step that a repeated message has saved.
func lateCopy(b *strings.Builder, r scenarios.Result, s cell.StepOutcome, o Options) {
	text := fmt.Sprintf("copy %d gets through", s.Copy)
	if p, _ := r.Predicted.Step(s.Step); p.Copy == s.Copy {
		text += ", as predicted"
	}
	hang(b, "  "+stepWord(s.Step)+": ", text, o.width())
}

func outcomeText(c cell.Cell, o cell.Outcome) string {
	text := fmt.Sprintf("register %s, signalling %s", o.Register, o.Signalling)
	if c.HasMedia() {
		text += ", media " + directionWord(o.Media)
		if o.RTCP != "" {
			text += ", RTCP " + directionWord(o.RTCP)
		}
	}
	return text
}

// notCovered is why there is no theory of the cell, without what the reader knows already.
func notCovered(r scenarios.Result) string {
	return strings.TrimPrefix(r.Err.Error(), theory.ErrNotCovered.Error()+": ")
}
