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
	announcedRTCP                     // a=rtcp (RFC 3605), or the port above that of RTP (RFC 3550 §11)
)

// announcing is the end as its announcement of one kind shows it once the ALG in its NAT
// has had it in hand. An ALG rewrites what is private: what a port manager learned is
// public and stays, unless the ALG is one that rewrites it once more.
func (e end) announcing(what announcement) end {
	if what != announcedSIP {
		e = e.described()
	}
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
	case what == announcedRTCP && e.alg.Linux && e.traits.NamesRTCP:
		return e
	case what == announcedRTCP && e.impliesRTCP():
		return e.aboveRTP()
	case e.alg.Linux:
		e.contacted = "the proxy"
		e.expected = e.behavior.Kind == natmodels.Conntrack
	default:
		e.mapping, e.filtering = natmodels.EndpointIndependent, natmodels.EndpointIndependent
	}
	e.local = false
	return e
}

// impliesRTCP says whether the ALG leaves RTCP to the NAT: no a=rtcp names a port that it could
// open. Linux, where it tracks connections, opens the port above that of RTP all the same.
func (e end) impliesRTCP() bool {
	return e.alg != nil && e.traits.Address == Bound && !e.traits.NamesRTCP && !(e.alg.Linux && e.behavior.Kind == natmodels.Conntrack)
}

// aboveRTP: others take RTCP to be at the port above the one that the ALG announced for RTP
// (RFC 3550 §11). It is there if the NAT keeps port numbers, with the filter of any mapping, once
// the end has sent RTCP; to one peer, so that it does not matter on what mapping depends.
func (e end) aboveRTP() end {
	e.local, e.contacted = false, "nobody else"
	if e.keepsMediaPorts() {
		e.mapping = natmodels.EndpointIndependent
	} else {
		e.unmapped = true
		e.mapping = natmodels.AddressAndPortDependent // it sends from another port than the one it is taken to have
	}
	return e
}

func (e end) keepsMediaPorts() bool {
	return e.behavior.PreservesPort(cell.RTPPort) && e.behavior.PreservesPort(cell.RTCPPort)
}

// foreseeable refuses ports of RTCP that depend on more than is known of the NAT and the ends.
func (e end) foreseeable() error {
	switch {
	case !e.impliesRTCP():
		return nil
	case !e.keepsMediaPorts() && e.behavior.PortChoice == natmodels.Sequential:
		return errors.New("the port above that of RTP, where ports are given out one after the other")
	case e.keepsMediaPorts() && e.behavior.Mapping != natmodels.EndpointIndependent && e.traits.Latch:
		return errors.New("a port of RTCP that is kept towards the first destination, and an end that latches on to a second")
	}
	return nil
}

// rewrittenTwice: a public port was taken for an internal one. Where they are the same
// that opens the hole that media needs; otherwise it announces a port that leads to
// somebody who is not there.
func (e end) rewrittenTwice(what announcement) end {
	switch {
	case what == announcedRTCP && !e.traits.NamesRTCP: // as learned, and nothing is opened for it
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

// The ends of a cell write two or three addresses into a session description, and this as its
// last line. It says nothing new (RFC 8866 §6.7), so whoever does not read it is none the
// wiser.
const (
	describedAddresses = 2 // o= and c=, beside a=rtcp if there is one
	lastLine           = "a=sendrecv\r\n"
)

// grows is by how much the ALG lengthens a session description of the end and leaves the
// Content-Length as it was: 0 if it does not, less if it shortens it.
func (e end) grows() int {
	if e.alg == nil || !e.alg.StaleLength || e.traits.Address != Bound {
		return 0
	}
	at, addresses := cell.PlaceOf(e.side), describedAddresses
	if e.traits.NamesRTCP {
		addresses++
	}
	return addresses * (len(at.External.String()) - len(at.Inside.String()))
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
