package cell

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid marks a cell, an axis value or an identifier that means nothing here.
var ErrInvalid = errors.New("scenarios: invalid")

// invalid is an error about a cell, an axis value or an identifier.
type invalid string

func (e invalid) Error() string { return string(e) }
func (e invalid) Unwrap() error { return ErrInvalid }

func invalidf(format string, args ...any) error { return invalid(fmt.Sprintf(format, args...)) }

// ValueError names a value that an axis does not have, and those it has.
type ValueError struct {
	Axis  string
	Value string
	Valid []string
}

// Error names the axis, the value and the valid ones; of many only the nearest.
func (e *ValueError) Error() string {
	const few = 12
	text := fmt.Sprintf("unknown %s %q", e.Axis, e.Value)
	valid := e.Valid
	near := Nearest(e.Value, valid)
	switch {
	case len(valid) <= few && near != "":
		text += fmt.Sprintf(", did you mean %s? (valid: %s)", near, strings.Join(valid, ", "))
	case len(valid) <= few:
		text += fmt.Sprintf(" (valid: %s)", strings.Join(valid, ", "))
	case near != "":
		text += fmt.Sprintf(", did you mean %s?", near)
	default:
		text += fmt.Sprintf(" (there are %d, such as %s)", len(valid), strings.Join(valid[:few/2], ", "))
	}
	return text
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *ValueError) Unwrap() error { return ErrInvalid }

// isUnknown tells a name that nobody knows from one that is known and faulty, such as a
// file with a mistake in it.
func isUnknown(err error) bool { return err != nil }

// Nearest is the word that somebody who wrote the given one most likely meant: the closest
// of those that differ in no more than a third of it, or "".
func Nearest(word string, of []string) string {
	best, least := "", len(word)/3+1
	for _, w := range of {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	if best == "" {
		for _, w := range of { // one who left out the end
			if len(word) > 2 && strings.HasPrefix(w, word) {
				return w
			}
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their
// neighbour (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
