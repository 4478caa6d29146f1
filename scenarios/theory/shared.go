package theory

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// shared is the NAT that is in front of both ends, if there is one: what they announce to each
// other are addresses of its own outside.
func (n *Network) shared() (door, bool) {
	if len(n.a.gates) == 0 || len(n.b.gates) == 0 {
		return door{}, false
	}
	a, b := n.a.gates[len(n.a.gates)-1], n.b.gates[len(n.b.gates)-1]
	return a, a.box == b.box
}

// within says whether a stream between two ends behind one NAT is received. On one local network
// what is private is as good an address as any. To what is public packets go by the NAT, which sends
// them back inside if it hairpins (RFC 4787 §6), with its filters as for what comes from outside.
func (s stream) within(d door, lan bool, x, y end) Answer {
	switch {
	case s.silent(x):
		return NotSent(x.host, s.message, "it is silent")
	case x.local && lan:
		return Arrives()
	case x.local:
		return s.predict(x, y)
	case d.behavior.Hairpin == natmodels.NoHairpinning:
		return answer(cell.Cause{Box: d.box, Rule: cell.RuleHairpin, Message: s.message, Why: fmt.Sprintf(
			"%s announced an address of the NAT that both are behind, and that does not hairpin (RFC 4787 §6, REQ-9)", y.host)})
	case d.behavior.Hairpin == natmodels.InternalSource:
		return s.predict(s.bare(x), s.bare(y))
	}
	return s.predict(x, y)
}

// bare is the end as a NAT that hairpins with the internal source shows it to the other.
func (s stream) bare(e end) end {
	e.internal = true
	return e
}
