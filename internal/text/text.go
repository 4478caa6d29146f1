package text

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ErrControl means that a value has a character that no value may have.
var ErrControl = errors.New("control character in a value")

// Value refuses the control characters of ASCII (0x00 to 0x1f and 0x7f) other
// than HTAB. The error is nil or wraps ErrControl.
func Value(v string) error { return without(v, control) }

// Bytes refuses what a byte-string of RFC 8866 §9 may not have: NUL, CR and LF. It
// is for values that are skipped; those that are kept are held to Value.
func Bytes(v string) error { return without(v, lineBreaking) }

// Strip is v without what Value refuses: what may be written. It changes no other byte.
func Strip(v string) string {
	if Value(v) == nil {
		return v
	}
	var kept strings.Builder
	for i := range len(v) {
		if !control(v[i]) {
			kept.WriteByte(v[i])
		}
	}
	return kept.String()
}

// Printable is v as it may be shown: without control characters, those of Unicode
// (C1) too, a space for HTAB, and U+FFFD for what is not UTF-8.
func Printable(v string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(v, "\uFFFD"))
}

func control(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }

func lineBreaking(b byte) bool { return b == 0 || b == '\r' || b == '\n' }

func without(v string, bad func(byte) bool) error {
	for i := range len(v) {
		if bad(v[i]) {
			return at(v, i)
		}
	}
	return nil
}

func at(v string, i int) error { return fmt.Errorf("%w: 0x%02x at byte %d", ErrControl, v[i], i) }
