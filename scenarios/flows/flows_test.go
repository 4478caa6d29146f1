package flows_test

import (
	"slices"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// Every flow is a sound value: whoever reads it (theory, the wire, reports, the command) can
// rely on this.
func TestFlows(t *testing.T) {
	keys, orders := map[string]bool{}, map[int]bool{}
	for _, f := range flows.All() {
		if keys[f.Key] || orders[f.Order] || f.Key == "" {
			t.Errorf("%q, place %d: there are two of it", f.Key, f.Order)
		}
		keys[f.Key], orders[f.Order] = true, true
		if f.Name() != f.Key || f.String() != f.Key {
			t.Errorf("%s is called %s and %s", f.Key, f.Name(), f)
		}
		if f.Help == "" || f.Story == "" || f.Play == nil {
			t.Errorf("%s says too little of itself", f)
		}
		if f.Caller != cell.A && f.Caller != cell.B {
			t.Errorf("%s: %q calls", f, f.Caller)
		}
		for _, side := range []cell.Side{cell.A, cell.B} {
			if f.Ends[side].Box == "" || f.Host(side) != f.Ends[side].Box {
				t.Errorf("%s has nobody at %s", f, side)
			}
		}
		for _, axis := range f.Without {
			if cell.Lookup(axis) == nil || f.Uses(axis) {
				t.Errorf("%s is without %s, which is no axis, or which it uses", f, axis)
			}
		}
		if !f.Uses(cell.KeyA) {
			t.Errorf("%s has no use for a NAT in front of a", f)
		}
		if f.Host(cell.B) == cell.BoxGateway && f.Uses(cell.KeyB) {
			t.Errorf("%s uses a NAT in front of a gateway", f)
		}
		if !f.Media() && slices.ContainsFunc([]string{cell.KeyLatch, cell.KeyStrict, cell.KeySilent}, f.Uses) {
			t.Errorf("%s has no media and uses an axis of media", f)
		}
		checkSteps(t, f)
		checkColumns(t, f)
	}
	if len(keys) < 3 {
		t.Errorf("flows: %v", keys)
	}
}

func checkSteps(t *testing.T, f *flows.Flow) {
	t.Helper()
	boxes := []string{cell.BoxProxy, cell.BoxStranger}
	for _, e := range f.Ends {
		boxes = append(boxes, e.Box)
	}
	var before []flows.Step
	for _, s := range f.Steps {
		if s.Name == "" || s.Message == "" || s.Part == 0 || s.Asks == nil {
			t.Errorf("%s: %+v says too little of itself", f, s.Step)
		}
		for _, earlier := range before {
			if earlier.Name == s.Name && (earlier.If == nil || s.If == nil) {
				t.Errorf("%s: there are two steps %s", f, s)
			}
		}
		if s.Step.From == "" == s.IsStream() || (s.Match == nil) != (s.IsStream() || s.Sees != nil) {
			t.Errorf("%s: %s: a stream has a side and no match, a message a match and no side", f, s)
		}
		if s.From == s.To || !slices.Contains(boxes, s.From) || !slices.Contains(boxes, s.To) {
			t.Errorf("%s: %s goes from %q to %q", f, s, s.From, s.To)
		}
		caller, callee := f.Caller, f.Caller.Other()
		if f.Talk != [2]cell.Side{} {
			caller, callee = f.Talk[0], f.Talk[1]
		}
		if s.IsStream() && (f.Host(s.Step.From) != s.From || s.To != f.Host(caller) && s.To != f.Host(callee)) {
			t.Errorf("%s: %s goes from %s to %s", f, s, s.From, s.To)
		}
		for _, need := range s.Needs {
			if !slices.ContainsFunc(before, func(x flows.Step) bool { return x.Step == need.Step }) {
				t.Errorf("%s: %s needs %s, which is no earlier step", f, s, need.Step)
			}
			if need.Why == "" {
				t.Errorf("%s: %s needs %s, for no reason", f, s, need.Step)
			}
		}
		before = append(before, s)
	}
}

func checkColumns(t *testing.T, f *flows.Flow) {
	t.Helper()
	titles := map[string]bool{}
	for _, c := range f.Columns {
		if c.Title == "" || titles[c.Title] || len(c.Steps) == 0 {
			t.Errorf("%s: column %q: there are two of it, or nothing in it", f, c.Title)
		}
		titles[c.Title] = true
		for _, s := range c.Steps {
			if !slices.ContainsFunc(f.Steps, func(x flows.Step) bool { return x.Step == s }) {
				t.Errorf("%s: column %q has %s, which is no step", f, c.Title, s)
			}
		}
	}
	if len(f.Columns) == 0 && !f.Uses(cell.KeyB) {
		t.Errorf("%s has neither columns nor NATs of b to put there", f)
	}
}

// A flow is found by its name, and two cells that name it are of the same one.
func TestFlowsAreFoundByName(t *testing.T) {
	space := scenarios.Space()
	for _, f := range flows.All() {
		found, err := space.Flow(f.Key)
		if err != nil || found != cell.Flow(f) {
			t.Errorf("%s: found %v, %v", f, found, err)
		}
		if flows.Of(cell.Default(f, cell.NoNAT, cell.NoNAT)) != f {
			t.Errorf("%s is not the flow of its cell", f)
		}
	}
}

// Where everything arrives, all steps do, and a step of which an earlier one is lost is not
// sent, whatever theory would say of it alone.
func TestPredictNeeds(t *testing.T) {
	for _, f := range flows.All() {
		c := cell.Default(f, cell.NoNAT, cell.NoNAT)
		o, err := scenarios.Predict(c, nil)
		if err != nil || !o.Works() || len(o.Steps) != len(f.In(c)) || !f.Established(c, o) {
			t.Errorf("%s without a NAT: %+v, %v", f, o, err)
		}
		c = cell.Default(f, "symmetric", "symmetric")
		if o, err = scenarios.Predict(c, nil); err != nil {
			t.Fatal(err)
		}
		fate := map[cell.Step]cell.Fate{}
		for i, s := range f.In(c) {
			fate[s.Step] = o.Steps[i].Fate
			for _, need := range s.Needs {
				if fate[need.Step] != cell.Arrived && o.Steps[i].Fate != cell.NotSent {
					t.Errorf("%s: %s is %s without %s", c, s, o.Steps[i].Fate, need.Step)
				}
			}
			if cause := o.Steps[i].Cause; o.Steps[i].Fate == cell.NotSent && (cause.Rule != cell.RuleNotSent || cause.Box != s.From || cause.Why == "") {
				t.Errorf("%s: %s was not sent: %v", c, s, cause)
			}
		}
		if f.Media() && f.Established(c, o) {
			t.Errorf("%s: established though its 200 is lost", c)
		}
	}
}
