package stage

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
)

// NAT is the NAT in front of the given side, with the cell's filter scope and SIP helper.
func NAT(c cell.Cell, side cell.Side) (natmodels.Model, error) {
	m, err := catalogue.Lookup(c.NATName(side))
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

// Behavior is how the NAT in front of the given side behaves. Filters that remember per
// endpoint are asked for of any NAT, whether it has them or not.
func Behavior(c cell.Cell, side cell.Side) (natmodels.Behavior, error) {
	m, err := NAT(c, side)
	if err != nil {
		return natmodels.Behavior{}, err
	}
	b := m.Behavior()
	if c.FilterScope == cell.ScopeEndpoint {
		b.FilterScope = natmodels.PerEndpoint
	}
	return b, nil
}
