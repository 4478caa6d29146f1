package stage

import (
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
)

// changes are what can happen to a NAT while a flow is played.
var changes = map[cell.Change]func(*World) error{
	cell.ChangeNone:     func(*World) error { return nil },
	cell.ChangeRestart:  func(w *World) error { w.NATA.Flush(); return nil },
	cell.ChangeRenumber: func(w *World) error { return w.NATA.Renumber(w.next) },
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
