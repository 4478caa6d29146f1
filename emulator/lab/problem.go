package lab

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What can be wrong with a file; the errors of [Parse] wrap one of these, or an error of what the
// value is for.
var (
	ErrSyntax   = errors.New("syntax error")
	ErrShape    = errors.New("of another shape than is wanted here")
	ErrMarkup   = errors.New("markup that a lab file may not have")
	ErrTwice    = errors.New("given twice")
	ErrMissing  = errors.New("is missing")
	ErrValue    = errors.New("no such value")
	ErrConflict = errors.New("does not go together")
	ErrTooLarge = errors.New("the file is too large")
)

// Problem is something wrong in a file, and where.
type Problem struct {
	File         string
	Line, Column int    // from 1, the column in characters; 0 is for the file as a whole
	Source       string // the line, without its end
	Err          error
}

// Error is one line, and below it the line of the file with a caret under the column.
func (p Problem) Error() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
	text := at + ": " + internals.ReplaceAllString(p.Err.Error(), "")
	if p.Line == 0 || p.Source == "" {
		return text
	}
	number := fmt.Sprint(p.Line)
	return fmt.Sprintf("%s\n  %s | %s\n  %s | %s^", text, number, p.Source, strings.Repeat(" ", len(number)), indentTo(p.Source, p.Column))
}

// internals are the names of packages in errors, which tell a user nothing.
var internals = regexp.MustCompile(`\b(?:catalogue|vnet|natmodels|registrar|media|ua|stun|gateway): `)

// indentTo is as wide as what stands before a column, tabs included.
func indentTo(line string, column int) string {
	var b strings.Builder
	for _, r := range line {
		if column--; column < 1 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Unwrap is the cause.
func (p Problem) Unwrap() error { return p.Err }

// Problems are all that is wrong with a file, in its order.
type Problems []Problem

// Error has one problem after the other.
func (ps Problems) Error() string {
	all := make([]string, len(ps))
	for i, p := range ps {
		all[i] = p.Error()
	}
	return strings.Join(all, "\n")
}

// Unwrap makes errors.Is ask each of them.
func (ps Problems) Unwrap() []error {
	all := make([]error, len(ps))
	for i, p := range ps {
		all[i] = p
	}
	return all
}

// place is where something stands in a file.
type place struct{ line, column int }

// problems gathers what is wrong with a file.
type problems struct {
	file  string
	lines []string
	found Problems
}

// maxProblems is how many are told: who has made one mistake everywhere need not read it everywhere.
const maxProblems = 20

func (ps *problems) add(at place, err error) {
	p := Problem{File: ps.file, Line: at.line, Column: at.column, Err: err}
	if at.line > 0 && at.line <= len(ps.lines) {
		p.Source = strings.TrimRight(strings.Map(shown, ps.lines[at.line-1]), " ")
		p.Column = min(max(p.Column, 1), utf8.RuneCountInString(p.Source)+1)
	}
	ps.found = append(ps.found, p)
}

// shown keeps what a terminal would obey out of an excerpt.
func shown(r rune) rune {
	switch {
	case r == '\t':
		return r
	case r < ' ', r >= 0x7f && r < 0xa0:
		return '?'
	}
	return r
}

// err is nil if nothing is wrong.
func (ps *problems) err() error {
	if len(ps.found) == 0 {
		return nil
	}
	slices.SortStableFunc(ps.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps.found[:min(len(ps.found), maxProblems)]
}
