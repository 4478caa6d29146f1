package calibrate

import (
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

// A Named is a NAT with a name, and where it stands, if that matters.
type Named struct {
	Name  string
	Model natmodels.Model
	Place natmodels.Place
}

// named are the NATs of the catalogue.
func named() ([]Named, error) {
	var all []Named
	for _, name := range catalogue.Names() {
		m, err := catalogue.Lookup(name)
		if err != nil {
			return nil, err
		}
		all = append(all, Named{Name: name, Model: m})
	}
	return all, nil
}
