package cell

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ID names the cell by what it is, never by where it stands in a list:
//
//	call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]
//
// The path is flow and port manager. Within the brackets come the NATs of the flow, then
// what differs from Default. [Space.ParseID] reads it back. A cell without a flow is
// "(no flow)", which is no identifier.
func (c Cell) ID() string {
	if c.Flow == nil {
		return "(no flow)"
	}
	c = c.Canonical()
	path, pairs := []string{c.Flow.Name()}, []string(nil)
	for _, x := range Axes {
		value := x.Get(c)
		switch {
		case x.Path:
			path = append(path, value)
		case x.Named && c.Flow.Uses(x.Key), value != x.Default:
			pairs = append(pairs, x.Key+"="+value)
		}
	}
	return strings.Join(path, "/") + "[" + strings.Join(pairs, ",") + "]"
}

// String is the identifier.
func (c Cell) String() string { return c.ID() }

// ParseID reads an identifier. Keys may come in any order and defaults may be
// written out; the cell that comes back is canonical, so its ID may be shorter.
func (s Space) ParseID(id string) (Cell, error) { return s.parseID(id, (*Axis).Check) }

// ReadID is ParseID for what is kept from elsewhere, such as results: it opens no file that
// the identifier names. Validate tells whether the cell can be played here.
func (s Space) ReadID(id string) (Cell, error) { return s.parseID(id, (*Axis).spelled) }

func (s Space) parseID(id string, check func(*Axis, string) error) (Cell, error) {
	c, err := s.cellOf(id, check)
	if err != nil {
		return Cell{}, fmt.Errorf("cell id %q: %w", id, err)
	}
	return c, nil
}

func (s Space) cellOf(id string, check func(*Axis, string) error) (Cell, error) {
	path, rest, open := strings.Cut(id, "[")
	inner, closed := strings.CutSuffix(rest, "]")
	words := strings.Split(path, "/")
	onPath := axesWhere(func(x *Axis) bool { return x.Path })
	if !open || !closed || len(words) != 1+len(onPath) {
		return Cell{}, invalidf("want %s", form())
	}
	flow, err := s.Flow(words[0])
	if err != nil {
		return Cell{}, err
	}
	c := Default(flow, NoNAT, NoNAT)
	for i, x := range onPath {
		value := x.spelling(words[i+1])
		if err := check(x, value); err != nil {
			return Cell{}, err
		}
		x.set(&c, value)
	}
	seen := map[string]bool{}
	var pairs []string
	if inner != "" {
		pairs = strings.Split(inner, ",")
	}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || seen[key] {
			return Cell{}, invalidf("%q is not a key=value of its own", pair)
		}
		seen[key] = true
		x := Lookup(key)
		if x == nil || x.Path {
			return Cell{}, &ValueError{Axis: "key", Value: key, Valid: keys(axesWhere(func(x *Axis) bool { return !x.Path }))}
		}
		value = x.spelling(value)
		if err := check(x, value); err != nil {
			return Cell{}, err
		}
		x.set(&c, value)
	}
	for _, x := range Axes {
		if x.Named && flow.Uses(x.Key) && !seen[x.Key] {
			return Cell{}, invalidf("%s must be named, as %s=%s", x.Help, x.Key, x.Default)
		}
	}
	if c != c.Canonical() {
		return Cell{}, invalidf("%s has no such option (did you mean %s?)", flow.Name(), c.ID())
	}
	return c, nil
}

// carried refuses the name of a file that an identifier cannot hold, so that whatever is played
// can be named.
func carried(name string) error {
	for _, r := range name {
		if strings.ContainsRune(",[]", r) || !unicode.IsGraphic(r) || r == utf8.RuneError {
			return invalidf("the name of the file %q cannot stand in the identifier of a cell: it has a %q", name, r)
		}
	}
	return nil
}

// form shows what an identifier looks like.
func form() string {
	return "flow/" + strings.Join(keys(axesWhere(func(x *Axis) bool { return x.Path })), "/") + "[a=NAT,b=NAT,key=value...]"
}

func axesWhere(is func(*Axis) bool) []*Axis {
	var all []*Axis
	for _, x := range Axes {
		if is(x) {
			all = append(all, x)
		}
	}
	return all
}

func keys(axes []*Axis) []string {
	var all []string
	for _, x := range axes {
		all = append(all, x.Key)
	}
	return all
}
