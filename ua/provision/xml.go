package provision

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Parse reads the XML of a document.
func (o Options) Parse(b []byte) (Document, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if err := readable(b); err != nil {
		return Document{}, err
	}
	root, noted, ok := parseXML(b)
	if !ok {
		return Document{}, noted.err()
	}
	return read(root, o, noted...)
}

// readable refuses what no decoder is given.
func readable(b []byte) error {
	if err := fits(b); err != nil || utf8.Valid(b) {
		return err
	}
	var ps Problems
	c := cursor{b: b, line: 1}
	ps.add(c.at(firstInvalid(b)), "", fmt.Errorf("%w: not UTF-8", ErrSyntax))
	return ps.err()
}

// fits refuses a text that is too large.
func fits(b []byte) error {
	if len(b) <= MaxSize {
		return nil
	}
	return Problems{{Err: fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), MaxSize)}}
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// xmlReader makes a tree of XML. The decoder says what is well-formed and what values are,
// the bytes say where things are.
type xmlReader struct {
	Problems
	b     []byte
	pos   cursor
	root  *node
	stack []*node
}

// parseXML is the tree of the root element, nil if there is none; false if it is no XML.
func parseXML(b []byte) (*node, Problems, bool) {
	r := xmlReader{b: b, pos: cursor{b: b, line: 1}}
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.CharsetReader = func(label string, _ io.Reader) (io.Reader, error) { return nil, encoding(label) }
	for {
		from := int(dec.InputOffset())
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return r.root, r.Problems, true
		}
		if err != nil {
			var s *xml.SyntaxError
			var e encoding
			msg := err.Error()
			switch {
			case errors.As(err, &s):
				msg = s.Msg
			case errors.As(err, &e):
				msg = e.Error()
			}
			r.add(r.pos.at(int(dec.InputOffset())), "", fmt.Errorf("%w: %s", ErrSyntax, msg))
			return nil, r.Problems, false
		}
		r.token(tok, from)
	}
}

// encoding is another one than UTF-8, by the declaration of a text.
type encoding string

func (e encoding) Error() string { return fmt.Sprintf("the encoding is %q, not UTF-8", string(e)) }

func (r *xmlReader) token(tok xml.Token, from int) {
	switch t := tok.(type) {
	case xml.StartElement:
		r.start(t, from)
	case xml.EndElement:
		r.stack = r.stack[:len(r.stack)-1]
	case xml.CharData:
		if i := bytes.IndexFunc(r.b[from:], isNoSpace); len(bytes.TrimSpace(t)) > 0 && i >= 0 {
			r.add(r.pos.at(from+i), r.in(), fmt.Errorf("%w: %.20q", ErrText, bytes.TrimSpace(t)))
		}
	case xml.ProcInst:
		if t.Target != "xml" || from != 0 {
			r.add(r.pos.at(from), r.in(), fmt.Errorf("%w: <?%s", ErrMarkup, t.Target))
		}
	case xml.Directive:
		r.add(r.pos.at(from), r.in(), fmt.Errorf("%w: <!", ErrMarkup))
	}
}

func (r *xmlReader) start(t xml.StartElement, from int) {
	name, names := r.names(from)
	n := &node{name: name, at: r.pos.at(from)}
	for i, a := range t.Attr {
		n.attrs = append(n.attrs, attr{name: string(r.b[names[i].from:names[i].to]), value: a.Value, at: r.pos.at(names[i].from)})
	}
	switch {
	case len(r.stack) > 0:
		in := r.stack[len(r.stack)-1]
		in.kids = append(in.kids, n)
	case r.root == nil:
		r.root = n
	default:
		r.add(n.at, n.name, fmt.Errorf("%w: a root element", ErrDuplicate))
	}
	r.stack = append(r.stack, n)
}

// in is the element that is open.
func (r *xmlReader) in() string {
	if len(r.stack) == 0 {
		return ""
	}
	return r.stack[len(r.stack)-1].name
}

type span struct{ from, to int }

// names finds the names in a start tag that the decoder has found well-formed: they are as
// they were written, whatever a prefix stands for.
func (r *xmlReader) names(from int) (element string, attrs []span) {
	i := from + len("<")
	end := r.nameEnd(i)
	element = string(r.b[i:end])
	for i = end; i < len(r.b); {
		for strings.IndexByte(space, r.b[i]) >= 0 {
			i++
		}
		if r.b[i] == '>' || r.b[i] == '/' {
			break
		}
		end = r.nameEnd(i)
		attrs = append(attrs, span{i, end})
		open := end + bytes.IndexAny(r.b[end:], `"'`)
		i = open + 1 + bytes.IndexByte(r.b[open+1:], r.b[open]) + 1
	}
	return element, attrs
}

func (r *xmlReader) nameEnd(i int) int { return i + bytes.IndexAny(r.b[i:], space+"=/>") }

// space is XML's.
const space = " \t\r\n"

func isNoSpace(r rune) bool { return !strings.ContainsRune(space, r) }

// cursor turns offsets, each beyond the one before, into places.
type cursor struct {
	b            []byte
	off          int
	line, column int // column counts from 0
}

func (c *cursor) at(off int) place {
	for c.off < min(off, len(c.b)) {
		r, n := utf8.DecodeRune(c.b[c.off:])
		c.off += n
		c.column++
		if r == '\n' {
			c.line, c.column = c.line+1, 0
		}
	}
	return place{c.line, c.column + 1}
}

// XML writes the document. It is not written if it breaks a rule or could not be read again.
func (d Document) XML() ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	writeXML(&b, d.tree(), "")
	if err := fits(b.Bytes()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeXML(b *bytes.Buffer, n *node, indent string) {
	b.WriteString(indent + "<" + n.name)
	for _, a := range n.attrs {
		b.WriteString(" " + a.name + `="`)
		_ = xml.EscapeText(b, []byte(a.value)) // a Buffer takes everything
		b.WriteByte('"')
	}
	if len(n.kids) == 0 {
		b.WriteString("/>\n")
		return
	}
	b.WriteString(">\n")
	for _, kid := range n.kids {
		writeXML(b, kid, indent+"  ")
	}
	b.WriteString(indent + "</" + n.name + ">\n")
}
