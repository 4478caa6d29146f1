package catalogue

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrSyntax is what errors.Is finds in every [SyntaxError].
var ErrSyntax = errors.New("invalid settings")

// SyntaxError is something wrong in a text in the settings notation. Parse may return several
// of them joined, in the order of the text.
type SyntaxError struct {
	File         string
	Line, Column int // from 1; columns count characters. 0 is for the text as a whole.
	Err          error
}

// Error returns "catalogue: FILE:LINE:COLUMN: what is wrong".
func (e *SyntaxError) Error() string {
	at := e.File
	if e.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	return "catalogue: " + at + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Is reports that every SyntaxError is an ErrSyntax.
func (e *SyntaxError) Is(target error) bool { return target == ErrSyntax }

// line is a line that says something.
type line struct {
	number int
	words  []word
	text   string // what follows the first word
	textAt int    // column
}

type word struct {
	text   string
	column int
}

// key is the first word.
func (l *line) key() string { return l.words[0].text }

// settings are the words after the first, up to a comment.
func (l *line) settings() []string {
	var all []string
	for _, w := range l.words[1:] {
		if w.text[0] == '#' {
			break
		}
		all = append(all, w.text)
	}
	return all
}

// lines splits a text into the lines that say something. A line that begins with # is a
// comment.
func (p *parser) lines(text string) []*line {
	var all []*line
	number := 0
	for s := range strings.Lines(text) {
		number++
		l := &line{number: number}
		s = strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
		if at := strings.IndexFunc(s, forbidden); at >= 0 {
			r, _ := utf8.DecodeRuneInString(s[at:])
			p.fail(l, columnOf(s, at), fmt.Errorf("a character that is none of a text: %q", r))
			continue
		}
		l.split(s)
		if len(l.words) > 0 && l.key()[0] != '#' {
			all = append(all, l)
		}
	}
	return all
}

func forbidden(r rune) bool {
	return r == utf8.RuneError || r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r))
}

// columnOf is the column of a byte of a line.
func columnOf(s string, at int) int { return utf8.RuneCountInString(s[:at]) + 1 }

func (l *line) split(s string) {
	for at := 0; at < len(s); {
		if s[at] == ' ' || s[at] == '\t' {
			at++
			continue
		}
		end := at + strings.IndexAny(s[at:]+" ", " \t")
		if len(l.words) == 1 {
			l.text, l.textAt = strings.TrimRight(s[at:], " \t"), columnOf(s, at)
		}
		l.words = append(l.words, word{s[at:end], columnOf(s, at)})
		at = end
	}
}
