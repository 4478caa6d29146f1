package theory

import (
	"errors"
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
)

// way is where the proxy sends what is for a user agent.
type way uint8

const (
	toContact  way = iota // what it wrote (RFC 3261 §16.6)
	toSource              // where it came from
	toSourceIP            // the address that it came from, and the port that it wrote
)

// policy is what a proxy makes of a registration, and of the Contacts of a dialog.
type policy struct {
	request, dialog way
	apart           bool // what is for users leaves from an address that nobody registered with
}

var policies = map[cell.Registrar]policy{
	cell.RegistrarContact:         {toContact, toContact, false},
	cell.RegistrarReceived:        {toSource, toSource, false},
	cell.RegistrarReceivedNoAlias: {toSource, toContact, false},
	cell.RegistrarIPOnly:          {toSourceIP, toSourceIP, false},
	cell.RegistrarAnotherSource:   {toSource, toSource, true},
}

// reach is the way of a request, new or within a dialog.
func (p policy) reach(dialog bool) way {
	if dialog {
		return p.dialog
	}
	return p.request
}

// way is that of a request to an end. The Contact of who has learned it from the proxy leads to where
// its REGISTER came from, whatever the policy.
func (n *Network) way(e end, dialog bool) way {
	if e.traits.Learns && n.bySource(e) {
		return toSource
	}
	return n.policy.reach(dialog)
}

// coveredLearning refuses what has been learned and is no longer so, or is rewritten on its way.
func coveredLearning(cfg Config, e End) error {
	switch {
	case !e.Traits.Learns:
		return nil
	case e.Traits.Address != Bound:
		return errors.New("a Contact that is learned both from a STUN server, or a port forward, and from the registrar")
	case cfg.ALG != nil:
		return errors.New("a Contact that is learned from the registrar, beside an ALG")
	case cfg.Change != "" && cfg.Change != cell.ChangeNone:
		return errors.New("a Contact that was learned from the registrar, when the NAT is another than before")
	}
	return nil
}

// bySource says whether all that is for an end goes to where something of it came from, by the
// socket that it had sent to.
func (p policy) bySource() bool { return p.request == toSource && p.dialog == toSource && !p.apart }

// routed is why what the proxy routes to an end that has just registered does not reach it, or
// zero.
func (n *Network) routed(e end, message string, by way) cell.Cause {
	switch {
	case by == toSource:
		// To where the REGISTER, or the message of the dialog with the Contact, came from:
		// a mapping towards the proxy. What its filter says of the proxy's socket is for the
		// course of things to say.
		return cell.Cause{}
	case by == toSourceIP && e.local && e.preserved:
		// The port that it wrote happens to be the port outside.
		return cell.Cause{}
	case by == toSourceIP && e.local:
		return cell.Cause{Box: e.nat, Rule: cell.RuleNoMapping, Message: message, Why: fmt.Sprintf(
			"the proxy knows the address that %s came from and takes the port of its Contact, the private %d; %s chose another port outside",
			e.host, cell.SIPPort, e.nat)}
	case e.local:
		return cell.Cause{Box: cell.BoxInternet, Rule: cell.RuleNoRoute, Message: message,
			Why: fmt.Sprintf("the Contact of %s is a private address (RFC 1918 §3) and the proxy routes to what it says (RFC 3261 §16.6)", e.host)}
	}
	c := e.unreached(message)
	if !c.IsZero() {
		c.Why = "the proxy routes to the Contact (RFC 3261 §16.6), the address the STUN server saw; " + c.Why
	}
	return c
}

// target is the endpoint to which the proxy sends what is for an end: what it wrote, or where its
// registration, or in a dialog the message with its Contact, came from.
func (n *Network) target(s *station, dialog bool) endpoint {
	wrote, came := s.wrote, s.came
	if dialog && s.alias != (endpoint{}) {
		wrote, came = s.contact, s.alias
	}
	return s.end.reached(n.way(*s.end, dialog), wrote, came)
}

// reached is the endpoint of an end that wrote one into its Contact and was seen at the other.
func (e *end) reached(by way, wrote, came endpoint) endpoint {
	switch knows := e.traits.Address != Bound; {
	case by == toSource:
	case by == toSourceIP && knows:
		return endpoint{came.address, wrote.port}
	case knows:
		return wrote
	case by == toSourceIP && e.alg == nil:
		return endpoint{came.address, cell.SIPPort}
	}
	return came // or what an ALG made of the Contact, which is the same
}

// leaves says which socket of the proxy a request to an end leaves from. What is for a user leaves
// from another one, where the policy says so, and so does the rest of the dialog.
func (n *Network) leaves(s *station, dialog bool) endpoint {
	c := n.course
	if !dialog {
		c.apart = n.policy.apart && s.known
	}
	return c.socket()
}

// socket is the one of the proxy's that the messages of the present dialog or transaction go to.
func (c *course) socket() endpoint {
	if c.apart {
		return atCalls
	}
	return atProxy
}

// says is that the end whose turn it is, if there is one, sends to a socket of the proxy. Where the
// message has its Contact that is how the proxy, or the other end, knows it from now on.
func (c *course) says(to endpoint, contact bool) {
	s := c.turn
	if c.turn = nil; s == nil {
		return
	}
	s.last, s.spoke = s.line.out(to, c.now), to
	if !contact {
		return
	}
	if s.before, s.alias = s.alias, s.last; s.contact == (endpoint{}) {
		s.contact = s.writes()
	}
}
