package scenarios

import (
	"fmt"
	"strings"
)

// The keys of an identifier, in the order in which ID writes them.
const (
	keyA           = "a"
	keyB           = "b"
	keyRegistrar   = "registrar"
	keyRport       = "rport"
	keyLatch       = "latch"
	keyStrict      = "strict"
	keySilent      = "silent"
	keyFilterScope = "filter-scope"
	keyALG         = "alg"
)

// ID names the cell by what it is, never by where it stands in a list:
//
//	call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]
//
// The path is flow and port manager. Within the brackets a always comes, b
// where the flow has a NAT there (call), and then what differs from
// DefaultCell: registrar (contact), rport (false), latch (none), strict
// (none), silent (none), filter-scope (mapping), alg (off). ParseID reads it back.
func (c Cell) ID() string {
	c = c.Canonical()
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s[%s=%s", c.Flow, c.PortManager, keyA, c.A)
	add := func(key, value string, is bool) {
		if is {
			fmt.Fprintf(&b, ",%s=%s", key, value)
		}
	}
	add(keyB, c.B, c.Flow == FlowCall)
	add(keyRegistrar, string(c.Registrar), c.Registrar != RegistrarContact)
	add(keyRport, "true", c.Rport)
	add(keyLatch, string(c.Latch), c.Latch != NoSide)
	add(keyStrict, string(c.Strict), c.Strict != NoSide)
	add(keySilent, string(c.Silent), c.Silent != NoSide)
	add(keyFilterScope, string(c.FilterScope), c.FilterScope != ScopeMapping)
	add(keyALG, string(c.ALG), c.ALG != ALGOff)
	b.WriteByte(']')
	return b.String()
}

// String is the identifier.
func (c Cell) String() string { return c.ID() }

// ParseID reads an identifier. Keys may come in any order and defaults may be
// written out; the cell that comes back is canonical, so its ID may be shorter.
func ParseID(id string) (Cell, error) {
	path, rest, ok := strings.Cut(id, "[")
	inner, closed := strings.CutSuffix(rest, "]")
	flow, manager, slash := strings.Cut(path, "/")
	if !ok || !closed || !slash {
		return Cell{}, fmt.Errorf("%w: cell id %q: want flow/port-manager[a=NAT,b=NAT,key=value...]", ErrInvalid, id)
	}
	c := DefaultCell(Flow(flow), "", NoNAT)
	c.PortManager = PortManager(manager)
	if err := CheckValue("flow", c.Flow, Flows()); err != nil {
		return Cell{}, fmt.Errorf("cell id %q: %w", id, err)
	}
	seen := map[string]bool{}
	for _, pair := range strings.Split(inner, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || seen[key] {
			return Cell{}, fmt.Errorf("%w: cell id %q: %q is not a key=value of its own", ErrInvalid, id, pair)
		}
		seen[key] = true
		if err := c.set(key, value); err != nil {
			return Cell{}, fmt.Errorf("cell id %q: %w", id, err)
		}
	}
	if !seen[keyA] || c.Flow == FlowCall && !seen[keyB] {
		return Cell{}, fmt.Errorf("%w: cell id %q: the NAT of a, and of b in a call, must be named", ErrInvalid, id)
	}
	if err := c.Validate(); err != nil {
		return Cell{}, fmt.Errorf("cell id %q: %w", id, err)
	}
	if c != c.Canonical() {
		return Cell{}, fmt.Errorf("%w: cell id %q: %s has no such option (did you mean %s?)", ErrInvalid, id, c.Flow, c.ID())
	}
	return c, nil
}

func (c *Cell) set(key, value string) error {
	switch key {
	case keyA:
		c.A = value
	case keyB:
		c.B = value
	case keyRegistrar:
		c.Registrar = Registrar(value)
	case keyRport:
		c.Rport = value == "true"
		return CheckValue(keyRport, value, []string{"true", "false"})
	case keyLatch:
		c.Latch = Sides(value)
	case keyStrict:
		c.Strict = Sides(value)
	case keySilent:
		c.Silent = Sides(value)
	case keyFilterScope:
		c.FilterScope = FilterScope(value)
	case keyALG:
		c.ALG = ALG(value)
	default:
		return &ValueError{Axis: "key", Value: key, Valid: []string{
			keyA, keyB, keyRegistrar, keyRport, keyLatch, keyStrict, keySilent, keyFilterScope, keyALG}}
	}
	return nil
}
