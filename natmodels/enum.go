package natmodels

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrUnknownName is wrapped by every Parse error; the message lists the valid
// names.
var ErrUnknownName = errors.New("unknown name")

// enumName returns the name of v, or "unknown-N".
func enumName[E ~uint8](names []string, v E) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "unknown-" + strconv.Itoa(int(v))
}

// parseEnum finds name among the tables, each of which names the same values.
func parseEnum[E ~uint8](what, name string, tables ...[]string) (E, error) {
	var valid []string
	for _, names := range tables {
		for v, n := range names {
			if n == name {
				return E(v), nil
			}
		}
		valid = append(valid, names...)
	}
	return 0, unknownName(what, name, valid)
}

func unknownName(what, name string, valid []string) error {
	return fmt.Errorf("natmodels: parse %s: %w %q (valid: %s)", what, ErrUnknownName, name, strings.Join(valid, ", "))
}
