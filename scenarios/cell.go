package scenarios

import (
	"errors"
	"fmt"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// Flow is what is played.
type Flow string

const (
	// FlowRegister: a registers, then a public caller calls it through the
	// proxy and hangs up. Signalling alone: both ends are silent, and media is
	// "none".
	FlowRegister Flow = "register"
	// FlowCall: a and b register, a calls b through the proxy, media runs, a
	// hangs up.
	FlowCall Flow = "call"
	// FlowPCToPhone: a registers and calls sip:1234567@gateway through the
	// proxy; media runs with the public PSTN gateway, a hangs up.
	FlowPCToPhone Flow = "pc-to-phone"
)

// PortManager names the way a user agent learns its own public addresses.
type PortManager string

const (
	// ManagerLocal advertises the address the socket is bound to.
	ManagerLocal PortManager = "local"
	// ManagerStatic advertises port forwards that are set up on the NAT.
	ManagerStatic PortManager = "static"
	// ManagerSTUN asks a STUN server from the very socket that will be used.
	ManagerSTUN PortManager = "stun"
)

// Registrar is where the proxy sends a request for a registered user.
type Registrar string

const (
	// RegistrarContact routes to what the user agent wrote (RFC 3261 §16.6).
	RegistrarContact Registrar = "contact"
	// RegistrarReceived routes to where the REGISTER came from, and repairs
	// in-dialog requests by an alias in the Contact.
	RegistrarReceived Registrar = "received"
)

// FilterScope says on whose account a NAT remembers who was contacted.
type FilterScope string

const (
	// ScopeMapping: each mapping admits those contacted through it, as
	// connection-tracking NATs do.
	ScopeMapping FilterScope = "mapping"
	// ScopeEndpoint: every mapping of an internal endpoint admits all that the
	// endpoint has contacted, the wording of RFC 4787 §5.
	ScopeEndpoint FilterScope = "endpoint"
)

// ALG names the SIP application level gateway in the NATs of a cell: a variant of
// package sipalg, or none.
type ALG string

const (
	// ALGOff is a NAT as RFC 4787 REQ-10 wants it.
	ALGOff ALG = "off"
	// algLinux in a box that tracks connections is its SIP helper.
	algLinux ALG = "linux"
)

// Side is one end of a call.
type Side string

// The two ends. In FlowRegister b is the public caller, in FlowPCToPhone the
// PSTN gateway.
const (
	A Side = "a"
	B Side = "b"
)

// Other is the opposite end.
func (s Side) Other() Side {
	if s == A {
		return B
	}
	return A
}

// Sides is a set of ends.
type Sides string

// The four sets.
const (
	NoSide    Sides = "none"
	SideA     Sides = "a"
	SideB     Sides = "b"
	BothSides Sides = "both"
)

// Has reports whether the side is in the set.
func (s Sides) Has(side Side) bool { return s == BothSides || string(s) == string(side) }

// Cell is one experiment: a flow, the NATs on its way, and the remedies in
// use. It is a comparable value. Its zero fields are not valid: start from
// DefaultCell.
type Cell struct {
	Flow        Flow
	A, B        string // names of natmodels presets and devices
	PortManager PortManager
	Registrar   Registrar
	Rport       bool  // the user agents ask for RFC 3581 and the proxy grants it
	Latch       Sides // who sends media to where media came from (RFC 7362)
	Strict      Sides // who drops media from anywhere but the signalled source
	Silent      Sides // who sends no RTP and opens no hole for it: none, a or b
	FilterScope FilterScope
	ALG         ALG // in every NAT of the cell
}

// DefaultCell is the world of plain RFC 3261: what an identifier or a command
// line does not say is this. No remedy is on (registrar contact, no rport, no
// latching), no obstacle is on (no strict check, nobody silent, no ALG).
func DefaultCell(flow Flow, a, b string) Cell {
	return Cell{
		Flow: flow, A: a, B: b,
		PortManager: ManagerSTUN, Registrar: RegistrarContact,
		Latch: NoSide, Strict: NoSide, Silent: NoSide, FilterScope: ScopeMapping,
		ALG: ALGOff,
	}
}

// NoNAT is the preset of a side with a public address.
const NoNAT = "none"

// Classic are the presets of RFC 3489, and no NAT.
func Classic() []string {
	return []string{NoNAT, "full-cone", "address-restricted", "port-restricted", "symmetric"}
}

// RFC4787 are no NAT and the nine pairs of mapping and filtering behaviour of
// RFC 4787: eim-eif ... apdm-apdf.
func RFC4787() []string {
	return []string{NoNAT,
		"eim-eif", "eim-adf", "eim-apdf",
		"adm-eif", "adm-adf", "adm-apdf",
		"apdm-eif", "apdm-adf", "apdm-apdf"}
}

// Devices are the devices of the catalogue (catalogue.DeviceNames) that the theory covers
// in every flow with an address learned by STUN.
func Devices() []string {
	var names []string
	for _, name := range catalogue.DeviceNames() {
		if _, err := Predict(DefaultCell(FlowRegister, name, NoNAT)); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// NATs are all names that stand for a NAT: presets, then devices.
func NATs() []string { return catalogue.Names() }

// Valid values of each axis, in the order in which plans and help texts use them.
func Flows() []Flow               { return []Flow{FlowRegister, FlowCall, FlowPCToPhone} }
func PortManagers() []PortManager { return []PortManager{ManagerLocal, ManagerStatic, ManagerSTUN} }
func Registrars() []Registrar     { return []Registrar{RegistrarContact, RegistrarReceived} }
func SideSets() []Sides           { return []Sides{NoSide, SideA, SideB, BothSides} }
func SilentSets() []Sides         { return []Sides{NoSide, SideA, SideB} }
func FilterScopes() []FilterScope { return []FilterScope{ScopeMapping, ScopeEndpoint} }

// ALGs are off and the variants of package sipalg.
func ALGs() []ALG {
	all := []ALG{ALGOff}
	for _, name := range sipalg.Names() {
		all = append(all, ALG(name))
	}
	return all
}

// ErrInvalid marks a cell, an axis value or an identifier that means nothing here.
var ErrInvalid = errors.New("scenarios: invalid")

// AxisNAT is the axis of a *ValueError about the name of a NAT.
const AxisNAT = "NAT"

// ValueError names a value that an axis does not have, and those it has.
type ValueError struct {
	Axis  string
	Value string
	Valid []string
}

// Error names the axis, the value, and the valid ones if they are few.
func (e *ValueError) Error() string {
	return (&natmodels.UnknownError{What: e.Axis, Name: e.Value, Valid: e.Valid}).Error()
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *ValueError) Unwrap() error { return ErrInvalid }

// CheckValue returns a *ValueError unless the value is among the valid ones.
func CheckValue[T ~string](axis string, value T, valid []T) error {
	if slices.Contains(valid, value) {
		return nil
	}
	e := &ValueError{Axis: axis, Value: string(value)}
	for _, v := range valid {
		e.Valid = append(e.Valid, string(v))
	}
	return e
}

// Validate reports the first value that is not one of its axis.
func (c Cell) Validate() error {
	presets := NATs()
	for _, err := range []error{
		CheckValue("flow", c.Flow, Flows()),
		CheckValue(AxisNAT, c.A, presets),
		CheckValue(AxisNAT, c.B, presets),
		CheckValue("port manager", c.PortManager, PortManagers()),
		CheckValue("registrar policy", c.Registrar, Registrars()),
		CheckValue("latch", c.Latch, SideSets()),
		CheckValue("strict", c.Strict, SideSets()),
		CheckValue("silent", c.Silent, SilentSets()),
		CheckValue("filter scope", c.FilterScope, FilterScopes()),
		CheckValue("ALG", c.ALG, ALGs()),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Canonical sets the axes the flow does not use to their defaults, so that two
// cells that play the same are equal.
//
//   - register: b is a public caller, and there is no media: b, latch, strict
//     and silent mean nothing.
//   - pc-to-phone: b is the PSTN gateway, always public; latch, strict and
//     silent of b are the gateway's.
//   - call uses every axis.
func (c Cell) Canonical() Cell {
	switch c.Flow {
	case FlowRegister:
		c.B, c.Latch, c.Strict, c.Silent = NoNAT, NoSide, NoSide, NoSide
	case FlowPCToPhone:
		c.B = NoNAT
	}
	return c
}

// HasMedia reports whether the flow carries RTP.
func (c Cell) HasMedia() bool { return c.Flow != FlowRegister }

// NAT is the NAT in front of the given side, with the cell's filter scope and SIP helper.
func (c Cell) NAT(side Side) (natmodels.Model, error) {
	name := c.A
	if side == B {
		name = c.B
	}
	m, err := catalogue.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("scenarios: side %s: %w", side, err)
	}
	switch kind := m.Behavior().Kind; {
	case kind == natmodels.Translator && c.FilterScope == ScopeEndpoint:
		return catalogue.Vary(m, "filter-scope endpoint")
	case kind == natmodels.Conntrack && c.ALG == algLinux:
		return catalogue.Vary(m, "sip-helper yes")
	}
	return m, nil
}

// Behavior is what the theory reads of the NAT in front of the given side. Filters that
// remember per endpoint are asked for of any NAT, whether it has them or not.
func (c Cell) Behavior(side Side) (natmodels.Behavior, error) {
	m, err := c.NAT(side)
	if err != nil {
		return natmodels.Behavior{}, err
	}
	b := m.Behavior()
	if c.FilterScope == ScopeEndpoint {
		b.FilterScope = natmodels.PerEndpoint
	}
	return b, nil
}

// SIPALG is the application level gateway in the cell's NATs, or nil.
func (c Cell) SIPALG() (*sipalg.ALG, error) {
	if c.ALG == ALGOff {
		return nil, nil
	}
	alg, err := sipalg.Named(string(c.ALG))
	if err != nil {
		return nil, fmt.Errorf("scenarios: %w", err)
	}
	return &alg, nil
}
