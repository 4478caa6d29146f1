package scenarios

import (
	"time"

	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
)

// Space is everything that can be played: all flows, all axes, and the groups of NATs that
// have a name.
func Space() cell.Space {
	s := cell.Space{Groups: []cell.Group{
		{Name: "classic", Help: "no NAT and the four classes of RFC 3489", Values: cell.Classic},
		{Name: "rfc4787", Help: "no NAT and the nine codes of RFC 4787", Values: cell.RFC4787},
		{Name: "devices", Help: "the devices of the catalogue that there is a theory of", Values: Devices},
	}}
	for _, f := range flows.All() {
		s.Flows = append(s.Flows, f)
	}
	return s
}

// Plan expands the choice into cells; see [cell.Space.Plan].
func Plan(choice cell.Choice) ([]cell.Cell, error) { return Space().Plan(choice) }

// ParseID reads an identifier; see [cell.Space.ParseID].
func ParseID(id string) (cell.Cell, error) { return Space().ParseID(id) }

// Devices are the devices of the catalogue that the theory covers in a registration with an
// address learned by STUN.
func Devices() []string {
	var names []string
	for _, name := range catalogue.DeviceNames() {
		if _, err := Predict(cell.Default(flows.Register, name, cell.NoNAT), nil); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// Predict says what theory expects of the cell, with those phones at its ends: for every step
// whether it arrives, and if not which box stops it by which rule. No phones are this
// project's own. Calls talk for [flows.DefaultMediaTime].
func Predict(c cell.Cell, phones stage.Phones) (cell.Outcome, error) {
	return predict(c, phones, flows.DefaultMediaTime)
}

func predict(c cell.Cell, phones stage.Phones, talk time.Duration) (cell.Outcome, error) {
	if err := flows.Check(c); err != nil {
		return cell.Outcome{}, err
	}
	c = c.Canonical()
	n, err := flows.Network(c, phones, talk)
	if err != nil {
		return cell.Outcome{}, err
	}
	return flows.Of(c).Predict(c, n)
}

// Claim is the first part of the default report: the claim that STUN is
// enough, put to every classic NAT with plain RFC 3261 signalling.
func Claim() []cell.Cell { return mustPlan(cell.Choice{"flow": {"register"}}) }

// Remedied is the second part: the same with rport and a registrar that routes
// to where the REGISTER came from.
func Remedied() []cell.Cell {
	return mustPlan(cell.Choice{"flow": {"register"}, "registrar": {"received"}, "rport": {"true"}})
}

// Media is the third part: on that base, calls between every two classic NATs,
// plain and with both sides latching.
func Media() []cell.Cell {
	return mustPlan(cell.Choice{"flow": {"call"}, "registrar": {"received"}, "rport": {"true"}, "latch": {"none", "both"}})
}

// mustPlan is for choices written in this package.
func mustPlan(choice cell.Choice) []cell.Cell {
	cells, err := Plan(choice)
	if err != nil {
		panic(err)
	}
	return cells
}
