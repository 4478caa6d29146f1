package catalogue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/internal/enum"
	"github.com/natproof/natproof/natmodels/stateless"
	"github.com/natproof/natproof/natmodels/translate"
)

// parser reads one text.
type parser struct {
	file     string
	named    func(string) (natmodels.Model, error) // what like may name
	entry    Entry
	seen     map[string]*line
	problems []*SyntaxError
}

func (p *parser) fail(l *line, column int, err error) {
	p.problems = append(p.problems, &SyntaxError{p.file, l.number, column, err})
}

// Parse reads a NAT in the settings notation. The name is that of the file, for errors, and
// that of the NAT, if the text does not name it. The error joins SyntaxErrors.
func Parse(name, text string) (Entry, error) { return parse(name, text, named) }

func parse(name, text string, named func(string) (natmodels.Model, error)) (Entry, error) {
	p := parser{file: name, named: named, entry: Entry{Name: name}, seen: map[string]*line{}}
	for _, l := range p.lines(text) {
		p.line(l)
	}
	if p.entry.Model == nil && len(p.problems) == 0 {
		p.problems = append(p.problems, &SyntaxError{File: name, Err: errors.New("it says no kind: a line such as kind translator, or like full-cone")})
	}
	p.validate()
	if err := p.err(); err != nil {
		return Entry{}, err
	}
	return p.entry, nil
}

// Vary returns a model with some settings changed: lines of the settings notation.
func Vary(m natmodels.Model, settings string) (natmodels.Model, error) {
	p := parser{file: "settings", entry: Entry{Model: m}, seen: map[string]*line{}}
	for _, l := range p.lines(settings) {
		p.setting(l)
	}
	p.validate()
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.entry.Model, nil
}

