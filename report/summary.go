package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// tally counts each status apart.
type tally map[scenarios.Status]int

func (t tally) String() string {
	text := fmt.Sprintf("%d of %d as predicted", t[scenarios.Pass], t[scenarios.Pass]+t[scenarios.Fail])
	if n := t[scenarios.NotCovered]; n > 0 {
		text += fmt.Sprintf(", %d not covered", n)
	}
	if n := t[scenarios.Broken]; n > 0 {
		text += fmt.Sprintf(", %d could not be played", n)
	}
	return text
}

// summary is what a report says of all results.
type summary struct {
	tally   tally
	presets []string // the NATs that occur, in order of first appearance
	calls   bool
	odd     []odd
}

// odd is a result that is not as predicted.
type odd struct {
	id    string
	seed  uint64
	brief bool
	why   string // in a few words
}

func (s *summary) add(r scenarios.Result) {
	s.count(r)
	s.preset(r.Cell.A)
	if r.Cell.Flow.Uses(cell.KeyB) {
		s.preset(r.Cell.B)
	}
	s.calls = s.calls || r.Cell.HasMedia()
}

// count is what is said of results below all tables.
func (s *summary) count(r scenarios.Result) {
	if s.tally == nil {
		s.tally = tally{}
	}
	s.tally[r.Status()]++
	if !asExpected(r) && !noTheory(r) {
		s.odd = append(s.odd, odd{r.Cell.ID(), r.Seed, r.Brief, inShort(r)})
	}
}

func (s *summary) preset(name string) {
	if !slices.Contains(s.presets, name) {
		s.presets = append(s.presets, name)
	}
}

// String are the counts.
func (s *summary) String() string {
	all := 0
	for _, n := range s.tally {
		all += n
	}
	cells := "cells"
	if all == 1 {
		cells = "cell"
	}
	text := fmt.Sprintf("%d %s, %s", all, cells, s.tally)
	if len(s.odd) == 0 {
		return text + "."
	}
	if n := s.tally[scenarios.Fail]; n > 0 {
		text += fmt.Sprintf(", %d NOT", n)
	}
	return text + ":"
}

// repeats is the command that plays the cell again, with what was odd about it.
func (x odd) repeats(o Options) string {
	return fmt.Sprintf("  %s '%s'   # %s", x.run(o), x.id, x.why)
}

// run is that without the cell.
func (x odd) run(o Options) string {
	text := fmt.Sprintf("%s run --seed %d", o.command(), x.seed)
	if x.brief {
		text += " --brief"
	}
	return text
}

// inShort says in a few words what is odd about a result.
func inShort(r scenarios.Result) string {
	if r.Err != nil {
		return "could not be played: " + strings.ReplaceAll(r.Err.Error(), "\n", " ")
	}
	var parts []string
	for _, s := range r.Surprises() {
		parts = append(parts, fmt.Sprintf("%s: %s", s.Step, surpriseInShort(s)))
	}
	if len(parts) == 0 {
		return "not as expected"
	}
	return strings.Join(parts, "; ")
}

func surpriseInShort(s scenarios.Surprise) string {
	return fmt.Sprintf("predicted %s, observed %s", shortFate(s.Predicted), shortFate(s.Observed))
}

func shortFate(s cell.StepOutcome) string {
	if s.Fate != cell.Lost {
		return fateWord(s.Fate)
	}
	return fmt.Sprintf("lost at %s (%s)", s.Cause.Box, s.Cause.Rule)
}
