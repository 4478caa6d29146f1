package natmodels

import (
	"slices"
	"time"
)

// Behavior is what a theory needs to know of a box: how it treats UDP, in the words of RFC
// 4787, and nothing of where it stands or how it is made.
type Behavior struct {
	Kind        Kind
	Mapping     Dependence // RFC 4787 section 4.1
	Filtering   Dependence // section 5
	FilterScope FilterScope

	PortChoice PortChoice  // section 4.2
	Preserved  []PortRange // internal ports that keep their number outside if nobody else has it

	Unreplied   time.Duration // how long a mapping lives that was never answered (section 4.3)
	Idle        time.Duration // and one that was
	StreamAfter time.Duration // how old a flow must be before Idle counts; 0 is at once
	Refresh     Refresh       // which packets restart the timer

	Hairpin     HairpinMode // section 6
	Pooling     Pooling     // section 4.1
	Unsolicited Unsolicited
	SIPHelper   bool // it keeps SIP connections and opens what SIP messages announce, as Linux does
}

// Behavior is the behavior of UDP through a box with these settings.
func (c Config) Behavior() Behavior {
	b := Behavior{
		Kind: c.Kind, Mapping: c.Mapping, Filtering: c.filtering(UDP), FilterScope: c.FilterScope,
		PortChoice: c.PortChoice, Preserved: c.preserved(),
		Unreplied: c.Unreplied(), Idle: c.Idle(), StreamAfter: c.StreamAfter, Refresh: c.Refresh,
		Hairpin: c.Hairpin, Pooling: c.Pooling, Unsolicited: c.Unsolicited, SIPHelper: c.SIPHelper,
	}
	if c.tracks() && b.StreamAfter == 0 {
		b.StreamAfter = trackStreamAfter
	}
	return b
}

// preserved lists the ports of which PreservesPort is true.
func (c Config) preserved() []PortRange {
	var all []PortRange
	for _, r := range []PortRange{{1, 1023}, c.PortRange.orDefault(), {1, 65535}} {
		if r.First <= r.Last && c.PreservesPort(r.First) && c.PreservesPort(r.Last) && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// Translates reports whether packets that go through show another source outside.
func (b Behavior) Translates() bool { return b.Kind != Router && b.Kind != Firewall }

// Tracks reports whether each connection is judged by itself.
func (b Behavior) Tracks() bool { return b.Kind == Conntrack || b.Kind == Firewall }

// PreservesPort reports whether an internal port that nobody else has keeps its number
// outside.
func (b Behavior) PreservesPort(port uint16) bool {
	return slices.ContainsFunc(b.Preserved, func(r PortRange) bool { return r.Contains(port) })
}
