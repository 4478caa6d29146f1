package provision

// node is an element, in whichever notation it was written. The rules are about nodes.
type node struct {
	name   string
	at     place
	attrs  []attr
	kids   []*node
	listed bool // one of a sequence
	yaml   bool // where it matters whether it is
}

// attr is an attribute.
type attr struct {
	name, value string
	at          place
	list        bool // it was written as a sequence
}

// tree is the document as it would be written.
func (d Document) tree() *node {
	root := element("provision", documentFields, &d)
	root.kids = append(root.kids, element("user", userFields, &d.User))
	for i := range d.Servers {
		s := &d.Servers[i]
		n := element("sipsrv", serverFields, s)
		for j := range s.Sessions {
			n.kids = append(n.kids, element("session", sessionFields, &s.Sessions[j]))
		}
		root.kids = append(root.kids, n)
	}
	if d.Client != nil {
		root.kids = append(root.kids, element("client", clientFields, d.Client))
	}
	if d.Provider != nil {
		root.kids = append(root.kids, element("provider", providerFields, d.Provider))
	}
	return root
}

func element[T any](name string, fields []field[T], t *T) *node {
	n := &node{name: name, listed: many(name)}
	for _, f := range fields {
		if v := f.get(t); v != "" {
			n.attrs = append(n.attrs, attr{name: f.name, value: v, list: f.list})
		}
	}
	return n
}

// many says whether there may be several of an element.
func many(name string) bool { return name == "sipsrv" || name == "session" }
