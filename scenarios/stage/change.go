package stage

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/theory"

	"github.com/natproof/natproof/scenarios/cell"
)

// changes are what can happen to a NAT while a flow is played. That a roams is not among them: a does
// that itself.
var changes = map[cell.Change]func(*World) error{
	cell.ChangeNone:     func(*World) error { return nil },
	cell.ChangeRestart:  func(w *World) error { w.NATA.Flush(); return nil },
	cell.ChangeRenumber: func(w *World) error { return w.NATA.Renumber(w.next) },
	cell.ChangeBehaviour: func(w *World) error {
		m, err := becomes(w.natA)
		if err != nil {
			return err
		}
		return w.NATA.SetBehavior(m)
	},
}

// becomes is what a NAT is after a change of its behaviour: mapping and filtering depend on
// everything, and all else is as it was.
func becomes(m natmodels.Model) (natmodels.Model, error) {
	switch kind := m.Behavior().Kind; kind {
	case natmodels.Router:
		return m, nil
	case natmodels.Translator:
		return catalogue.Vary(m, "mapping apdm\nfiltering apdf\nports random")
	default:
		return nil, fmt.Errorf("%w: another behaviour of a %v", theory.ErrNotCovered, kind)
	}
}

// Becomes is how the NAT in front of a behaves after a change of its behaviour.
func Becomes(c cell.Cell) (natmodels.Behavior, error) {
	f := natOf(c, cell.A, c.NATName(cell.A), findNAT)
	if f.err != nil || c.Change != cell.ChangeBehaviour {
		return f.behavior, f.err
	}
	m, err := becomes(f.model)
	if err != nil {
		return natmodels.Behavior{}, err
	}
	return m.Behavior(), nil
}

// Change does to the NAT in front of a what is wanted. Without a NAT there is nothing to do it to.
func (w *World) Change(what cell.Change) error {
	do, known := changes[what]
	switch {
	case !known:
		return fmt.Errorf("stage: change %q: unknown", what)
	case w.NATA == nil:
		return nil
	}
	if err := do(w); err != nil {
		return fmt.Errorf("stage: change %s: %w", what, err)
	}
	return nil
}
