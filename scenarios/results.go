package scenarios

import (
	"net/netip"
	"strings"

	"github.com/natproof/natproof/vnet"
)

// Role is what a box is, for those who draw it.
type Role string

// The roles of boxes.
const (
	RoleHost     Role = "host"     // a user agent's host
	RoleNAT      Role = "nat"      // a gateway
	RoleInternet Role = "internet" // the realm of public addresses
	RoleServer   Role = "server"   // STUN server, proxy, PSTN gateway
)

// Box is one box of a cell's topology.
type Box struct {
	Name  string
	Role  Role
	Addrs []netip.Addr // its addresses; of a NAT the external ones
}

// Result is one cell, predicted and observed.
type Result struct {
	Cell      Cell
	Seed      uint64
	Predicted Outcome
	Observed  Outcome
	Cause     string // why what failed failed; empty if all worked
	Expected  bool   // observed = predicted, and failed for the predicted reasons
	Err       error  // the cell could not be played; Observed is not to be trusted

	// With RunOptions.Trace only.
	Events []vnet.Event
	Boxes  []Box // left to right: a's side, the servers, b's side
}

// Judge compares what was observed with what was predicted. A predicted failure
// that failed for the predicted reason is as expected.
func Judge(cell Cell, seed uint64, predicted, observed Outcome) Result {
	r := Result{Cell: cell, Seed: seed, Predicted: predicted, Observed: observed}
	r.Cause = causeOf(observed)
	r.Expected = len(r.Surprises()) == 0
	return r
}

// Surprise is one step that did not do what was predicted.
type Surprise struct {
	Step                Step
	Predicted, Observed StepOutcome
}

// Surprises are the steps whose fate, or whose cause of loss, differs from the
// prediction, in the order of the flow. RTCP counts when it was judged.
func (r Result) Surprises() []Surprise {
	var all []Surprise
	for _, p := range r.Predicted.Steps {
		o, seen := r.Observed.Step(p.Step)
		if !seen && (p.Step == RTCPAToB || p.Step == RTCPBToA) {
			continue
		}
		if o.Fate != p.Fate || p.Fate == Lost && !o.Cause.Same(p.Cause) {
			all = append(all, Surprise{Step: p.Step, Predicted: p, Observed: o})
		}
	}
	return all
}

// causeOf puts the failures on one line.
func causeOf(o Outcome) string {
	var parts []string
	for _, s := range o.Failures() {
		parts = append(parts, string(s.Step)+": "+s.Cause.String())
	}
	return strings.Join(parts, "; ")
}
