package neighbour

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// Set is one or two changes with which everything arrives. None of them alone is enough.
type Set struct {
	Changes []Change
	Cell    cell.Cell // as it is then
	Cost    int
}

// By says whether it is for nobody but those to make the changes.
func (s Set) By(who ...Who) bool {
	return !slices.ContainsFunc(s.Changes, func(c Change) bool { return !slices.Contains(who, c.Who) })
}

// Search finds all minimal sets of one or two changes after which theory predicts that every
// step arrives, the cheapest first. There are none where everything arrives as it is. That the
// cell itself is not covered is an error, which wraps theory.ErrNotCovered.
func Search(c cell.Cell, phones stage.Phones) ([]Set, error) {
	predicted, err := scenarios.Predict(c, phones)
	if err != nil || Works(predicted) {
		return nil, err
	}
	s := &search{from: c.Canonical(), phones: phones, known: map[cell.Cell]bool{}}
	if s.moves, err = movesFrom(s.from); err != nil {
		return nil, fmt.Errorf("neighbour: search: %w", err)
	}
	s.known[s.from] = false
	s.one()
	s.two()
	slices.SortStableFunc(s.found, func(a, b Set) int {
		return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(len(a.Changes), len(b.Changes)))
	})
	return s.found, s.err
}

// Works says whether everything arrives, and nothing of those who are not of the call. Reports
// that an end never sends are nobody's loss.
func Works(o cell.Outcome) bool {
	return !slices.ContainsFunc(o.Steps, func(s cell.StepOutcome) bool { return fails(s) })
}

func fails(s cell.StepOutcome) bool {
	if s.Step.Part == cell.RTCP && s.Fate == cell.NotSent {
		return false // where that is for want of a call there are others
	}
	return (s.Fate == cell.Arrived) == (s.Step.Part == cell.Attack)
}

// Failures are the steps that explain why an outcome does not work.
func Failures(o cell.Outcome) []cell.StepOutcome {
	if Works(o) {
		return nil
	}
	return slices.DeleteFunc(o.Failures(), func(s cell.StepOutcome) bool { return s.Step.Part == cell.RTCP && s.Fate == cell.NotSent })
}

// search is one on its way.
type search struct {
	from   cell.Cell
	phones stage.Phones
	moves  []move
	known  map[cell.Cell]bool // whether it works, of each that was asked about
	moved  []bool             // by move: it changes something
	helps  []bool             // and is enough alone
	found  []Set
	err    error
}

// one tries each move alone.
func (s *search) one() {
	s.moved, s.helps = make([]bool, len(s.moves)), make([]bool, len(s.moves))
	for i, m := range s.moves {
		x, at, moved := m.apply(s.from)
		s.moved[i] = moved
		if s.helps[i] = moved && s.works(at); s.helps[i] {
			s.found = append(s.found, Set{[]Change{x}, at, x.Cost})
		}
	}
}

// two tries every two moves that are not enough alone. Some have a meaning only after another:
// a shorter interval wants a keepalive. Others are the same in either order.
func (s *search) two() {
	seen := map[cell.Cell]bool{}
	for i, m := range s.moves {
		x, middle, moved := m.apply(s.from)
		if s.helps[i] || !moved {
			continue
		}
		for j, l := range s.moves {
			if j < i && s.moved[j] {
				continue
			}
			y, at, moved := l.apply(middle)
			if s.helps[j] || !moved || !together(m, l) || seen[at] || !s.works(at) {
				continue
			}
			seen[at] = true
			s.found = append(s.found, Set{[]Change{x, y}, at, x.Cost + y.Cost})
		}
	}
}

// together says whether two moves are two: one would undo the other where an axis has one value.
func together(m, l move) bool {
	if m.axis != l.axis {
		return true
	}
	return m.who != l.who && slices.Contains([]string{cell.KeyLatch, cell.KeyStrict, cell.KeySilent}, m.axis)
}

// works says whether theory predicts that a neighbour works. That it is not covered, or none of
// the phone's, is that it is not known to.
func (s *search) works(c cell.Cell) bool {
	if ok, known := s.known[c]; known {
		return ok
	}
	o, err := scenarios.Predict(c, s.phones)
	if err != nil && !errors.Is(err, theory.ErrNotCovered) {
		s.err = errors.Join(s.err, fmt.Errorf("neighbour: %s: %w", c, err))
	}
	s.known[c] = err == nil && Works(o)
	return s.known[c]
}
