package catalogue

import (
	"slices"
	"strings"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/enum"
)

// Entry is a NAT with a name: a preset that stands for a behavior, or a device, that is a
// product, a service or a recommendation.
type Entry struct {
	Name  string
	Title string
	Model natmodels.Model

	// Observed says what the facts of a device were seen on, or where they were read. A
	// preset has none.
	Observed string
	// Facts says, aspect by aspect, where the settings are from.
	Facts []Fact
	// Beyond says what the device does that the settings do not; it may be empty.
	Beyond string
}

// Addresses is the least number of external addresses that the NAT needs.
func (e Entry) Addresses() int {
	switch b := e.Model.Behavior(); {
	case b.Pooling != natmodels.Paired:
		return 2
	case b.Kind == natmodels.Translator, b.Kind == natmodels.Conntrack, b.Kind == natmodels.NAT64:
		return 1
	}
	return 0
}

// Confidence returns that of the least certain fact about an aspect.
func (e Entry) Confidence(about string) Confidence {
	least, known := Measured, false
	for _, f := range e.Facts {
		if slices.Contains(f.About, about) {
			least, known = min(least, f.Confidence), true
		}
	}
	if !known {
		return Guess
	}
	return least
}

// Guesses are the aspects of which there is no source.
func (e Entry) Guesses() []string {
	var all []string
	for _, f := range e.Facts {
		if f.Confidence == Guess {
			all = append(all, f.About...)
		}
	}
	return all
}

// Confidence says how far a fact may be trusted.
type Confidence uint8

const (
	// Guess: no source.
	Guess Confidence = iota
	// Low: a source that is indirect or old.
	Low
	// Medium: several sources that agree, or one that is not about exactly this device.
	Medium
	// High: the maker's documentation or source code.
	High
	// Measured: by packets through the device itself.
	Measured
)

var confidenceNames = []string{Guess: "guess", Low: "low", Medium: "medium", High: "high", Measured: "measured"}

// String returns "guess", "low", "medium", "high" or "measured".
func (c Confidence) String() string { return enum.Name(confidenceNames, c) }

// The aspects of a device that its facts are about.
const (
	AboutMapping   = "mapping"
	AboutFiltering = "filtering"
	AboutPorts     = "ports"
	AboutHairpin   = "hairpin"
	AboutUDP       = "udp timers"
	AboutTCP       = "tcp timers"
	AboutLimits    = "limits"
)

// aspects are what facts can be about.
var aspects = []string{AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutUDP, AboutTCP, AboutLimits}

// Fact says where some aspects of a device are from. One without a source is a Guess.
type Fact struct {
	About []string
	// Source names a document, and the place in it.
	Source string
	// URL is where the document is, or empty.
	URL        string
	Confidence Confidence
}

// String returns "udp timers, tcp timers: high, the documentation", or
// "hairpin: guess". It leaves the URL out.
func (f Fact) String() string {
	s := strings.Join(f.About, ", ") + ": " + f.Confidence.String()
	if f.Source != "" {
		s += ", " + f.Source
	}
	return s
}
