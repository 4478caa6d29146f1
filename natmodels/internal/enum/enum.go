package enum

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnknown is what errors.Is finds in every [UnknownError].
var ErrUnknown = errors.New("unknown name")

// UnknownError is a name that means nothing where it stands.
type UnknownError struct {
	What  string // what it should be a name of: "mapping"
	Name  string
	Valid []string
	Also  string // what else is valid, in words
}

// fewNames is how many valid names an error lists.
const fewNames = 12

// Error returns `unknown mapping "eif" (did you mean eim? valid: ...)`. Of many valid names
// it gives the nearest alone.
func (e *UnknownError) Error() string {
	var hints []string
	if near := Nearest(e.Name, e.Valid); near != "" {
		hints = append(hints, "did you mean "+near+"?")
	}
	if len(e.Valid) <= fewNames {
		valid := e.Valid
		if e.Also != "" {
			valid = append(slices.Clip(valid), e.Also)
		}
		hints = append(hints, "valid: "+strings.Join(valid, ", "))
	}
	s := fmt.Sprintf("unknown %s %q", e.What, e.Name)
	if len(hints) > 0 {
		s += " (" + strings.Join(hints, " ") + ")"
	}
	return s
}

// Is reports that every UnknownError is an ErrUnknown.
func (e *UnknownError) Is(target error) bool { return target == ErrUnknown }

// Name returns the name of v, or "unknown-N".
func Name[E ~uint8](names []string, v E) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "unknown-" + strconv.Itoa(int(v))
}

// Parse finds name among the tables, each of which names the same values. The error is an
// [UnknownError].
func Parse[E ~uint8](what, name string, tables ...[]string) (E, error) {
	var valid []string
	for _, names := range tables {
		for v, n := range names {
			if n == name {
				return E(v), nil
			}
		}
		valid = append(valid, names...)
	}
	return 0, &UnknownError{What: what, Name: name, Valid: valid}
}

// Nearest returns the name that differs least from what was written, or "" if none is
// near: at most a third of the letters may be wrong, or the end be left out.
func Nearest(name string, valid []string) string {
	const longest = 64 // nobody means a name by so many letters
	if len(name) > longest {
		return ""
	}
	best, least := "", len(name)/3+1
	for _, v := range valid {
		if d := distance(strings.ToLower(name), strings.ToLower(v)); d < least {
			best, least = v, d
		}
	}
	if best == "" && len(name) > 2 {
		for _, v := range valid {
			if strings.HasPrefix(v, name) {
				return v
			}
		}
	}
	return best
}

// distance is how many letters must be put in, taken out, changed or exchanged with their
// neighbour to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	two := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		two, before, row = before, row, two
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(before[j]+cost, before[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], two[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
