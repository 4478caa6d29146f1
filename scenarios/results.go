package scenarios

import (
	"errors"
	"strings"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/vnet"
)

// Result is one cell, predicted and observed.
type Result struct {
	Cell      cell.Cell
	Seed      uint64
	Brief     bool // played with RunOptions.Brief
	Predicted cell.Outcome
	Observed  cell.Outcome
	Cause     string // why what failed failed; empty if all worked
	Expected  bool   // observed = predicted, and failed for the predicted reasons
	Err       error  // the cell could not be played; Observed is not to be trusted

	// With RunOptions.Trace only.
	Events []vnet.Event
	Boxes  []stage.Box // left to right: a's side, the servers, b's side
	Told   []wire.Told // what endpoints and proxy told, for Observe
}

// Status is what a cell comes to.
type Status string

// The four, each counted apart.
const (
	Pass       Status = "pass"        // as predicted, causes included
	Fail       Status = "fail"        // not as predicted
	NotCovered Status = "not-covered" // of which there is no theory: it was not played
	Broken     Status = "error"       // could not be played
)

// Status is what the cell comes to.
func (r Result) Status() Status {
	switch {
	case errors.Is(r.Err, theory.ErrNotCovered):
		return NotCovered
	case r.Err != nil:
		return Broken
	case r.Expected:
		return Pass
	}
	return Fail
}

// Judge compares what was observed with what was predicted. A predicted failure
// that failed for the predicted reason is as expected.
func Judge(c cell.Cell, seed uint64, predicted, observed cell.Outcome) Result {
	r := Result{Cell: c, Seed: seed, Predicted: predicted, Observed: observed}
	r.Cause = causeOf(observed)
	r.Expected = len(r.Surprises()) == 0
	return r
}

// Surprise is one step that did not do what was predicted.
type Surprise struct {
	Step                cell.Step
	Predicted, Observed cell.StepOutcome
}

// Surprises are the steps whose fate, or whose cause of loss, differs from the
// prediction, in the order of the flow. What was not judged is none: a stream of a call that
// was too short, or what only an endpoint could know, of one that does not tell.
func (r Result) Surprises() []Surprise {
	var all []Surprise
	for _, p := range r.Predicted.Steps {
		o, seen := r.Observed.Step(p.Step)
		if !seen && (p.Step.IsStream() || p.Cause.Rule.OnlyTold()) {
			continue
		}
		if o.Fate != p.Fate || p.Fate == cell.Lost && !o.Cause.Same(p.Cause) {
			all = append(all, Surprise{Step: p.Step, Predicted: p, Observed: o})
		}
	}
	return all
}

// causeOf puts the failures on one line.
func causeOf(o cell.Outcome) string {
	var parts []string
	for _, s := range o.Failures() {
		parts = append(parts, s.Step.Name+": "+s.Cause.String())
	}
	return strings.Join(parts, "; ")
}
