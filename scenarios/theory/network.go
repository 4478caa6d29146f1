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
	Side    cell.Side
	Host    string // its box
	NAT     natmodels.Behavior
	Carrier *natmodels.Behavior // the NAT that its own is behind; nil is none, and both ends may have the same
	Traits  Traits
}

// Network is what the questions are asked about.
type Network struct {
	policy  policy
	rport   bool
	caller  cell.Side
	talk    time.Duration
	lasts   time.Duration
	calm    time.Duration
	a, b    end
	c       *end // or nil
	loses   bool
	expires time.Duration
	session time.Duration

	idle     time.Duration
	keep     cell.KeepAlive
	ping     cell.Ping
	interval time.Duration
	change   cell.Change
	becomes  natmodels.Behavior // what the NAT in front of a is after a change of its behaviour
	when     cell.Moment
	beside   bool // somebody is beside a
	watched  bool // media is played packet by packet
	course   *course
}

// Config says what a network is made of.
type Config struct {
	A, B     End
	C        End            // who is called by one of them afterwards, from a public address; nobody if it has no Side
	Policy   cell.Registrar // where the proxy sends requests
	Rport    bool           // the proxy grants RFC 3581 to who asks
	ALG      *sipalg.ALG    // in every NAT; nil is none
	Forwards bool           // NATs forward the ports of the ends
	Caller   cell.Side      // who is the last to have both session descriptions; empty is a
	// Talk is how long a call that is established is silent on the signalling path; 0 is a
	// call that ends at once.
	Talk time.Duration
	// Lasts is how long a call without media lasts, where a flow has such a time.
	Lasts time.Duration
	// Calm is how much of it passes before what happens in a call.
	Calm time.Duration
	// Watched: something happens to the media of calls, so that what has happened to it before is
	// of account.
	Watched bool
	// Ring is how long the callee rings.
	Ring time.Duration
	// Session is for how long a session is good that nobody refreshes; 0 is for ever.
	Session time.Duration
	// Expires is for how long ends register that refresh their registration; 0 is longer than a
	// flow lasts.
	Expires time.Duration
	// Loses: the first copy of each SIP message is lost on its way.
	Loses bool
	// Idle is how long nothing happens where a flow has such a time.
	Idle time.Duration
	// KeepAlive is what the ends that have registered do to stay reachable, every Interval, and
	// Ping what the registrar does for them.
	KeepAlive cell.KeepAlive
	Ping      cell.Ping
	Interval  time.Duration
	// OneNAT: both ends are on one local network, behind the NAT of a.
	OneNAT bool
	// Neighbour: beside a is a phone like it, on the same ports, that has registered before.
	Neighbour bool
	// Crowd is how many phones like a there are behind its NAT, if there are more than a.
	Crowd int
	// Change is what happens to the NAT in front of a, When it does.
	Change cell.Change
	When   cell.Moment
	// Becomes is how it behaves afterwards, if its behaviour is what changes.
	Becomes natmodels.Behavior
}

// New makes a network, unless theory has nothing to say about it.
func New(cfg Config) (*Network, error) {
	p, known := policies[cmp.Or(cfg.Policy, cell.RegistrarContact)]
	if !known {
		return nil, fmt.Errorf("%w: a proxy with the policy %q", ErrNotCovered, cfg.Policy)
	}
	n := &Network{policy: p, rport: cfg.Rport, caller: cmp.Or(cfg.Caller, cell.A), talk: cfg.Talk, calm: cfg.Calm, lasts: cfg.Lasts, expires: cfg.Expires, session: cfg.Session, loses: cfg.Loses,
		idle: cfg.Idle, keep: cfg.KeepAlive, ping: cfg.Ping, interval: cfg.Interval, change: cfg.Change, when: cfg.When, becomes: cfg.Becomes,
		watched: cfg.Watched, beside: cfg.Neighbour || cfg.Crowd > 1}
	if n.idle > settled && n.expires == 0 {
		return nil, fmt.Errorf("%w: a registration that is refreshed in an idle time of more than %v", ErrNotCovered, settled)
	}
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
	if cfg.C.Side != "" {
		if p.apart {
			return nil, fmt.Errorf("%w: several dialogs, and a proxy with another socket for what is for users", ErrNotCovered)
		}
		e, err := newEnd(cfg, cfg.C)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrNotCovered, e.host, err)
		}
		n.c = &e
	}
	n.begin(soon, soon)
	return n, nil
}

