package provision

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/natproof/natproof/internal/yamldepth"
)

// ParseYAML reads the YAML of a document: a mapping with the names of the XML, in which sipsrv
// and session are sequences of mappings and allowedauth is a sequence. Values are taken as
// they are written, numbers too.
func (o Options) ParseYAML(b []byte) (Document, error) {
	if err := readable(b); err != nil {
		return Document{}, err
	}
	var r yamlReader
	tokens := lexer.Tokenize(string(b))
	if !r.shallow(tokens) {
		return Document{}, r.err()
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return Document{}, r.err()
	}
	var root *node
	for i, doc := range file.Docs {
		switch {
		case i > 0:
			r.add(tokenPlace(doc.Start), "", fmt.Errorf("%w: a second document", ErrMarkup))
		case doc.Body != nil:
			root = r.root(doc.Body)
		}
	}
	if root == nil && len(r.Problems) > 0 {
		return Document{}, r.err()
	}
	return read(root, o, r.Problems...)
}

// yamlReader makes a tree of YAML.
type yamlReader struct{ Problems }

// maxDepth is more than a document needs, and little enough for the parser, which recurses.
const maxDepth = 16

// shallow notes and refuses what is nested deeper.
func (r *yamlReader) shallow(tokens token.Tokens) bool {
	t := yamldepth.Beyond(maxDepth, tokens)
	if t != nil {
		r.add(tokenPlace(t), "", fmt.Errorf("%w: nested too deep", ErrShape))
	}
	return t == nil
}

func (r *yamlReader) syntax(err error) {
	var at place
	var e yaml.Error
	msg := err.Error()
	if errors.As(err, &e) {
		msg, at = e.GetMessage(), tokenPlace(e.GetToken())
	}
	r.add(at, "", fmt.Errorf("%w: %s", ErrSyntax, msg))
}

func (r *yamlReader) root(body ast.Node) *node {
	if c, ok := body.(*ast.CommentGroupNode); ok && c != nil {
		return nil
	}
	values, ok := mapping(body)
	if !ok {
		r.add(startOf(body), "", fmt.Errorf("%w: no mapping", ErrShape))
		return nil
	}
	return r.element("provision", startOf(body), values)
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

func (r *yamlReader) element(name string, at place, values []*ast.MappingValueNode) *node {
	n := &node{name: name, at: at, yaml: true}
	for _, v := range values {
		key, at := v.Key, startOf(v.Key)
		name, ok := scalar(key)
		if !ok {
			r.add(at, n.name, fmt.Errorf("%w: a key that is no word", ErrMarkup))
			continue
		}
		r.entry(n, name, at, v.Value)
	}
	return n
}

// entry is an attribute, an element or several.
func (r *yamlReader) entry(n *node, name string, at place, value ast.Node) {
	if text, ok := scalar(value); ok {
		r.plain(value, at, pathIn(n, name))
		n.attrs = append(n.attrs, attr{name: name, value: text, at: at})
		return
	}
	if values, ok := mapping(value); ok {
		n.kids = append(n.kids, r.element(name, at, values))
		return
	}
	seq, ok := value.(*ast.SequenceNode)
	if !ok {
		r.add(at, pathIn(n, name), r.refusal(value))
		return
	}
	if many(name) || slices.ContainsFunc(seq.Values, isMapping) {
		r.elements(n, name, seq)
		return
	}
	r.words(n, name, at, seq)
}

// pathIn is the path of an entry: the root has none of its own.
func pathIn(n *node, name string) string {
	if n.name == "provision" {
		return name
	}
	return n.name + " " + name
}

func isMapping(n ast.Node) bool { _, ok := mapping(n); return ok }

// elements are those of a sequence of mappings.
func (r *yamlReader) elements(n *node, name string, seq *ast.SequenceNode) {
	for _, v := range seq.Values {
		values, ok := mapping(v)
		if !ok {
			r.add(startOf(v), pathIn(n, name), r.refusal(v))
			continue
		}
		kid := r.element(name, startOf(v), values)
		kid.listed = true
		n.kids = append(n.kids, kid)
	}
}

// words are an attribute that is a list.
func (r *yamlReader) words(n *node, name string, at place, seq *ast.SequenceNode) {
	var words []string
	for _, v := range seq.Values {
		w, ok := scalar(v)
		if !ok || len(strings.Fields(w)) != 1 {
			r.add(startOf(v), pathIn(n, name), fmt.Errorf("%w: no word", ErrShape))
			continue
		}
		r.plain(v, startOf(v), pathIn(n, name))
		words = append(words, w)
	}
	n.attrs = append(n.attrs, attr{name: name, value: strings.Join(words, " "), at: at, list: true})
}

// plain notes a value without quotes that the parser reads as another one than is written: it
// drops tabs, and folds lines.
func (r *yamlReader) plain(n ast.Node, at place, path string) {
	if t := n.GetToken(); t.Type == token.StringType && strings.Trim(t.Origin, " \t\r\n") != t.Value {
		r.add(at, path, fmt.Errorf("%w: %.20q needs quotes", ErrText, t.Value))
	}
}

// refusal says why a value is none.
func (r *yamlReader) refusal(n ast.Node) error {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return fmt.Errorf("%w: %s", ErrMarkup, n.Type())
	case nil, *ast.NullNode:
		return fmt.Errorf("%w: no value", ErrShape)
	}
	return fmt.Errorf("%w: %s", ErrShape, n.Type())
}

// scalar is a value as it was written: 0123 is no number here.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// startOf is where a node begins.
func startOf(n ast.Node) place {
	if values, ok := mapping(n); ok && len(values) > 0 {
		if m, flow := n.(*ast.MappingNode); !flow || !m.IsFlowStyle {
			return startOf(values[0].Key)
		}
	}
	if n == nil {
		return place{}
	}
	return tokenPlace(n.GetToken())
}

func tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}

// YAML writes the document. It is not written if it breaks a rule or could not be read again.
func (d Document) YAML() ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	n, err := yaml.ValueToNode(yamlOf(d.tree()), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("provision: yaml: %w", err)
	}
	ast.Walk(quoter{}, n)
	b := []byte(n.String() + "\n")
	if err := fits(b); err != nil {
		return nil, err
	}
	return b, nil
}

// quoter puts quotes around what is not plain beyond doubt.
type quoter struct{}

var plain = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9 .@:/_-]*[A-Za-z0-9])?$`)

// Visit implements ast.Visitor.
func (q quoter) Visit(n ast.Node) ast.Visitor {
	if s, ok := n.(*ast.StringNode); ok && s.Token.Type == token.StringType && !plain.MatchString(s.Value) && !token.IsNeedQuoted(s.Value) {
		s.Token.Type = token.DoubleQuoteType
	}
	return q
}

// yamlOf is an element as a mapping in order.
func yamlOf(n *node) yaml.MapSlice {
	var m yaml.MapSlice
	for _, a := range n.attrs {
		var v any = a.value
		if a.list {
			v = strings.Fields(a.value)
		}
		m = append(m, yaml.MapItem{Key: a.name, Value: v})
	}
	for i, kid := range n.kids {
		switch {
		case !kid.listed:
			m = append(m, yaml.MapItem{Key: kid.name, Value: yamlOf(kid)})
		case i > 0 && n.kids[i-1].name == kid.name:
			last := &m[len(m)-1]
			last.Value = append(last.Value.([]yaml.MapSlice), yamlOf(kid))
		default:
			m = append(m, yaml.MapItem{Key: kid.name, Value: []yaml.MapSlice{yamlOf(kid)}})
		}
	}
	return m
}
