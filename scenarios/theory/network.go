package theory

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/scenarios/cell"
)

// ErrNotCovered is returned for a NAT whose behaviour the theory says nothing about.
var ErrNotCovered = errors.New("scenarios: no prediction")

// End is one end: what is in front of it, and what it does.
type End struct {
	Side   cell.Side
	Host   string // its box
	NAT    natmodels.Behavior
	Traits Traits
}

// Network is what the questions are asked about.
type Network struct {
	proxy  cell.Registrar
	rport  bool
	caller cell.Side
	talk   time.Duration
	a, b   end

	idle     time.Duration
	keep     cell.KeepAlive
	interval time.Duration
	change   cell.Change
	when     cell.Moment
	course   *course
}

// Config says what a network is made of.
type Config struct {
	A, B     End
	Policy   cell.Registrar // where the proxy sends requests
	Rport    bool           // the proxy grants RFC 3581 to who asks
	ALG      *sipalg.ALG    // in every NAT; nil is none
	Forwards bool           // NATs forward the ports of the ends
	Caller   cell.Side      // who is the last to have both session descriptions; empty is a
	// Talk is how long a call that is established is silent on the signalling path; 0 is a
	// call that ends at once.
	Talk time.Duration
	// Idle is how long nothing happens where a flow has such a time.
	Idle time.Duration
	// KeepAlive is what the ends that have registered do to stay reachable, every Interval.
	KeepAlive cell.KeepAlive
	Interval  time.Duration
	// Change is what happens to the NAT in front of a, When it does.
	Change cell.Change
	When   cell.Moment
}

// New makes a network, unless theory has nothing to say about it.
func New(cfg Config) (*Network, error) {
	n := &Network{proxy: cfg.Policy, rport: cfg.Rport, caller: cmp.Or(cfg.Caller, cell.A), talk: cfg.Talk,
		idle: cfg.Idle, keep: cfg.KeepAlive, interval: cfg.Interval, change: cfg.Change, when: cfg.When}
	for _, x := range []struct {
		to   *end
		from End
	}{{&n.a, cfg.A}, {&n.b, cfg.B}} {
		e, err := newEnd(cfg, x.from)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrNotCovered, e.nat, err)
		}
		*x.to = e
	}
	n.begin(soon)
	return n, nil
}

// end finds the end on a side.
func (n *Network) end(side cell.Side) end {
	if side == cell.A {
		return n.a
	}
	return n.b
}

// Answer is what theory says of a step.
type Answer struct {
	Fate  cell.Fate
	Cause cell.Cause
}

// answer is that something arrives, or is lost for the cause.
func answer(c cell.Cause) Answer {
	if c.IsZero() {
		return Answer{Fate: cell.Arrived}
	}
	return Answer{Fate: cell.Lost, Cause: c}
}

// Arrives is the answer that nothing stops it. A NAT opens for what comes from the inside.
func Arrives() Answer { return Answer{Fate: cell.Arrived} }

// NotSent is the answer that a box never comes to send it.
func NotSent(box, message, why string) Answer {
	return Answer{Fate: cell.NotSent, Cause: cell.Cause{Box: box, Rule: cell.RuleNotSent, Message: message, Why: why}}
}

// end is what the rest of the world sees of one side: its NAT, and what it announces.
type end struct {
	side     cell.Side
	host     string // the box of the user agent, or of the gateway
	nat      string // the box of its NAT
	behavior natmodels.Behavior
	traits   Traits
	local    bool // advertises an address that nobody outside can reach

	mapping, filtering natmodels.Dependence
	scope              natmodels.FilterScope
	preserved          bool // the SIP port is the same outside

	contacted string      // who the announced mapping was made towards, in words
	alg       *sipalg.ALG // what rewrites the announcements, or nil
	nobody    bool        // what is announced leads to no socket
	unmapped  bool        // or is a port that the NAT has given to nobody
	expected  bool        // what is announced is no mapping before it is used
	open      bool        // what comes unasked makes an entry of the NAT itself
	early     bool        // and did so, before the end had sent anything
}

// newEnd derives the end from behaviours. No NAT, and a NAT with a port forward
// for exactly the ports in use, are both an endpoint-independent mapping with an
// endpoint-independent filter: what comes from the port always shows the
// advertised address, and what is sent to it always arrives.
func newEnd(cfg Config, from End) (end, error) {
	b := from.NAT
	e := end{side: from.Side, host: from.Host, nat: cell.NATBox(from.Side), behavior: b, traits: from.Traits, preserved: true,
		contacted: "the STUN server"}
	if err := covered(cfg, from); err != nil || !b.Translates() {
		return e, err
	}
	e.alg = cfg.ALG
	if e.traits.Address == Forwarded {
		return e, nil
	}
	e.local = e.traits.Address == Bound
	e.mapping, e.filtering, e.scope = b.Mapping, b.Filtering, b.FilterScope
	e.open = b.Unsolicited == natmodels.LocalEntry
	e.preserved = b.PreservesPort(cell.SIPPort)
	return e, errors.Join(e.legible(), e.foreseeable())
}

// says names the behaviour in RFC 4787's words, for explanations.
func (e end) says() string {
	return fmt.Sprintf("%s mapping, %s filtering", e.behavior.Mapping, e.behavior.Filtering)
}
