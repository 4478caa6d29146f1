package scenarios

import (
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/wire"
	"github.com/natproof/natproof/vnet"
)

// Observe says what became of every step of the cell, from the events of a lab in which it
// was played: from the wire alone, and from what endpoints told, if they told anything.
// Of a cell without a flow it says nothing.
func Observe(c cell.Cell, events []vnet.Event, told ...wire.Told) cell.Outcome {
	if flows.Check(c) != nil {
		return cell.Outcome{}
	}
	return flows.Of(c).Observe(c.Canonical(), wire.Read(events), told)
}

// Why says where the packet with that identity went, and which box dropped it under which
// rule.
func (r Result) Why(packet uint64) wire.Way { return wire.Follow(r.Events, packet) }

// WhyTuple says so of every packet that had the five-tuple at any place of its way.
func (r Result) WhyTuple(t wire.Tuple) []wire.Way { return wire.FollowTuple(r.Events, t) }
