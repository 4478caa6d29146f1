package cell

import (
	"fmt"

	"github.com/natproof/natproof/natmodels/sipalg"
)

// Flow is what the vocabulary must know of what is played. Package flows has them; two
// flows of one name are the same value.
type Flow interface {
	Name() string          // in identifiers, JSON and flags
	Uses(axis string) bool // whether a value of the axis can make a difference
	Host(side Side) string // the box at that end
	Media() bool           // RTP runs between the ends
}

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
	// RegistrarReceivedNoAlias is received for new requests; those in a dialog go to the
	// Contact.
	RegistrarReceivedNoAlias Registrar = "received-no-alias"
	// RegistrarIPOnly routes to the address that messages came from, and the port that the
	// user agent wrote.
	RegistrarIPOnly Registrar = "ip-only"
	// RegistrarAnotherSource is received, but what is for a user leaves from another address
	// of the proxy.
	RegistrarAnotherSource Registrar = "another-source"
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
	// ALGLinux in a box that tracks connections is its SIP helper.
	ALGLinux ALG = "linux"
)

// Hosts says what the sockets of the hosts are made of, which changes nothing that can be seen.
type Hosts string

const (
	// HostsPion are hosts of pion vnet.
	HostsPion Hosts = "pion"
	// HostsNative are those of package vnet itself.
	HostsNative Hosts = "native"
)

// Side is one end of a call.
type Side string

// The two ends, and who is called by one of them when they are done with each other.
const (
	A Side = "a"
	B Side = "b"
	C Side = "c" // always on a public address
)

// Elsewhere is the side of a when it has roamed.
const Elsewhere Side = "elsewhere"

// Other is the opposite of a and b.
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

// Default is the world of plain RFC 3261: what an identifier or a command
// line does not say is this. No remedy is on (registrar contact, no rport, no
// latching), no obstacle is on (no strict check, nobody silent, no ALG).
func Default(flow Flow, a, b string) Cell {
	c := Cell{Flow: flow}
	for _, x := range Axes {
		x.set(&c, x.Default)
	}
	c.A, c.B = a, b
	return c
}

// Validate reports the first value that is not one of its axis.
func (c Cell) Validate() error {
	if c.Flow == nil {
		return invalidf("a cell without a flow")
	}
	for _, x := range Axes {
		if err := x.Check(x.get(&c)); err != nil {
			return err
		}
	}
	return nil
}

// Canonical sets the axes that the flow does not use, or that the rest of the cell leaves
// without a meaning, to their defaults, so that two cells that play the same are equal. A cell without a flow stays as it is.
func (c Cell) Canonical() Cell {
	if c.Flow == nil {
		return c
	}
	if c.Host(C) != "" { // the media is that of b and c: what a does about media is nobody's concern
		for _, who := range []*Sides{&c.Latch, &c.Strict, &c.Silent} {
			if *who == SideA {
				*who = NoSide
			}
		}
	}
	for _, x := range Axes {
		if !x.means(&c) {
			x.set(&c, x.Default)
		}
	}
	return c
}

// HasMedia reports whether the flow carries RTP.
func (c Cell) HasMedia() bool { return c.Flow != nil && c.Flow.Media() }

// Host is the box at the given end, empty without a flow.
func (c Cell) Host(side Side) string {
	if c.Flow == nil {
		return ""
	}
	return c.Flow.Host(side)
}

// NATName is the name of the NAT in front of the given side.
func (c Cell) NATName(side Side) string {
	switch side {
	case A:
		return c.A
	case B:
		return c.B
	case Elsewhere:
		return c.Elsewhere
	}
	return NoNAT
}

// SIPALG is the application level gateway in the cell's NATs, or nil.
func (c Cell) SIPALG() (*sipalg.ALG, error) {
	if c.ALG == ALGOff {
		return nil, nil
	}
	alg, err := sipalg.Named(string(c.ALG))
	if err != nil {
		return nil, fmt.Errorf("cell: %w", err)
	}
	return &alg, nil
}
