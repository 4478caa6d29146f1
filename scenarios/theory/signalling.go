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
	// Learns: where the 200 to its REGISTER shows another address than its own (RFC 3581 §4), it registers
	// that as well, and has it in the Contacts of its dialogs.
	Learns bool
}

// Response says whether a response that the proxy has reaches who asked, and is of use there. It is
// repeated.
func (n *Network) Response(to cell.Side, message string) Answer {
	c, s := n.course, n.station(to)
	c.says(c.socket(), true)
	invited := message == "200 to INVITE"
	if invited {
		c.parted = c.now
	}
	a, lost := n.response(s, message, nil), true
	if a.Fate == cell.Arrived {
		return a
	}
	for _, after := range copies(invited) { // the request is repeated too: nothing that is sent back gets in
		c.once(c.now+after, func() {
			if lost && !(invited && (c.told || c.rung)) { // a provisional response ends that of an INVITE (RFC 3261 §17.1.1.2)
				s.line.out(s.spoke, c.now)
			}
		})
	}
	a = n.response(s, message, copies(false))
	lost = a.Fate == cell.Lost
	return a
}

// Provisional is Response for one that nobody repeats (RFC 3261 §17.2.1).
func (n *Network) Provisional(to cell.Side, message string) Answer {
	return n.response(n.station(to), message, nil)
}

func (n *Network) response(s *station, message string, again []time.Duration) Answer {
	e := s.end.announcing(announcedSIP)
	way := n.responseWay(e, message)
	if !s.decides(way) {
		return answer(way)
	}
	if c := n.foreignVia(e, message); !c.IsZero() && way.IsZero() {
		return answer(c)
	}
	return n.arrives(s, n.back(s), s.spoke, message, again).because(way)
}

// back is where the response to the last request of an end is sent.
func (n *Network) back(s *station) endpoint {
	at := s.last
	switch {
	case n.bySource(*s.end): // RFC 3581 §4
	case s.end.traits.Address == Asked: // RFC 3261 §18.2.2: the address that it comes from, but the port of the Via
		at.port = s.asked.port
	case s.end.alg == nil:
		at.port = cell.SIPPort
	}
	return at
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
// or where its REGISTER came from, as the policy of the proxy has it.
func (n *Network) Request(to cell.Side, message string) Answer {
	return n.request(to, message, false, copies(message == "INVITE"))
}

// InDialog is Request within a dialog. The alias in the Contact does for it what the stored source
// does for a new request.
func (n *Network) InDialog(to cell.Side, message string) Answer {
	return n.request(to, message, true, copies(message == "INVITE"))
}

// contactless are requests within a dialog that have no Contact (RFC 3261 §20, table 2; RFC 3262
// §5, RFC 6086 §6).
var contactless = []string{"ACK", "BYE", "CANCEL", "PRACK", "INFO", "MESSAGE"}

func (n *Network) request(to cell.Side, message string, dialog bool, again []time.Duration) Answer {
	s, from := n.station(to), atProxy
	if dialog {
		from = n.course.socket()
	}
	n.course.says(from, !dialog || !slices.Contains(contactless, message))
	if n.course.unlucky && !dialog {
		again = nil
	}
	if c := n.unbound(s, message); !dialog && !c.IsZero() {
		return answer(c)
	}
	c := n.routed(n.end(to).announcing(announcedSIP), message, n.way(n.end(to), dialog))
	if !s.decides(c) {
		return answer(c)
	}
	from = n.leaves(s, dialog)
	a := n.arrives(s, n.target(s, dialog), from, message, again).because(c)
	if s.end.traits.Learns {
		a.Copy = 0 // others go to what it had registered before, if it has left that
	}
	return a
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
