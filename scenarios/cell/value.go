package cell

import (
	"errors"
	"fmt"

	"github.com/natproof/natproof/natmodels"
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
	Also  string // what else is valid, in words
}

// Error names the axis, the value, the nearest valid one and, if they are few, all of them.
func (e *ValueError) Error() string {
	return (&natmodels.UnknownError{What: e.Axis, Name: e.Value, Valid: e.Valid, Also: e.Also}).Error()
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *ValueError) Unwrap() error { return ErrInvalid }
