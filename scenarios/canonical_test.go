package scenarios

import (
	"testing"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// What is canonical stays so, whichever two axes have values that mean nothing.
func TestCanonicalIsCanonical(t *testing.T) {
	for _, f := range flows.All() {
		for _, x := range cell.Axes {
			for _, y := range cell.Axes {
				if x.Inner || y.Inner {
					continue
				}
				for _, v := range x.Interests() {
					for _, w := range y.Interests() {
						c := with(with(cell.Default(f, cell.NoNAT, cell.NoNAT), x, v), y, w).Canonical()
						if c != c.Canonical() {
							t.Fatalf("%s with %s=%s and %s=%s is canonical at the second time only", f, x.Key, v, y.Key, w)
						}
					}
				}
			}
		}
	}
}
