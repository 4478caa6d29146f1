package certify

import (
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// UA is this project's user agent with the settings that a cell has on the axes of phones,
// whatever the cell is that it is put into.
func UA(settings cell.Cell) stage.Phone {
	return stage.Phone{Name: "ua", Tells: true, New: func(s stage.Setup) (stage.Endpoint, error) {
		for _, key := range Settings() {
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

// Settings are the axes that UA takes its settings from, by their keys.
func Settings() []string { return slices.Concat(own, both, []string{cell.KeyALG}) }

// Setting says whether an axis is one of them.
func Setting(key string) bool { return slices.Contains(Settings(), key) }
