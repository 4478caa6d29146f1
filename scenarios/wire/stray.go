package wire

import (
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
)

// Reaches judges packets of media that go past the call: one is enough. Not those that are strange
// to the sender, but those that reached the box are told of.
func (t *Tape) Reaches(part cell.Part, from, to string) (cell.Fate, cell.Cause) {
	s := t.stream(stage{from, part})
	var dropped cell.Cause
	for _, x := range s.shots {
		switch {
		case x.arrived == to:
			return cell.Arrived, cell.Cause{}
		case x.dropped > 0:
			dropped = s.drops[x.dropped-1]
		}
	}
	switch {
	case len(s.shots) == 0:
		return cell.NotSent, cell.Cause{Box: from, Rule: cell.RuleNotSent, Message: part.Message()}
	case dropped.IsZero():
		dropped = cell.Cause{Box: to, Rule: cell.RuleUnknown, Message: part.Message(), Why: fmt.Sprintf("nothing that %s sent reached %s, and no box dropped it", from, to)}
	}
	return cell.Lost, dropped
}

// Avoids judges whether a box got no media of a host: if it got any, that is a loss.
func (t *Tape) Avoids(part cell.Part, from, box string) (cell.Fate, cell.Cause) {
	if fate, _ := t.Reaches(part, from, box); fate == cell.Arrived {
		return cell.Lost, cell.Cause{Box: box, Rule: cell.RuleElsewhere, Message: part.Message(), Why: fmt.Sprintf("%s sent to %s, which is not of the call", from, box)}
	}
	return cell.Arrived, cell.Cause{}
}
