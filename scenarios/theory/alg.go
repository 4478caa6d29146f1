package theory

import (
	"errors"
	"fmt"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// announcement is one of the addresses that an end announces.
type announcement uint8

const (
	announcedSIP  announcement = iota // Via and Contact
	announcedRTP                      // c= and m=
	announcedRTCP                     // a=rtcp, which the ends of a cell with an ALG write in full
)

// announcing is the end as its announcement of one kind shows it once the ALG in its NAT
// has had it in hand. An ALG rewrites what is private: what a port manager learned is
// public and stays, unless the ALG is one that rewrites it once more.
func (e end) announcing(what announcement) end {
	switch {
	case e.alg == nil:
		return e
	case e.traits.Address == Bound:
		return e.rewritten(what)
	case e.traits.Address == Asked && e.alg.Double:
		return e.rewrittenTwice(what)
	}
	return e
}

// rewritten: a private address has become the external endpoint towards the proxy, that
// of media a hole of its own, unless it was left out.
func (e end) rewritten(what announcement) end {
	switch {
	case what == announcedSIP:
		// The announced mapping is the very one that the proxy is admitted to.
		e.mapping = natmodels.EndpointIndependent
	case what == announcedRTCP && e.alg.Linux:
		return e
	case e.alg.Linux:
		e.contacted = "the proxy"
		e.expected = e.behavior.Kind == natmodels.Conntrack
	default:
		e.mapping, e.filtering = natmodels.EndpointIndependent, natmodels.EndpointIndependent
	}
	e.local = false
	return e
}

// rewrittenTwice: a public port was taken for an internal one. Where they are the same
// that opens the hole that media needs; otherwise it announces a port that leads to
// somebody who is not there.
func (e end) rewrittenTwice(what announcement) end {
	switch {
	case !e.preserved:
		e.nobody = true
		e.mapping = natmodels.AddressAndPortDependent // it sends from another port than the announced one
	case what != announcedSIP:
		e.filtering = natmodels.EndpointIndependent
	}
	return e
}

func (e end) leadsNowhere(message string) cell.Cause {
	return cell.Cause{Box: e.host, Rule: cell.RuleNoSocket, Message: message, Why: "the SIP ALG of " + e.nat +
		" took a public port that a STUN server saw for an internal one and announced a third, which leads to a port that nobody has open"}
}

// foreignVia is why the end has no use for a response that reaches it, or zero. On the way
// in an ALG makes private whatever shows the external endpoint that the response came to, also
// the Via of a user agent that had learned that endpoint and written it itself.
func (n *Network) foreignVia(e end, message string) cell.Cause {
	switch {
	case e.alg == nil || e.traits.Address == Bound || !e.traits.ChecksVia:
		return cell.Cause{}
	case !e.nobody && n.bySource(e) && e.mapping != natmodels.EndpointIndependent:
		return cell.Cause{} // it came by the mapping towards the proxy, and the Via names another
	}
	return cell.Cause{Box: e.host, Rule: cell.RuleForeignVia, Message: message, Why: "the SIP ALG of " + e.nat +
		" rewrites the public Via of the user agent, which must discard a response that does not name what it wrote (RFC 3261 §18.1.2)"}
}

// The ends of a cell write three addresses into a session description, and this as its
// last line. It says nothing new (RFC 8866 §6.7), so whoever does not read it is none the
// wiser.
const (
	describedAddresses = 3 // o=, c= and a=rtcp
	lastLine           = "a=sendrecv\r\n"
)

// grows is by how much the ALG lengthens a session description of the end and leaves the
// Content-Length as it was: 0 if it does not, less if it shortens it.
func (e end) grows() int {
	if e.alg == nil || !e.alg.StaleLength || e.traits.Address != Bound {
		return 0
	}
	at := cell.PlaceOf(e.side)
	return describedAddresses * (len(at.External.String()) - len(at.Inside.String()))
}

// legible refuses what depends on who reads a message that was cut.
func (e end) legible() error {
	if g := e.grows(); g > 0 && (g != len(lastLine) || !e.preserved) {
		return errors.New("a session description cut short in the middle of a line, which readers take differently")
	}
	return nil
}

// incomplete is why nobody gets a message of the end with a session description, or
// zero: the Content-Length promises more than there is.
func (e end) incomplete(message, fate string) cell.Cause {
	if e.grows() >= 0 {
		return cell.Cause{}
	}
	return cell.Cause{Box: cell.BoxProxy, Rule: cell.RuleMalformed, Message: message, Why: fmt.Sprintf(
		"the SIP ALG of %s shortened the session description and left the Content-Length; such a %s (RFC 3261 §18.3)", e.nat, fate)}
}
