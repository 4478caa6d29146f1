package natmodels

import (
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels/internal/enum"
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

	Mappings int // how many mappings a subscriber can have; 0 is no limit
	Ports    int // how many external ports there are to choose from; 0 is the usual thousands

	Hairpin     HairpinMode // section 6
	Pooling     Pooling     // section 4.1
	Unsolicited Unsolicited
	SIPHelper   bool // it keeps SIP connections and opens what SIP messages announce, as Linux does

	// Unforeseen are settings, as the notation has them, that may change what the box does to
	// UDP in a way that no field above tells. A theory has no rule for them.
	Unforeseen []string
}

// Code returns the code of the mapping and filtering behavior, such as "eim-apdf", or
// "none" for a Router. A box that keeps ports has endpoint-independent mapping.
func (b Behavior) Code() string {
	if b.Kind == Router {
		return "none"
	}
	return enum.Name(mappingCodes, b.Mapping) + "-" + enum.Name(filteringCodes, b.Filtering)
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
