package calibrate

import (
	"slices"

	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels"
)

// Unknown is what is measured of what could not be told.
const Unknown = "unknown"

// A Verdict says how a measurement compares with the configuration.
type Verdict string

// The verdicts.
const (
	Agrees    Verdict = "agrees"    // measured as configured
	Explained Verdict = "explained" // not as configured, but as a client in that place must see it
	Differs   Verdict = "differs"   // neither
)

// A Property is one thing configured and measured.
type Property struct {
	Name       string `json:"name"`
	Configured string `json:"configured"`
	Measured   string `json:"measured"`
	// Visible is what a client may see instead of Configured, for Reason. Both are
	// empty where it can see Configured and nothing else.
	Visible []string `json:"visible"`
	Reason  string   `json:"reason"`
}

// Verdict compares.
func (p Property) Verdict() Verdict {
	switch {
	case p.Measured == p.Configured:
		return Agrees
	case slices.Contains(p.Visible, p.Measured):
		return Explained
	}
	return Differs
}

// The names of properties, in the order of Result.Properties.
const (
	Translation = "translation"
	Mapping     = "mapping"
	Filtering   = "filtering"
	FilterScope = "filter scope"
	Ports       = "ports"
	SamePort    = "two hosts on one port"
	Pooling     = "pooling"
	Hairpinning = "hairpinning"
	Idle        = "idle timeout"
	Unreplied   = "unreplied timeout"
	Refresh     = "refresh"
	Class       = "RFC 3489 class"
	ALG         = "payload rewriting"
)

// PropertyNames lists the properties in order.
func PropertyNames() []string {
	return []string{Translation, Mapping, Filtering, FilterScope, Ports, SamePort, Pooling, Hairpinning, Idle, Unreplied, Refresh, Class, ALG}
}

// A Result is a NAT, configured and measured.
type Result struct {
	Name       string
	Model      natmodels.Model
	Place      natmodels.Place
	Properties []Property // a router has only some of them, and one external address has no pooling
	// Report is what the client found; its notes say what it could not do.
	Report discover.Report
}

// Property finds a property by name.
func (r Result) Property(name string) (Property, bool) {
	for _, p := range r.Properties {
		if p.Name == name {
			return p, true
		}
	}
	return Property{}, false
}

// Count counts the properties with a verdict.
func (r Result) Count(v Verdict) int {
	n := 0
	for _, p := range r.Properties {
		if p.Verdict() == v {
			n++
		}
	}
	return n
}

// Agrees says whether nothing differs without a reason.
func (r Result) Agrees() bool { return r.Count(Differs) == 0 }
