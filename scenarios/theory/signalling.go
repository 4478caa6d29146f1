package theory

import (
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// SignallingTraits are what an end does about SIP.
type SignallingTraits struct {
	Rport bool // asks for responses to the source of the request (RFC 3581)
	// ChecksVia: a response whose Via is not the one it wrote is discarded (RFC 3261 §18.1.2).
	ChecksVia bool
}

// Response says whether a response that the proxy has reaches who asked, and is of use there.
func (n *Network) Response(to cell.Side, message string) Answer {
	return n.response(to, message, copies(false))
}

// Provisional is Response for one that nobody repeats (RFC 3261 §17.2.1).
func (n *Network) Provisional(to cell.Side, message string) Answer {
	return n.response(to, message, nil)
}

func (n *Network) response(to cell.Side, message string, again []time.Duration) Answer {
	e := n.end(to).announcing(announcedSIP)
	s, way := n.station(to), n.responseWay(e, message)
	if !s.decides(way) {
		return answer(way)
	}
	if c := n.foreignVia(e, message); !c.IsZero() && way.IsZero() {
		return answer(c)
	}
	at := s.last
	switch {
	case n.bySource(e):
	case e.traits.Address == Asked:
		at = s.asked
	case e.alg == nil: // to where it came from, and the port of the Via
		at.port = cell.SIPPort
	}
	// The request is repeated, and answered again (RFC 3261 §17.2.2); a 200 to INVITE is repeated
	// by itself (§13.3.1.4), but without a provisional response the INVITE is too (§17.1.1.2).
	requests := copies(message == "200 to INVITE")
	because := func(after time.Duration) {
		if slices.Contains(requests, after) && (message != "200 to INVITE" || !n.course.told) {
			n.course.sends(s)
		}
	}
	return n.arrives(s, at, message, again, because).because(way)
}

// Describes says whether a response with a session description, from an end, is one that the
// proxy can read, and Offers says it of a request.
func (n *Network) Describes(from cell.Side, message string) Answer {
	return answer(n.end(from).incomplete(message, "response is discarded"))
}

// Offers: see Describes.
func (n *Network) Offers(from cell.Side, message string) Answer {
	return answer(n.end(from).incomplete(message, "request is answered 400"))
}

func (n *Network) responseWay(e end, message string) cell.Cause {
	switch {
	case n.bySource(e):
		// RFC 3581 §4: to the source of the request, from the socket it came to.
		return cell.Cause{}
	case e.local && e.preserved:
		// RFC 3261 §18.2.2: to the received address and the port of the Via,
		// which happens to be the port outside.
		return cell.Cause{}
	case e.local:
		return cell.Cause{Box: e.nat, Rule: cell.RuleNoMapping, Message: message, Why: fmt.Sprintf(
			"without rport the response goes to the port in the Via (RFC 3261 §18.2.2), the private %d; %s chose another port outside",
			cell.SIPPort, e.nat)}
	}
	c := e.unreached(message)
	if !c.IsZero() {
		c.Why = "without rport the response goes to the port in the Via (RFC 3261 §18.2.2), the one the STUN server saw; " + c.Why
	}
	return c
}

// bySource says whether responses go to where the end's requests come from (RFC 3581).
func (n *Network) bySource(e end) bool { return n.rport && e.traits.Rport }

// Request says whether a request that the proxy routes to an end reaches what it announced
// or, under the policy received, where its REGISTER came from.
func (n *Network) Request(to cell.Side, message string) Answer {
	return n.request(to, message, false)
}

// InDialog is Request within a dialog. The alias in the Contact does for it what the stored source
// does for a new request.
func (n *Network) InDialog(to cell.Side, message string) Answer {
	return n.request(to, message, true)
}

func (n *Network) request(to cell.Side, message string, dialog bool) Answer {
	s, c := n.station(to), n.routed(n.end(to).announcing(announcedSIP), message)
	if !s.decides(c) {
		return answer(c)
	}
	return n.arrives(s, n.target(s, dialog), message, copies(message == "INVITE"), nil).because(c)
}

// decides says whether it is for the course of things to say if the proxy gets through, given why
// it would not if the end had just registered. A filter that does not admit it is of no account
// when the mapping has ended.
func (s *station) decides(c cell.Cause) bool {
	return c.IsZero() || (c.Rule == cell.RuleFiltered || c.Rule == cell.RuleNoMapping) && s.known && s.end.alg == nil
}

// because is the answer with the better reason of a cause that is the same.
func (a Answer) because(c cell.Cause) Answer {
	if a.Cause.Same(c) {
		a.Cause.Why = c.Why
	}
	return a
}

// routed is why what the proxy routes to an end that has just registered does not reach it, or
// zero.
func (n *Network) routed(e end, message string) cell.Cause {
	switch {
	case n.proxy == cell.RegistrarReceived:
		// To where the REGISTER, or the last message of the dialog, came from:
		// a mapping towards the proxy, which its own filter admits.
		return cell.Cause{}
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

// unreached is why the proxy does not get through to what the end announced, or zero.
func (e end) unreached(message string) cell.Cause {
	if e.nobody {
		return e.leadsNowhere(message)
	}
	return e.filtered(message)
}

// filtered is whether the end's NAT admits the proxy at the mapping that the
// STUN server saw. The mapping exists in any case; what matters is whether the
// end has sent to the proxy through it.
func (e end) filtered(message string) cell.Cause {
	switch {
	case e.filtering == natmodels.EndpointIndependent:
		return cell.Cause{}
	case e.mapping == natmodels.EndpointIndependent:
		return cell.Cause{} // one mapping for all: it sent the REGISTER too
	case e.scope == natmodels.PerEndpoint:
		return cell.Cause{} // the endpoint has sent to the proxy, if through another mapping
	}
	return cell.Cause{Box: e.nat, Rule: cell.RuleFiltered, Message: message, Why: fmt.Sprintf(
		"%s: the mapping towards the STUN server is another than the one towards the proxy (RFC 4787 §4.1) and admits the STUN server only (§5)",
		e.says())}
}
