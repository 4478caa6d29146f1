package theory

import (
	"fmt"

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
	e := n.end(to).announcing(announcedSIP)
	if c := n.responseWay(e, message); !c.IsZero() {
		return answer(c)
	}
	return answer(n.foreignVia(e, message))
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
// or, under the policy received, where its REGISTER came from. Within a dialog it is as
// without: the alias in the Contact does what the stored source does for a new request.
func (n *Network) Request(to cell.Side, message string) Answer {
	e := n.end(to).announcing(announcedSIP)
	switch {
	case n.proxy == cell.RegistrarReceived:
		// To where the REGISTER, or the last message of the dialog, came from:
		// a mapping towards the proxy, which its own filter admits.
		return Arrives()
	case e.local:
		return answer(cell.Cause{Box: cell.BoxInternet, Rule: cell.RuleNoRoute, Message: message,
			Why: fmt.Sprintf("the Contact of %s is a private address (RFC 1918 §3) and the proxy routes to what it says (RFC 3261 §16.6)", e.host)})
	}
	c := e.unreached(message)
	if !c.IsZero() {
		c.Why = "the proxy routes to the Contact (RFC 3261 §16.6), the address the STUN server saw; " + c.Why
	}
	return answer(c)
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
