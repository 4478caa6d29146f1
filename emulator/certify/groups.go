package certify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/neighbour"
)

// Group are the NATs through which a flow comes to the same, for the same reasons.
type Group struct {
	Options cell.Cell // what they have in common; A is empty
	Status  Status
	NATs    []string
	Because []string // one for each step that failed
	Fixes   []neighbour.Set
	Why     string
}

// Groups are the verdicts put together, by flow and then in the order of their first NAT.
func (c Certificate) Groups() []Group {
	var all []Group
	at := map[string]int{}
	for _, v := range c.Verdicts {
		g := Group{Options: v.Cell, Status: v.Status, Because: v.becauses(), Fixes: Fixes(v.WouldWork), Why: v.Why}
		g.Options.A = ""
		if v.Status == NotAsPredicted { // each for itself
			g.Why = v.surprises()
		}
		key := fmt.Sprintf("%v %s %q %v %s", g.Options, g.Status, g.Because, changes(g.Fixes), g.Why)
		i, known := at[key]
		if !known {
			i = len(all)
			at[key] = i
			all = append(all, g)
		}
		all[i].NATs = append(all[i].NATs, v.Cell.A)
	}
	slices.SortStableFunc(all, func(a, b Group) int { return flowOrder(c, a) - flowOrder(c, b) })
	return all
}

func flowOrder(c Certificate, g Group) int {
	return slices.IndexFunc(c.Verdicts, func(v Verdict) bool {
		o := v.Cell
		o.A = ""
		return o == g.Options
	})
}

// becauses are the reasons, in words. What was as predicted is told without addresses, as theory
// has it, which is the same for all NATs of a kind.
func (v Verdict) becauses() []string {
	var all []string
	for _, s := range v.Because {
		cause := s.Cause
		if p, ok := v.Result.Predicted.Step(s.Step); ok && p.Cause.Same(cause) {
			cause = p.Cause
		}
		all = append(all, s.Step.Name+": "+cause.String())
	}
	return all
}

// surprises is what was predicted and what was seen instead.
func (v Verdict) surprises() string {
	var all []string
	for _, s := range v.Result.Surprises() {
		all = append(all, fmt.Sprintf("%s: predicted %s, observed %s", s.Step, fate(s.Predicted), fate(s.Observed)))
	}
	return strings.Join(all, "; ")
}

func fate(s cell.StepOutcome) string {
	text := map[cell.Fate]string{cell.Arrived: "that it arrives", cell.Lost: "that it is lost", cell.NotSent: "that it is not sent", "": "nothing"}[s.Fate]
	if !s.Cause.IsZero() {
		text += " (" + s.Cause.String() + ")"
	}
	return text
}

func changes(sets []neighbour.Set) [][]neighbour.Change {
	var all [][]neighbour.Change
	for _, s := range sets {
		all = append(all, s.Changes)
	}
	return all
}

// Fixes are those of the sets that a reader wants first: the cheapest that each could make alone,
// and the cheapest of all if it takes two.
func Fixes(sets []neighbour.Set) []neighbour.Set {
	var all []neighbour.Set
	if len(sets) > 0 && !alone(sets[0]) {
		all = append(all, sets[0])
	}
	for _, who := range neighbour.Everybody() {
		if i := slices.IndexFunc(sets, func(s neighbour.Set) bool { return s.By(who) }); i >= 0 {
			all = append(all, sets[i])
		}
	}
	return all
}

// alone says whether one party can make all of a set.
func alone(s neighbour.Set) bool {
	return slices.ContainsFunc(neighbour.Everybody(), func(w neighbour.Who) bool { return s.By(w) })
}