// end finds the end on a side.
func (n *Network) end(side cell.Side) end {
	switch {
	case side == cell.A:
		return n.a
	case side == cell.C && n.c != nil:
		return *n.c
	}
	return n.b
}

// Answer is what theory says of a step.
type Answer struct {
	Fate  cell.Fate
	Cause cell.Cause
	Copy  int // see cell.StepOutcome
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
	preserved          bool   // the SIP port is the same outside
	gates              []door // its NATs, from the end outwards

	contacted string      // who the announced mapping was made towards, in words
	alg       *sipalg.ALG // what rewrites the announcements, or nil
	nobody    bool        // what is announced leads to no socket
	unmapped  bool        // or is a port that the NAT has given to nobody
	expected  bool        // what is announced is no mapping before it is used
	open      bool        // what comes unasked makes an entry of the NAT itself
	early     bool        // and did so, before the end had sent anything
	internal  bool        // the other end sees its private address
}

// door is one NAT of an end, as what comes from outside meets it.
type door struct {
	box      string
	behavior natmodels.Behavior
	// mapping is how the address that the end has outside of it depends on where packets go:
	// as in the most dependent of this NAT and those behind it.
	mapping natmodels.Dependence
	scope   natmodels.FilterScope
}

// doors are the NATs of an end, from the end outwards.
func doors(cfg Config, from End) []door {
	var all []door
	add := func(box string, b natmodels.Behavior) {
		if !b.Translates() {
			return
		}
		d := door{box: box, behavior: b, mapping: b.Mapping, scope: b.FilterScope}
		if n := len(all); n > 0 {
			if in := all[n-1].mapping; in != natmodels.EndpointIndependent {
				d.mapping, d.scope = max(d.mapping, in), natmodels.PerMapping // each mapping inside is another endpoint here
			}
		}
		all = append(all, d)
	}
	if side := from.Side; cfg.OneNAT && side != cell.C {
		add(cell.NATBox(cell.A), cfg.A.NAT)
	} else {
		add(cell.NATBox(side), from.NAT)
	}
	if from.Carrier != nil {
		add(cell.BoxCarrier, *from.Carrier)
	}
	return all
}

// newEnd derives the end from behaviours. No NAT, and a NAT with a port forward
// for exactly the ports in use, are both an endpoint-independent mapping with an
// endpoint-independent filter: what comes from the port always shows the
// advertised address, and what is sent to it always arrives.
func newEnd(cfg Config, from End) (end, error) {
	one := cfg.OneNAT && from.Side != cell.C
	if one {
		from.NAT = cfg.A.NAT
	}
	e := end{side: from.Side, host: from.Host, nat: cell.NATBox(from.Side), behavior: from.NAT, traits: from.Traits, preserved: true,
		contacted: "the STUN server", gates: doors(cfg, from)}
	if one {
		e.nat = cell.NATBox(cell.A)
	}
	if err := covered(cfg, from); err != nil {
		return e, err
	}
	if len(e.gates) == 0 {
		return e, nil
	}
	e.alg = cfg.ALG
	if e.traits.Address == Forwarded {
		return e, nil
	}
	e.local = e.traits.Address == Bound
	e = e.behind(e.gates[len(e.gates)-1])
	for _, d := range e.gates {
		e.preserved = e.preserved && d.behavior.PreservesPort(cell.SIPPort)
	}
	return e, errors.Join(e.legible(), e.foreseeable())
}

// behind is the end as that NAT of it lets it be seen, and met.
func (e end) behind(d door) end {
	e.nat, e.behavior = d.box, d.behavior
	e.mapping, e.filtering, e.scope = d.mapping, d.behavior.Filtering, d.scope
	e.open = d.behavior.Unsolicited == natmodels.LocalEntry
	return e
}

// says names the behaviour in RFC 4787's words, for explanations.
func (e end) says() string {
	return fmt.Sprintf("%s mapping, %s filtering", e.behavior.Mapping, e.behavior.Filtering)
}
