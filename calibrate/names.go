package calibrate

import (
	"slices"

	"github.com/natproof/natproof/natmodels"
)

// A Named is a NAT with a name.
type Named struct {
	Name    string
	Summary string
	Config  natmodels.Config
	// Guesses are the aspects of which there is no source.
	Guesses []string
	// Notes are further lines for who looks at this NAT alone.
	Notes []string
}

// Names lists the named NATs in the order in which they are listed everywhere:
// the presets of behaviours, then the devices.
func Names() []string {
	names := natmodels.PresetNames()
	for _, name := range natmodels.DeviceNames() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Lookup finds a named NAT. The error lists the names there are.
func Lookup(name string) (Named, error) {
	if d, err := natmodels.LookupDevice(name); err == nil {
		return device(d), nil
	}
	cfg, err := natmodels.Preset(name)
	if err != nil {
		return Named{}, err
	}
	summary, err := natmodels.PresetSummary(name)
	return Named{Name: name, Summary: summary, Config: cfg}, err
}

// device says where the facts are from; what has no source is marked as a guess.
func device(d natmodels.Device) Named {
	n := Named{Name: d.Name, Summary: d.Title, Config: d.Config, Notes: []string{"", "observed on: " + d.Observed}}
	for _, f := range d.Facts {
		n.Notes = append(n.Notes, "  "+f.String())
		if f.URL != "" {
			n.Notes = append(n.Notes, "    "+f.URL)
		}
		if f.Confidence == natmodels.Guess {
			n.Guesses = append(n.Guesses, f.About...)
		}
	}
	if d.Beyond != "" {
		n.Notes = append(n.Notes, "not modelled: "+d.Beyond)
	}
	return n
}