func (p *parser) err() error {
	slices.SortStableFunc(p.problems, func(a, b *SyntaxError) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	errs := make([]error, len(p.problems))
	for i, e := range p.problems {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// line reads one line.
func (p *parser) line(l *line) {
	if read, ok := texts[l.key()]; ok {
		p.text(l, read)
		return
	}
	switch l.key() {
	case "fact":
		p.fact(l)
	case "source", "url":
		p.source(l)
	case "kind", "like":
		p.begin(l)
	default:
		p.setting(l)
	}
}

// texts are the lines that are free text, each said once.
var texts = map[string]func(*Entry) *string{
	"name":     func(e *Entry) *string { return &e.Name },
	"title":    func(e *Entry) *string { return &e.Title },
	"observed": func(e *Entry) *string { return &e.Observed },
	"beyond":   func(e *Entry) *string { return &e.Beyond },
}

func (p *parser) text(l *line, at func(*Entry) *string) {
	switch {
	case !p.once(l):
	case l.text == "":
		p.fail(l, l.words[0].column, fmt.Errorf("%s: nothing follows", l.key()))
	case l.key() == "name" && len(l.words) > 2:
		p.fail(l, l.words[2].column, errors.New("name: one word, please"))
	default:
		*at(&p.entry) = l.text
	}
}

// once refuses what was said before.
func (p *parser) once(l *line) bool {
	if before := p.seen[l.key()]; before != nil {
		p.fail(l, l.words[0].column, fmt.Errorf("%s: said in line %d already", l.key(), before.number))
		return false
	}
	p.seen[l.key()] = l
	return true
}

// fact reads "fact CONFIDENCE: ASPECT, ASPECT".
func (p *parser) fact(l *line) {
	confidence, about, ok := strings.Cut(l.text, ":")
	if !ok {
		p.fail(l, l.words[0].column, errors.New("fact: say how sure it is and what it is about: fact high: mapping, filtering"))
		return
	}
	c, err := enum.Parse[Confidence]("confidence", strings.TrimSpace(confidence), confidenceNames)
	if err != nil {
		p.fail(l, l.textAt, err)
		return
	}
	f := Fact{Confidence: c}
	at := l.textAt + utf8.RuneCountInString(confidence) + 1
	for a := range strings.SplitSeq(about, ",") {
		trimmed := strings.TrimSpace(a)
		if !slices.Contains(aspects, trimmed) {
			blank := utf8.RuneCountInString(a) - utf8.RuneCountInString(strings.TrimLeft(a, " \t"))
			p.fail(l, at+blank, unknown("aspect", trimmed, aspects))
		}
		at += utf8.RuneCountInString(a) + 1
		f.About = append(f.About, trimmed)
	}
	p.entry.Facts = append(p.entry.Facts, f)
}

// source reads where the fact before is from.
func (p *parser) source(l *line) {
	if len(p.entry.Facts) == 0 {
		p.fail(l, l.words[0].column, fmt.Errorf("%s: there is no fact before it", l.key()))
		return
	}
	f := &p.entry.Facts[len(p.entry.Facts)-1]
	at := &f.Source
	if l.key() == "url" {
		at = &f.URL
	}
	switch {
	case *at != "":
		p.fail(l, l.words[0].column, fmt.Errorf("%s: the fact has one already", l.key()))
	case l.text == "":
		p.fail(l, l.words[0].column, fmt.Errorf("%s: nothing follows", l.key()))
	default:
		*at = l.text
	}
}

// kinds are the models that settings begin with.
var kinds = []struct {
	kind  natmodels.Kind
	model natmodels.Model
}{
	{natmodels.Translator, translate.Config{}},
	{natmodels.NAT64, translate.NAT64{Prefix: translate.WellKnownPrefix}},
	{natmodels.Conntrack, conntrack.Config{}},
	{natmodels.Firewall, conntrack.Firewall{}},
	{natmodels.Router, stateless.Router{}},
	{natmodels.PrefixTranslator, stateless.PrefixTranslator{}},
}

// begin reads "kind KIND" or "like NAME".
func (p *parser) begin(l *line) {
	words := l.settings()
	switch {
	case !p.once(l):
	case p.entry.Model != nil:
		p.fail(l, l.words[0].column, fmt.Errorf("%s: kind and like do not go together", l.key()))
	case len(words) != 1:
		p.fail(l, l.words[0].column, fmt.Errorf("%s: one word, please", l.key()))
	case l.key() == "like":
		p.like(l, words[0])
	default:
		p.kind(l, words[0])
	}
}

func (p *parser) like(l *line, name string) {
	base, err := p.named(name)
	if err != nil {
		p.unknown(l, err)
		return
	}
	p.entry.Model = base
}

func (p *parser) kind(l *line, name string) {
	kind, err := natmodels.ParseKind(name)
	if err != nil {
		p.unknown(l, err)
		return
	}
	for _, k := range kinds {
		if k.kind == kind {
			p.entry.Model = k.model
		}
	}
}

// unknown is a model, or a kind, that there is not.
func (p *parser) unknown(l *line, err error) {
	var u *natmodels.UnknownError
	if errors.As(err, &u) {
		err = u
	}
	p.fail(l, l.words[1].column, err)
}

// setting reads one setting of the model.
func (p *parser) setting(l *line) {
	if p.entry.Model == nil {
		if p.known(l.key()) {
			p.fail(l, l.words[0].column, fmt.Errorf("%s: say the kind first, such as kind translator", l.key()))
		} else {
			p.fail(l, l.words[0].column, unknown("setting", l.key(), allSettings()))
		}
		return
	}
	if !p.once(l) {
		return
	}
	next, err := p.entry.Model.With(l.key(), l.settings()...)
	if err != nil {
		p.fail(l, l.columnOf(err), p.cause(l.key(), err))
		return
	}
	p.entry.Model = next
}

// columnOf is where the word is that an error is about.
func (l *line) columnOf(err error) int {
	var at *natmodels.WordError
	if errors.As(err, &at) && at.Word < len(l.words) {
		return l.words[at.Word].column
	}
	return l.words[0].column
}

// cause is what is wrong with a word, without where.
func (p *parser) cause(key string, err error) error {
	var u *natmodels.UnknownError
	if errors.As(err, &u) && u.What == "setting" {
		kind := p.entry.Model.Behavior().Kind.String()
		for _, k := range kinds {
			for _, s := range k.model.Settings() {
				if s.Name == key {
					return fmt.Errorf("a %s has no setting %s; a %v has", kind, key, k.kind)
				}
			}
		}
		return unknown("setting of a "+kind, key, append(u.Valid, "name", "title", "observed", "beyond", "fact", "source", "url", "kind", "like"))
	}
	var at *natmodels.WordError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// known reports whether any kind has a setting.
func (p *parser) known(name string) bool { return slices.Contains(allSettings(), name) }

// allSettings lists what may begin a line.
func allSettings() []string {
	all := []string{"name", "title", "observed", "beyond", "fact", "source", "url", "kind", "like"}
	for _, k := range kinds {
		for _, s := range k.model.Settings() {
			if !slices.Contains(all, s.Name) {
				all = append(all, s.Name)
			}
		}
	}
	return all
}

// validate finds settings that do not go together.
func (p *parser) validate() {
	if p.entry.Model == nil || len(p.problems) > 0 {
		return
	}
	for _, err := range causes(p.entry.Model.Validate()) {
		e := &SyntaxError{File: p.file, Err: err}
		var c *natmodels.ConfigError
		if errors.As(err, &c) {
			e.Err = fmt.Errorf("%s: %s", c.Setting, c.Problem)
			if l := p.seen[c.Setting]; l != nil {
				e.Line, e.Column = l.number, l.words[min(1, len(l.words)-1)].column
			}
		}
		p.problems = append(p.problems, e)
	}
}

// causes takes joined errors apart.
func causes(err error) []error {
	switch joined := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		return joined.Unwrap()
	}
	return []error{err}
}
