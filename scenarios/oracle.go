package scenarios

import (
	"errors"
	"fmt"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
)

// SIPPort is the internal port of every user agent's SIP socket. The oracle
// needs it: a NAT that preserves ports gives it to the outside.
const SIPPort = 5060

// ErrNotCovered is returned for a NAT whose behaviour the theory of this
// package says nothing about.
var ErrNotCovered = errors.New("scenarios: no prediction")

// A flow lasts up to two minutes, most of that for registrations that fail, and no
// mapping may end in it that anybody will ask for. Where the next mapping has the same
// port, or nobody asks for an old one, it is a call of some seconds that it must last; and
// where media refreshes it too, the time between two messages.
const (
	flowIdle    = 2 * time.Minute // RFC 4787 §4.3, REQ-5
	callIdle    = 30 * time.Second
	messageIdle = 10 * time.Second
)

// Predict says what theory expects of the cell: for every step whether it
// arrives, and if not which box stops it by which rule. It looks at the NATs'
// behaviours alone and never moves a packet.
//
// Assumed is a lab in which the STUN server, the proxy, the gateway and the two
// ends have addresses of their own, the proxy has one socket and asks nobody for
// a password, signalling and media are symmetric, RTCP has a mapping of its own
// announced by a=rtcp (RFC 3605), media flows only in an established call, and
// a silent side opens no hole by other means either.
func Predict(c Cell) (Outcome, error) {
	if err := c.Validate(); err != nil {
		return Outcome{}, err
	}
	c = c.Canonical()
	natA, err := c.Behavior(A)
	if err != nil {
		return Outcome{}, err
	}
	natB, err := c.Behavior(B)
	if err != nil {
		return Outcome{}, err
	}
	return PredictNATs(c, natA, natB)
}

// PredictNATs is Predict with the NATs given outright; the names in the cell
// and its filter scope are not looked at.
func PredictNATs(c Cell, natA, natB natmodels.Behavior) (Outcome, error) {
	a, err := newEnd(c, A, natA)
	if err != nil {
		return Outcome{}, err
	}
	b, err := newEnd(c, B, natB)
	if err != nil {
		return Outcome{}, err
	}
	p := signalling{cell: c, a: a.announcing(announcedSIP), b: b.announcing(announcedSIP)}
	steps := p.registration()
	call, established := p.call()
	steps = append(steps, call[:len(call)-1]...)
	if c.HasMedia() {
		steps = append(steps, predictMedia(c, a, b, established)...)
	}
	return Conclude(append(steps, call[len(call)-1])), nil
}

// end is what the rest of the world sees of one side: its NAT and its port
// manager together.
type end struct {
	side  Side
	host  string // the box of the user agent, or of the gateway
	nat   string // the box of its NAT
	cfg   natmodels.Behavior
	has   bool // there is a NAT
	local bool // advertises an address that nobody outside can reach

	mapping, filtering natmodels.Dependence
	scope              natmodels.FilterScope
	preserved          bool // the SIP port is the same outside

	contacted string      // who the announced mapping was made towards, in words
	alg       *sipalg.ALG // what rewrites the announcements, or nil
	manager   PortManager // whose announcements they are
	nobody    bool        // what is announced leads to no socket
	expected  bool        // what is announced is no mapping before it is used
	open      bool        // what comes unasked makes an entry of the NAT itself
	early     bool        // and did so, before the end had sent anything
}

