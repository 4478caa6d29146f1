package certify

import (
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// UA is this project's user agent with the settings that a cell has on the axes of phones,
// whatever the cell is that it is put into.
func UA(settings cell.Cell) stage.Phone {
	return stage.Phone{Name: "ua", Tells: true, New: func(s stage.Setup) (stage.Endpoint, error) {
		for _, key := range append(append([]string{cell.KeyALG}, own...), both...) {
			var err error
			x := cell.Lookup(key)
			if s.Cell, err = x.With(s.Cell, x.Get(settings)); err != nil {
				return nil, err
			}
		}
		if s.Cell.PortManager != cell.ManagerStatic {
			s.Forwards = nil // it is not told of them
		}
		return stage.UA.New(s)
	}}
}
