package provision

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Options say what is read besides.
type Options struct {
	// Lenient accepts a user's uri that lacks "sip:", as in the published samples, and puts
	// it there. Nothing else is accepted.
	Lenient bool
}

// MaxSize is the most bytes that a document may have: the YAML parser's time grows with their
// square.
const MaxSize = 16 << 10

// Parse reads the XML of a document. The error is Problems: all there are, in the order of
// the text, unless it is no XML to begin with.
func Parse(b []byte) (Document, error) { return Options{}.Parse(b) }

// ParseYAML reads the YAML of a document as Parse does.
func ParseYAML(b []byte) (Document, error) { return Options{}.ParseYAML(b) }

// reader makes a document of a tree.
type reader struct {
	Options
	Problems
	doc Document

	user    given
	servers []given
}

// given is an element that was read, and where its attributes are.
type given struct {
	*node
	path  string
	attrs map[string]place
}

// where is the place of an attribute, or of the element if that is not there.
func (g given) where(name string) place {
	if at, ok := g.attrs[name]; ok {
		return at
	}
	return g.at
}

// read makes a document of a tree, or says all that is wrong with it. What was noted about
// the text itself goes first.
func read(root *node, o Options, noted ...Problem) (Document, error) {
	r := reader{Options: o, Problems: noted}
	if root == nil {
		r.add(place{}, "", ErrNoProvision)
		return Document{}, r.err()
	}
	if root.name != "provision" {
		r.add(root.at, root.name, ErrNoProvision)
		return Document{}, r.err()
	}
	r.provision(root)
	r.rules()
	if err := r.err(); err != nil {
		return Document{}, err
	}
	return r.doc, nil
}

func (r *reader) provision(root *node) {
	fill(r, root, "", documentFields, &r.doc)
	for _, kid := range root.kids {
		switch kid.name {
		case "user":
			if r.only(kid, r.user.node != nil) {
				r.user = fill(r, r.leaf(kid), "user", userFields, &r.doc.User)
			}
		case "sipsrv":
			r.server(kid)
		case "client":
			if r.only(kid, r.doc.Client != nil) {
				r.doc.Client = &Client{}
				fill(r, r.leaf(kid), "client", clientFields, r.doc.Client)
			}
		case "provider":
			if r.only(kid, r.doc.Provider != nil) {
				r.doc.Provider = &Provider{}
				fill(r, r.leaf(kid), "provider", providerFields, r.doc.Provider)
			}
		default:
			r.stranger(root, "", kid)
		}
	}
	if r.user.node == nil {
		r.add(root.at, "", ErrNoUser)
	}
	if len(r.servers) == 0 {
		r.add(root.at, "", ErrNoServer)
	}
}

func (r *reader) server(n *node) {
	var s Server
	path := "sipsrv " + strconv.Itoa(len(r.servers)+1)
	r.shaped(n, path)
	r.servers = append(r.servers, fill(r, n, path, serverFields, &s))
	for _, kid := range n.kids {
		if kid.name != "session" {
			r.stranger(n, path, kid)
			continue
		}
		s.Sessions = append(s.Sessions, r.session(kid, path+" session "+strconv.Itoa(len(s.Sessions)+1)))
	}
	r.doc.Servers = append(r.doc.Servers, s)
}

func (r *reader) session(n *node, path string) Session {
	var s Session
	r.shaped(n, path)
	fill(r, r.leaf(n), path, sessionFields, &s)
	if s == (Session{First, PhoneToPhone}) { // "This is a third-party call" (Profile Requirements)
		r.add(n.at, path, fmt.Errorf("%w: %s is a call of a third party", ErrInvalidSession, s.Type))
	}
	return s
}

// only notes that there is one too many, or that one was written as a sequence.
func (r *reader) only(n *node, another bool) bool {
	r.shaped(n, n.name)
	if another {
		r.add(n.at, n.name, ErrDuplicate)
	}
	return !another
}

// shaped notes a mapping where YAML has a sequence, or the other way round.
func (r *reader) shaped(n *node, path string) {
	switch {
	case !n.yaml || n.listed == many(n.name):
	case n.listed:
		r.add(n.at, path, fmt.Errorf("%w: a sequence, not a mapping", ErrShape))
	default:
		r.add(n.at, path, fmt.Errorf("%w: a mapping, not a sequence", ErrShape))
	}
}

// leaf notes elements where there may be none.
func (r *reader) leaf(n *node) *node {
	for _, kid := range n.kids {
		r.stranger(n, n.name, kid)
	}
	return n
}

// stranger notes an element that the model does not have.
func (r *reader) stranger(in *node, path string, n *node) {
	r.add(n.at, path, fmt.Errorf("%w: %q in %s", ErrUnknownElement, n.name, in.name))
}

// fill reads the attributes of an element.
func fill[T any](r *reader, n *node, path string, fields []field[T], into *T) given {
	g := given{node: n, path: path, attrs: map[string]place{}}
	blank := map[string]bool{}
	for _, a := range n.attrs {
		i := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == a.name })
		at := strings.TrimSpace(path + " " + a.name)
		if i < 0 {
			r.add(a.at, path, fmt.Errorf("%w: %q of %s", ErrUnknownAttribute, a.name, n.name))
			continue
		}
		f := fields[i]
		if _, again := g.attrs[a.name]; again {
			r.add(a.at, at, ErrDuplicate)
			continue
		}
		g.attrs[a.name] = a.at
		err := checkText(a.value)
		switch {
		case err != nil:
		case a.list && !f.list:
			err = fmt.Errorf("%w: a sequence, not a value", ErrShape)
		case f.missing != nil && strings.TrimSpace(a.value) == "":
			blank[a.name] = true
			continue
		default:
			err = f.set(into, r.mended(n.name, a))
		}
		if err != nil {
			r.add(a.at, at, err)
		}
	}
	for _, f := range fields {
		if _, ok := g.attrs[f.name]; f.missing != nil && (!ok || blank[f.name]) {
			r.add(g.where(f.name), path, f.missing)
		}
	}
	return g
}

// mended is the value of an attribute, with what Options excuse made good.
func (r *reader) mended(element string, a attr) string {
	if r.Lenient && element == "user" && a.name == "uri" && withoutScheme(a.value) {
		return "sip:" + a.value
	}
	return a.value
}
