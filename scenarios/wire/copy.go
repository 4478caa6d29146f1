package wire

import "github.com/natproof/natproof/scenarios/cell"

// Copy says which copy of a message that arrived did so, of those that the last box on the way
// sent: from 1 on, without those that a link lost. 0 is none.
func (t *Tape) Copy(from, to string, match Match, told []Told) int {
	is := match(t, from, to, told)
	for i := range t.flights {
		last := &t.flights[i]
		if !is(last) || !last.arrived || last.end.Box != to {
			continue
		}
		copies := 1
		for j := range t.flights[:i] {
			f := &t.flights[j]
			if f.From == last.From && is(f) && !(f.ended && !f.arrived && cell.Rule(f.end.Reason) == cell.RuleLinkLoss) {
				copies++
			}
		}
		return copies
	}
	return 0
}