// newEnd derives the end from behaviours. No NAT, and a NAT with a port forward
// for exactly the ports in use, are both an endpoint-independent mapping with an
// endpoint-independent filter: what comes from the port always shows the
// advertised address, and what is sent to it always arrives.
func newEnd(c Cell, side Side, cfg natmodels.Behavior) (end, error) {
	e := end{side: side, host: c.Host(side), nat: NATBox(side), cfg: cfg, has: cfg.Translates(), preserved: true,
		contacted: "the STUN server", manager: c.PortManager}
	err := covered(c, side, cfg)
	if err != nil {
		return end{}, fmt.Errorf("%w: %s: %w", ErrNotCovered, e.nat, err)
	}
	if !e.has {
		return e, nil
	}
	if e.alg, err = c.SIPALG(); err != nil || c.PortManager == ManagerStatic {
		return e, err
	}
	e.local = c.PortManager == ManagerLocal
	e.mapping, e.filtering, e.scope = cfg.Mapping, cfg.Filtering, cfg.FilterScope
	e.open = cfg.Unsolicited == natmodels.LocalEntry
	e.preserved = cfg.PreservesPort(SIPPort)
	if err := e.legible(); err != nil {
		return end{}, fmt.Errorf("%w: %s: %w", ErrNotCovered, e.nat, err)
	}
	return e, nil
}

// covered refuses what would need a theory of its own.
func covered(c Cell, side Side, cfg natmodels.Behavior) error {
	static := c.PortManager == ManagerStatic
	switch {
	case cfg.Kind == natmodels.Router:
		return nil
	case cfg.Kind != natmodels.Translator && cfg.Kind != natmodels.Conntrack:
		return fmt.Errorf("a %v", cfg.Kind)
	case static && cfg.Kind == natmodels.Conntrack:
		return errors.New("port forwards of a box that tracks connections")
	case static:
		return nil
	case cfg.Unsolicited == natmodels.LocalEntry && c.ALG != ALGOff:
		return errors.New("a SIP helper in a box where packets that come too early take a port")
	case cfg.SIPHelper && c.ALG != algLinux:
		return errors.New("a SIP helper by its name: use linux-masquerade with alg=linux")
	case cfg.Kind == natmodels.Conntrack && c.ALG != algLinux && c.ALG != ALGOff:
		return errors.New("an ALG other than linux beside a box that tracks connections")
	case cfg.Kind == natmodels.Conntrack && cfg.FilterScope == natmodels.PerEndpoint:
		return errors.New("filters that remember per endpoint, in a box that tracks connections")
	case lifetime(cfg) < needed(c, side, cfg) || cfg.Refresh == natmodels.RefreshInbound:
		return errors.New("mappings that can expire while the flow is played (RFC 4787 §4.3)")
	case cfg.Pooling != natmodels.Paired:
		return errors.New("external addresses chosen arbitrarily (RFC 4787 §4.1)")
	case cfg.PortChoice == natmodels.Preserve && c.PortManager == ManagerSTUN && cfg.Mapping != natmodels.EndpointIndependent:
		return errors.New("a port that must be preserved and is already held by the mapping towards the STUN server")
	case cfg.PortChoice == natmodels.Preserve && !cfg.PreservesPort(SIPPort):
		return errors.New("a port that must be preserved and is out of range")
	case c.ALG == "double" && cfg.Mapping != natmodels.EndpointIndependent && cfg.PortChoice == natmodels.PreserveElseRandom:
		return errors.New("an ALG that takes the port of one mapping for another's")
	}
	return nil
}

// lifetime is how long a mapping lives that a STUN server was asked through: a question
// and an answer are no stream.
func lifetime(cfg natmodels.Behavior) time.Duration {
	if cfg.StreamAfter > time.Second || cfg.Kind == natmodels.Conntrack {
		return cfg.Unreplied
	}
	return cfg.Idle
}

// needed is how long a mapping must live for the flow not to notice.
func needed(c Cell, side Side, cfg natmodels.Behavior) time.Duration {
	same := cfg.Mapping == natmodels.EndpointIndependent && cfg.PreservesPort(SIPPort)
	unasked := c.PortManager == ManagerLocal || c.Rport && c.Registrar == RegistrarReceived
	switch {
	case same && !c.Silent.Has(side):
		return messageIdle
	case same, unasked:
		return callIdle
	}
	return flowIdle
}

// says names the behaviour in RFC 4787's words, for explanations.
func (e end) says() string {
	return fmt.Sprintf("%s mapping, %s filtering", e.cfg.Mapping, e.cfg.Filtering)
}
