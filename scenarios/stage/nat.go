package stage

import (
	"fmt"
	"sync"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// wanted is all of a cell that says what a NAT of it is, and what it is for.
type wanted struct {
	name     string
	side     cell.Side // empty is the carrier's
	refresh  cell.Refresh
	topology cell.Topology
	hairpin  cell.Hairpin
	scope    cell.FilterScope
	alg      cell.ALG
}

// found is what was made of that.
type found struct {
	model    natmodels.Model
	behavior natmodels.Behavior
	err      error
}

// made are the NATs of cells so far. There are few of them, and many cells.
var made sync.Map // of wanted: found

// natOf is the NAT on that side of a cell, or of the carrier. A file is read anew each time.
func natOf(c cell.Cell, side cell.Side, name string, find func(cell.Cell, cell.Side) (natmodels.Model, error)) found {
	w := wanted{name, side, c.Refresh, c.Topology, c.Hairpin, c.FilterScope, c.ALG}
	if f, ok := made.Load(w); ok {
		return f.(found)
	}
	m, err := find(c, side)
	f := found{model: m, err: err}
	if m != nil && err == nil {
		f.behavior = m.Behavior()
	}
	if !catalogue.IsFile(name) {
		made.Store(w, f)
	}
	return f
}

// NAT is the NAT in front of the given side, with the cell's filter scope and SIP helper.
func NAT(c cell.Cell, side cell.Side) (natmodels.Model, error) {
	f := natOf(c, side, c.NATName(side), findNAT)
	return f.model, f.err
}

func findNAT(c cell.Cell, side cell.Side) (natmodels.Model, error) {
	m, err := catalogue.Lookup(c.NATName(side))
	if err == nil && c.Refresh != cell.Own {
		m, err = refreshed(m, c.Refresh)
	}
	if err == nil && c.Topology == cell.OneNAT && side == cell.A {
		m, err = hairpinning(m, c.Hairpin)
	}
	if err != nil {
		return nil, fmt.Errorf("stage: side %s: %w", side, err)
	}
	switch kind := m.Behavior().Kind; {
	case kind == natmodels.Translator && c.FilterScope == cell.ScopeEndpoint:
		return catalogue.Vary(m, "filter-scope endpoint")
	case kind == natmodels.Conntrack && c.ALG == cell.ALGLinux:
		return catalogue.Vary(m, "sip-helper yes")
	}
	return m, nil
}

// carrierNAT is the NAT of the carrier, or nil.
func carrierNAT(c cell.Cell) (natmodels.Model, error) {
	if !c.Topology.HasCarrier() {
		return nil, nil
	}
	f := natOf(c, "", c.Carrier, findCarrier)
	return f.model, f.err
}

func findCarrier(c cell.Cell, _ cell.Side) (natmodels.Model, error) {
	m, err := catalogue.Lookup(c.Carrier)
	if err == nil && c.Refresh != cell.Own {
		m, err = refreshed(m, c.Refresh)
	}
	if err == nil && c.Topology == cell.SharedCGN {
		m, err = hairpinning(m, c.Hairpin)
	}
	if err != nil {
		return nil, fmt.Errorf("stage: carrier: %w", err)
	}
	return m, nil
}

// Carrier is how the NAT of the carrier behaves, or nil.
func Carrier(c cell.Cell) (*natmodels.Behavior, error) {
	if !c.Topology.HasCarrier() {
		return nil, nil
	}
	f := natOf(c, "", c.Carrier, findCarrier)
	if f.model == nil || f.err != nil {
		return nil, f.err
	}
	return &f.behavior, nil
}

// hairpinning is the NAT with what the cell wants of it.
func hairpinning(m natmodels.Model, h cell.Hairpin) (natmodels.Model, error) {
	word, chosen := map[cell.Hairpin]string{"off": "off", "external": "external-source", "internal": "internal-source"}[h]
	switch kind := m.Behavior().Kind; {
	case !chosen, kind == natmodels.Router:
		return m, nil
	case kind == natmodels.Translator:
		return catalogue.Vary(m, "hairpin "+word)
	default:
		return nil, fmt.Errorf("%w: hairpinning %s of a %v", theory.ErrNotCovered, h, kind)
	}
}

// refreshed is the NAT with other packets that keep a mapping alive. A box that tracks connections
// leaves no choice.
func refreshed(m natmodels.Model, by cell.Refresh) (natmodels.Model, error) {
	switch kind := m.Behavior().Kind; kind {
	case natmodels.Router:
		return m, nil
	case natmodels.Translator:
		return catalogue.Vary(m, "refresh "+string(by))
	default:
		return nil, fmt.Errorf("%w: refresh %s of a %v", theory.ErrNotCovered, by, kind)
	}
}

// Behavior is how the NAT in front of the given side behaves. Filters that remember per
// endpoint are asked for of any NAT, whether it has them or not.
func Behavior(c cell.Cell, side cell.Side) (natmodels.Behavior, error) {
	f := natOf(c, side, c.NATName(side), findNAT)
	if f.err != nil {
		return natmodels.Behavior{}, f.err
	}
	b := f.behavior
	if c.FilterScope == cell.ScopeEndpoint {
		b.FilterScope = natmodels.PerEndpoint
	}
	return b, nil
}
