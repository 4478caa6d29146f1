package natmodels

import "errors"

// Setting is one setting of a model, in the settings notation.
type Setting struct {
	Name  string
	Value string // the words after the name, or empty where the default holds
	// Default is what holds without it, for people to read.
	Default string
	// Doc says what it is, and where from: "who may send to a mapping (RFC 4787 section 5)".
	Doc string
}

// WordError is what is wrong with a setting as it is written.
type WordError struct {
	Word int // which one: 0 is the name of the setting
	Err  error
}

// Error returns what is wrong with it.
func (e *WordError) Error() string { return "natmodels: setting: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *WordError) Unwrap() error { return e.Err }

// ErrInvalidConfig is what errors.Is finds in every error about settings or a place that
// cannot be honoured.
var ErrInvalidConfig = errors.New("invalid configuration")

// ConfigError says which setting, or what of a place, cannot be honoured, and why. Several
// of them may come joined.
type ConfigError struct {
	// Setting is its name in the settings notation; of a place it is "external" or "static".
	Setting string
	Problem string
}

// Error returns "natmodels: config: SETTING: PROBLEM".
func (e *ConfigError) Error() string { return "natmodels: config: " + e.Setting + ": " + e.Problem }

// Is reports that every ConfigError is an ErrInvalidConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrInvalidConfig }
