package theory

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// shared is the NAT that is in front of both ends, if there is one: what they announce to each
// other are addresses of its own outside.
func shared(x, y end) (door, bool) {
	if len(x.gates) == 0 || len(y.gates) == 0 {
		return door{}, false
	}
	a, b := x.gates[len(x.gates)-1], y.gates[len(y.gates)-1]
	return a, a.box == b.box
}

// within says whether a stream between two ends behind one NAT is received. To an address that is
// private packets go without it: on one local network that is as good as any. To a public one they
// go by it, and it sends them back inside if it hairpins (RFC 4787 §6), with its filters as for
// what comes from outside.
func (s stream) within(d door, x, y end) Answer {
	switch {
	case s.silent(x):
		return NotSent(x.host, s.message, "it is silent")
	case x.local:
		return s.predict(x.inside(), y.inside())
	case d.behavior.Hairpin == natmodels.NoHairpinning:
		return answer(cell.Cause{Box: d.box, Rule: cell.RuleHairpin, Message: s.message, Why: fmt.Sprintf(
			"%s announced an address of the NAT that both are behind, and that does not hairpin (RFC 4787 §6, REQ-9)", y.host)})
	case d.behavior.Hairpin == natmodels.InternalSource:
		x.internal, y.internal = true, true
	}
	return s.predict(x, y)
}

// inside is the end as those see it that are behind the outermost of its NATs too.
func (e end) inside() end {
	e.gates = e.gates[:len(e.gates)-1]
	if len(e.gates) > 0 {
		return e.behind(e.gates[len(e.gates)-1])
	}
	e.local, e.open = false, false
	e.mapping, e.filtering = natmodels.EndpointIndependent, natmodels.EndpointIndependent
	return e
}
