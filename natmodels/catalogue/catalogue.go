package catalogue

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/enum"
	"github.com/natproof/natproof/natmodels/stateless"
	"github.com/natproof/natproof/natmodels/translate"
)

// Lookup returns the NAT of a name: a preset, a device, or a file in the settings notation,
// which is a name with a slash in it or with .txt or .nat at its end; it is read once
// ([Load]). The error of a name that there is not is a [natmodels.UnknownError].
func Lookup(name string) (natmodels.Model, error) {
	e, err := Find(name)
	return e.Model, err
}

// Find is Lookup for who wants to know more of it than what it does.
func Find(name string) (Entry, error) {
	if IsFile(name) {
		return Load(name)
	}
	all, err := entries()
	if err != nil {
		return Entry{}, err
	}
	return find(all, name)
}

func find(among []Entry, name string) (Entry, error) {
	for _, e := range among {
		if e.Name == name {
			e.Facts = slices.Clone(e.Facts)
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("catalogue: %w", unknown("NAT", name, Names()))
}

// named finds what a text may say it is like: a name of the catalogue, not a file.
func named(name string) (natmodels.Model, error) {
	all, err := entries()
	if err != nil {
		return nil, err
	}
	e, err := find(all, name)
	return e.Model, err
}

// preset finds what a text of the catalogue itself may say it is like.
func preset(name string) (natmodels.Model, error) {
	e, err := find(presets, name)
	return e.Model, err
}

// Names lists the presets and the devices in a fixed order.
func Names() []string { return append(PresetNames(), DeviceNames()...) }

// DeviceNames lists the devices in a fixed order.
func DeviceNames() []string {
	files := deviceFiles()
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = nameOf(f)
	}
	return names
}

// PresetNames lists the presets in a fixed order: none, the four classic names, then the nine
// codes.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.Name
	}
	return names
}

// presets in the order in which they are listed. Apart from mapping, filtering and port
// choice they all follow RFC 4787; see translate.RFC4787.
var presets = append([]Entry{
	{Name: "none", Title: "no NAT: packets are routed unchanged", Model: stateless.Router{}},
	{Name: "full-cone", Title: "endpoint-independent mapping and filtering", Model: translate.RFC4787(ei, ei)},
	{Name: "address-restricted", Title: "endpoint-independent mapping, address-dependent filtering", Model: translate.RFC4787(ei, ad)},
	{Name: "port-restricted", Title: "endpoint-independent mapping, address-and-port-dependent filtering", Model: translate.RFC4787(ei, apd)},
	{Name: "symmetric", Title: "address-and-port-dependent mapping and filtering", Model: translate.RFC4787(apd, apd)},
}, coded()...)

const (
	ei  = natmodels.EndpointIndependent
	ad  = natmodels.AddressDependent
	apd = natmodels.AddressAndPortDependent
)

func coded() []Entry {
	var all []Entry
	for _, mapping := range []natmodels.Dependence{ei, ad, apd} {
		for _, filtering := range []natmodels.Dependence{ei, ad, apd} {
			m := translate.RFC4787(mapping, filtering)
			all = append(all, Entry{Name: m.Behavior().Code(), Title: mapping.String() + " mapping, " + filtering.String() + " filtering", Model: m})
		}
	}
	return all
}

// devices holds a file for each device: its place in the list, and its name. Everything in
// them is meant to be read and corrected by eye.
//
//go:embed devices
var devices embed.FS

// deviceFiles lists the files, in order.
func deviceFiles() []string {
	files, err := devices.ReadDir("devices")
	if err != nil {
		return nil // there is no such build
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	return names
}

// nameOf takes the place in the list off the name of a file.
func nameOf(file string) string {
	_, name, _ := strings.Cut(strings.TrimSuffix(file, ".txt"), "-")
	return name
}

// entries reads the catalogue once. An error in it is found by the tests.
var entries = sync.OnceValues(func() ([]Entry, error) {
	all := slices.Clone(presets)
	for _, file := range deviceFiles() {
		text, err := devices.ReadFile("devices/" + file)
		if err != nil {
			return nil, fmt.Errorf("catalogue: %w", err)
		}
		e, err := parse(file, string(text), preset)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
})

// unknown is the error of a word that means nothing where it stands.
func unknown(what, name string, valid []string) error {
	return &enum.UnknownError{What: what, Name: name, Valid: valid}
}
