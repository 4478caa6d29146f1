package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/natproof/natproof/internal/yamldepth"
)

// MaxSize is how long a file may be, in bytes.
const MaxSize = 1 << 20

// Load reads a lab file. Files of settings that it names are looked for beside it.
func Load(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	return parse(name, filepath.Dir(name), b)
}

// Parse reads the text of a lab file. The name is for errors, which are [Problems].
func Parse(name string, text []byte) (*File, error) { return parse(name, "", text) }

func parse(name, dir string, text []byte) (*File, error) {
	ps := &problems{file: name}
	if len(text) > MaxSize {
		ps.add(place{}, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxSize))
		return nil, ps.err()
	}
	ps.lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	body := ps.body(string(text))
	if body == nil {
		return nil, ps.err()
	}
	d := decoder{problems: ps, places: map[string]place{}}
	f := d.file(body)
	if len(ps.found) > 0 {
		return nil, ps.err()
	}
	f.places, f.dir, f.source = d.places, dir, ps
	check(f, ps)
	return f, ps.err()
}

// body is the one document of a file.
func (ps *problems) body(text string) ast.Node {
	if at := strings.IndexFunc(text, unwritable); at >= 0 {
		ps.add(placeAt(text, at), fmt.Errorf("%w: a control character", ErrSyntax))
		return nil
	}
	tokens := lexer.Tokenize(text)
	if !ps.shallow(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		ps.syntax(err)
		return nil
	}
	var body ast.Node
	for i, doc := range file.Docs {
		switch {
		case i > 0:
			ps.add(tokenPlace(doc.Start), fmt.Errorf("%w: a second document", ErrMarkup))
			return nil
		case doc.Body != nil:
			body = doc.Body
		}
	}
	if c, ok := body.(*ast.CommentGroupNode); body == nil || ok && c != nil {
		ps.add(place{}, fmt.Errorf("%w: the file says nothing", ErrShape))
		return nil
	}
	return body
}

func unwritable(r rune) bool {
	return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f || r == '\uFFFD'
}

// placeAt is the place of a byte.
func placeAt(text string, at int) place {
	before := text[:at]
	line := strings.Count(before, "\n")
	return place{line + 1, len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1}
}

// maxDepth is more than a file needs, and little enough for the parser, which recurses.
const maxDepth = 16

// shallow notes and refuses what is nested deeper.
func (ps *problems) shallow(tokens token.Tokens) bool {
	t := yamldepth.Beyond(maxDepth, tokens)
	if t != nil {
		ps.add(tokenPlace(t), fmt.Errorf("%w: nested too deep", ErrShape))
	}
	return t == nil
}

func (ps *problems) syntax(err error) {
	var at place
	var e yaml.Error
	msg := err.Error()
	if errors.As(err, &e) {
		msg, at = e.GetMessage(), tokenPlace(e.GetToken())
	}
	ps.add(at, fmt.Errorf("%w: %s", ErrSyntax, msg))
}

func tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// startOf is where a node begins.
func startOf(n ast.Node) place {
	if entries, ok := mapping(n); ok && len(entries) > 0 {
		if m, flow := n.(*ast.MappingNode); !flow || !m.IsFlowStyle {
			return startOf(entries[0].Key)
		}
	}
	if n == nil {
		return place{}
	}
	return tokenPlace(n.GetToken())
}

// mapping are the entries of a mapping.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// scalar is a value as it was written: 0123 is no number here.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
