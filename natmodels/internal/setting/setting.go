package setting

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/enum"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// Table lists the settings of a configuration in the order in which they are printed.
type Table[C any] []Row[C]

// Row is one setting.
type Row[C any] struct {
	Name    string
	Doc     string // what it is, and where from
	Default string // what holds without it
	set     func(c *C, words []string) error
	print   func(c *C) string // empty where the default holds
	unusual func(c *C) string // the value, where it is not the default; nil if it is foreseen
	check   func(c *C) string // what is wrong with the value, or nothing
	copy    func(to, from *C)
}

// defaultWord takes a setting back.
const defaultWord = "default"

// With sets one setting by its words. The error is a [natmodels.WordError].
func (t Table[C]) With(c C, name string, words []string) (C, error) {
	row := t.find(name)
	if row == nil {
		return c, &natmodels.WordError{Word: 0, Err: &enum.UnknownError{What: "setting", Name: name, Valid: t.names()}}
	}
	if len(words) == 0 {
		return c, &natmodels.WordError{Word: 0, Err: fmt.Errorf("%s: without a value", name)}
	}
	var changed C
	if len(words) != 1 || words[0] != defaultWord {
		if err := row.set(&changed, words); err != nil {
			return c, located(name, err)
		}
		if problem := row.check(&changed); problem != "" {
			return c, &natmodels.WordError{Word: 1, Err: fmt.Errorf("%s: %s", name, problem)}
		}
	}
	row.copy(&c, &changed)
	return c, nil
}

// located makes a WordError of what went wrong with the words of a setting.
func located(name string, err error) error {
	var at *natmodels.WordError
	if !errors.As(err, &at) {
		at = &natmodels.WordError{Word: 1, Err: err}
	}
	if errors.Is(at.Err, enum.ErrUnknown) {
		return at // it says of what
	}
	return &natmodels.WordError{Word: at.Word, Err: fmt.Errorf("%s: %w", name, at.Err)}
}

func (t Table[C]) find(name string) *Row[C] {
	for i := range t {
		if t[i].Name == name {
			return &t[i]
		}
	}
	return nil
}

func (t Table[C]) names() []string {
	names := make([]string, len(t))
	for i, row := range t {
		names[i] = row.Name
	}
	return names
}

// List prints every setting.
func (t Table[C]) List(c C) []natmodels.Setting {
	all := make([]natmodels.Setting, len(t))
	for i, row := range t {
		all[i] = natmodels.Setting{Name: row.Name, Value: row.print(&c), Default: row.Default, Doc: row.Doc}
	}
	return all
}

// Unforeseen lists the settings that are not marked as foreseen and have another value than
// the default, as the notation has them.
func (t Table[C]) Unforeseen(c C) []string {
	var all []string
	for _, row := range t {
		if row.unusual == nil {
			continue
		}
		if value := row.unusual(&c); value != "" {
			all = append(all, row.Name+" "+value)
		}
	}
	return all
}

// Check checks each value by itself.
func (t Table[C]) Check(c C, p *judge.Problems) {
	for _, row := range t {
		if problem := row.check(&c); problem != "" {
			p.Add(row.Name, "%s", problem)
		}
	}
}

// Embed makes the rows of a part those of the whole.
func Embed[C, Part any](part Table[Part], at func(*C) *Part) Table[C] {
	var t Table[C]
	for _, row := range part {
		whole := Row[C]{
			Name: row.Name, Doc: row.Doc, Default: row.Default,
			set:   func(c *C, words []string) error { return row.set(at(c), words) },
			print: func(c *C) string { return row.print(at(c)) },
			check: func(c *C) string { return row.check(at(c)) },
			copy:  func(to, from *C) { row.copy(at(to), at(from)) },
		}
		if row.unusual != nil {
			whole.unusual = func(c *C) string { return row.unusual(at(c)) }
		}
		t = append(t, whole)
	}
	return t
}

// Form is how values of one type are written.
type Form[T any] struct {
	Words int // how many there are; 0 is one or more
	Parse func(words []string) (T, error)
	Print func(T) string
	Check func(T) string // nil: whatever can be read is right
}

// New makes a row of a setting at a place in the configuration.
func New[C, T any](name, doc, standard string, form Form[T], at func(*C) *T) Row[C] {
	unset := form.Print(*at(new(C)))
	changed := func(c *C) string {
		if reflect.ValueOf(at(c)).Elem().IsZero() {
			return "" // it would print as unset
		}
		if s := form.Print(*at(c)); s != unset {
			return s
		}
		return ""
	}
	return Row[C]{
		Name: name, Doc: doc, Default: standard,
		set: func(c *C, words []string) (err error) {
			if form.Words > 0 && len(words) != form.Words {
				return fmt.Errorf("%d words where there should be %d: %s", len(words), form.Words, strings.Join(words, " "))
			}
			*at(c), err = form.Parse(words)
			return err
		},
		print: changed, unusual: changed,
		check: func(c *C) string {
			if form.Check == nil {
				return ""
			}
			return form.Check(*at(c))
		},
		copy: func(to, from *C) { *at(to) = *at(from) },
	}
}

// Foreseen marks a setting whose part in what happens to UDP a theory knows: the Behavior
// tells it, or it has none. What is not marked is told by its name, and theories refuse to
// predict what it changes.
func (r Row[C]) Foreseen() Row[C] {
	r.unusual = nil
	return r
}

// Always makes a row print its value also where that is the default, so that it can be read
// what a box does.
func (r Row[C]) Always() Row[C] {
	standard, print := r.Default, r.print
	r.print = func(c *C) string {
		if s := print(c); s != "" {
			return s
		}
		return standard
	}
	return r
}
