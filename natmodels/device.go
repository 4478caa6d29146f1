package natmodels

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Device is a preset that stands for a product, a service or a recommendation.
type Device struct {
	Name  string
	Title string
	// Observed says what the facts were seen on, or where they were read.
	Observed string
	// Config is the behavior. External is empty.
	Config Config
	// Addresses is the least number of external addresses that Config needs.
	Addresses int
	// Facts says, aspect by aspect, where Config is from.
	Facts []Fact
	// Beyond says what the device does that Config does not; it may be empty.
	Beyond string
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
func (c Confidence) String() string { return enumName(confidenceNames, c) }

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

// aspects are those that every translating device has facts about.
var aspects = []string{AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutUDP, AboutTCP}

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

// Confidence returns that of the least certain fact about an aspect.
func (d Device) Confidence(about string) Confidence {
	least, known := Measured, false
	for _, f := range d.Facts {
		if slices.Contains(f.About, about) {
			least, known = min(least, f.Confidence), true
		}
	}
	if !known {
		return Guess
	}
	return least
}

// Catalogue lists the devices in a fixed order.
func Catalogue() []Device {
	all := make([]Device, len(devices))
	for i, d := range devices {
		d.Addresses = 1
		switch {
		case d.Config.Kind == Firewall:
			d.Addresses = 0
		case d.Config.Pooling == PerDestination:
			d.Addresses = 2
		}
		d.Facts = slices.Clone(d.Facts)
		all[i] = d
	}
	return all
}

// LookupDevice returns the device of that name.
func LookupDevice(name string) (Device, error) {
	for _, d := range Catalogue() {
		if d.Name == name {
			return d, nil
		}
	}
	return Device{}, unknownName("device", name, DeviceNames())
}

// DeviceNames lists the devices in the order of the catalogue. Preset knows them too.
func DeviceNames() []string {
	names := make([]string, len(devices))
	for i, d := range devices {
		names[i] = d.Name
	}
	return names
}

// Settings says what the device does, one setting a line, its confidence behind it.
func (d Device) Settings() []string {
	c := d.Config
	line := func(about, format string, args ...any) string {
		return fmt.Sprintf("%-10s  %s (%v)", about, fmt.Sprintf(format, args...), d.Confidence(about))
	}
	ports := c.PortChoice.String()
	if c.PortRange != (PortRange{}) {
		ports += " in " + c.PortRange.String()
	}
	tcp := c.TCP.sessionTimeouts()[opened]
	if c.tracks() {
		tcp = newTimeouts(c).tcp[established]
	}
	lines := []string{
		line(AboutMapping, "%v", c.Mapping),
		line(AboutFiltering, "%v", c.Filtering),
		line(AboutPorts, "%s", ports),
		line(AboutHairpin, "%v", c.Hairpin),
		line(AboutUDP, "%v unreplied, %v replied, refreshed by %v", c.Unreplied(), c.Idle(), c.Refresh),
		line(AboutTCP, "%v established", time.Duration(tcp)),
	}
	if c.Limits != (Limits{}) {
		lines = append(lines, line(AboutLimits, "%v, then %v", c.Limits, c.WhenFull))
	}
	return lines
}
