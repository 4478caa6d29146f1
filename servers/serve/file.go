package serve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/natproof/natproof/internal/yamldepth"
)

// Values are the words of settings, by their names.
type Values map[string]Value

// A Value is what a setting is set to.
type Value struct {
	Words []string // one, but for a List
	At    *Place   // where it stands in a file; nil is a flag
}

// A Place is a place in a file.
type Place struct {
	File         string
	Line, Column int    // from 1, the column in characters
	Text         string // of the line
}

// A FileError is what is wrong in a file, and where. Its text has the line and a caret.
type FileError struct {
	Place
	Err error
}

func (e *FileError) Error() string {
	margin := fmt.Sprintf("%4d | ", e.Line)
	indent := []rune(strings.Repeat(" ", len(margin)))
	for i, r := range []rune(e.Text) {
		if i == e.Column-1 {
			break
		}
		if r != '\t' { // as wide as the one above
			r = ' '
		}
		indent = append(indent, r)
	}
	return fmt.Sprintf("%s:%d:%d: %v\n%s%s\n%s^", e.File, e.Line, e.Column, e.Err, margin, e.Text, string(indent))
}

// Unwrap is what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// Bounds of a file: more than one needs, and little enough for the parser, which recurses.
const (
	maxFile  = 1 << 20
	maxDepth = 8
)

// ErrFile is wrapped by what a file as a whole is not.
var ErrFile = errors.New("not a configuration")

// ReadFile reads a configuration: YAML, a mapping of the names of settings. Whatever is no
// setting, stands there twice or has another shape is an error. The name is for errors.
func ReadFile(name string, b []byte) (Values, error) {
	r := reader{file: name, lines: strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")}
	if len(b) > maxFile {
		return nil, r.fail(1, 1, fmt.Errorf("%w: larger than %d bytes", ErrFile, maxFile))
	}
	for i, text := range r.lines {
		if n := validPrefix(text); n < len(text) {
			return nil, r.fail(i+1, utf8.RuneCountInString(text[:n])+1, fmt.Errorf("%w: not UTF-8", ErrFile))
		}
	}
	tokens := lexer.Tokenize(string(b))
	if err := r.shallow(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, r.syntax(err)
	}
	values := Values{}
	for i, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
		case *ast.MappingNode:
			if i > 0 {
				return nil, r.failAt(doc.Body, fmt.Errorf("%w: a second document", ErrFile))
			}
			for _, v := range body.Values {
				if err := r.entry(values, v); err != nil {
					return nil, err
				}
			}
		case *ast.MappingValueNode:
			if i > 0 {
				return nil, r.failAt(doc.Body, fmt.Errorf("%w: a second document", ErrFile))
			}
			if err := r.entry(values, body); err != nil {
				return nil, err
			}
		default:
			return nil, r.failAt(doc.Body, fmt.Errorf("%w: want lines of 'name: value'", ErrFile))
		}
	}
	return values, nil
}

// validPrefix is how many bytes are UTF-8.
func validPrefix(s string) int {
	for i, r := range s {
		if _, size := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return len(s)
}

type reader struct {
	file  string
	lines []string
}

func (r *reader) place(line, column int) Place {
	line = min(max(line, 1), len(r.lines))
	text := strings.TrimRight(r.lines[line-1], "\r")
	return Place{File: r.file, Line: line, Column: min(max(column, 1), len([]rune(text))+1), Text: string([]rune(text))} // each byte that is no UTF-8 is one character
}

func (r *reader) fail(line, column int, err error) error {
	return &FileError{r.place(line, column), err}
}

func (r *reader) failAt(n ast.Node, err error) error {
	p := position(n)
	return r.fail(p.Line, p.Column, err)
}

func position(n ast.Node) token.Position {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		n = m.Values[0]
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return *t.Position
	}
	return token.Position{Line: 1, Column: 1}
}

// shallow refuses what is nested deeper.
func (r *reader) shallow(tokens token.Tokens) error {
	if t := yamldepth.Beyond(maxDepth, tokens); t != nil {
		return r.fail(t.Position.Line, t.Position.Column, fmt.Errorf("%w: nested too deep", ErrFile))
	}
	return nil
}

func (r *reader) syntax(err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		p := e.GetToken().Position
		return r.fail(p.Line, p.Column, errors.New(e.GetMessage()))
	}
	return r.fail(1, 1, err)
}

// entry takes one line of 'name: value'.
func (r *reader) entry(values Values, v *ast.MappingValueNode) error {
	name, ok := scalar(v.Key)
	if !ok {
		return r.failAt(v.Key, fmt.Errorf("%w: a name that is no word", ErrFile))
	}
	i := slices.IndexFunc(settings, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return r.failAt(v.Key, &UnknownError{What: "setting", Name: name, Valid: names()})
	}
	if _, twice := values[name]; twice { // the parser finds most
		return r.failAt(v.Key, fmt.Errorf("%s is there twice", name))
	}
	words, err := r.words(name, settings[i].Kind, v)
	if err != nil {
		return err
	}
	p := position(v.Value)
	at := r.place(p.Line, p.Column)
	values[name] = Value{Words: words, At: &at}
	return nil
}

func (r *reader) words(name string, kind Kind, v *ast.MappingValueNode) ([]string, error) {
	if word, ok := scalar(v.Value); ok {
		if word == "" {
			return nil, r.failAt(v.Value, fmt.Errorf("%s is empty", name))
		}
		return []string{word}, nil
	}
	list, ok := v.Value.(*ast.SequenceNode)
	switch {
	case isNull(v.Value):
		return nil, r.failAt(v.Key, fmt.Errorf("%s has no value", name))
	case !ok || kind != List:
		return nil, r.failAt(v.Value, fmt.Errorf("%s: want one value", name))
	case len(list.Values) == 0:
		return nil, r.failAt(v.Value, fmt.Errorf("%s is empty", name))
	}
	var words []string
	for _, n := range list.Values {
		word, ok := scalar(n)
		if !ok || word == "" {
			return nil, r.failAt(n, fmt.Errorf("%s: want a list of words", name))
		}
		words = append(words, word)
	}
	return words, nil
}

func isNull(n ast.Node) bool { _, ok := n.(*ast.NullNode); return ok || n == nil }

// scalar is the text of a word, a number or a truth value, as it is written.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func names() []string {
	var list []string
	for _, s := range settings {
		list = append(list, s.Name)
	}
	return list
}
