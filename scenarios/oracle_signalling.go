package scenarios

import (
	"fmt"

	"github.com/natproof/natproof/natmodels"
)

// signalling predicts what happens to SIP messages. The proxy is public, has
// one address and one socket; each end uses one socket for all its SIP.
type signalling struct {
	cell Cell
	a, b end
}

// registration: a REGISTER always gets out, since a NAT opens for what comes
// from the inside. Its response is another matter.
func (p signalling) registration() []StepOutcome {
	steps := []StepOutcome{
		arrives(RegisterRequestA),
		p.outcome(RegisterResponseA, p.response(p.a, "200 to REGISTER")),
	}
	if p.cell.Flow == FlowCall {
		steps = append(steps,
			arrives(RegisterRequestB),
			p.outcome(RegisterResponseB, p.response(p.b, "200 to REGISTER")))
	}
	return steps
}

// call: INVITE, final response, ACK and BYE, in this order, and whether a
// dialog came to be. It does not ask whether registration worked: a request
// that arrives creates the binding even if its response is lost.
func (p signalling) call() (steps []StepOutcome, established bool) {
	caller, callee := p.a, p.b
	if p.cell.Caller() == B {
		caller, callee = p.b, p.a
	}
	invite := p.outcome(Invite, p.request(callee, "INVITE"))
	if invite.Fate == Lost {
		why := fmt.Sprintf("the INVITE never reached %s", callee.host)
		return []StepOutcome{invite,
			notSent(FinalResponse, callee, "200 to INVITE", why),
			notSent(Ack, caller, "ACK", why),
			notSent(Bye, caller, "BYE", why),
		}, false
	}
	final := p.outcome(FinalResponse, callee.incomplete("200 to INVITE"))
	if final.Fate == Arrived {
		final = p.outcome(FinalResponse, p.response(caller, "200 to INVITE"))
	}
	if final.Fate == Lost {
		why := fmt.Sprintf("the 200 never reached %s, so there is no dialog (RFC 3261 §12.1)", caller.host)
		return []StepOutcome{invite, final,
			notSent(Ack, caller, "ACK", why),
			notSent(Bye, caller, "BYE", why),
		}, false
	}
	ack := p.outcome(Ack, p.request(callee, "ACK"))
	bye := p.outcome(Bye, p.request(callee, "BYE"))
	return []StepOutcome{invite, final, ack, bye}, ack.Fate == Arrived
}

// response is why a response of the proxy does not reach the end, or is of no use to
// it, or zero.
func (p signalling) response(e end, message string) Cause {
	if c := p.responseWay(e, message); !c.IsZero() {
		return c
	}
	return e.foreignVia(message)
}

func (p signalling) responseWay(e end, message string) Cause {
	switch {
	case p.cell.Rport:
		// RFC 3581 §4: to the source of the request, from the socket it came to.
		return Cause{}
	case e.local && e.preserved:
		// RFC 3261 §18.2.2: to the received address and the port of the Via,
		// which happens to be the port outside.
		return Cause{}
	case e.local:
		return Cause{Box: e.nat, Rule: RuleNoMapping, Message: message, Why: fmt.Sprintf(
			"without rport the response goes to the port in the Via (RFC 3261 §18.2.2), the private %d; %s chose another port outside",
			SIPPort, e.nat)}
	}
	c := p.unreached(e, message)
	if !c.IsZero() {
		c.Why = "without rport the response goes to the port in the Via (RFC 3261 §18.2.2), the one the STUN server saw; " + c.Why
	}
	return c
}

// request is why a request that the proxy routes to the end does not reach it,
// or zero. Within a dialog it is as without: under RegistrarReceived the alias
// in the Contact does what the stored source does for a new request.
func (p signalling) request(e end, message string) Cause {
	switch {
	case p.cell.Registrar == RegistrarReceived:
		// To where the REGISTER, or the last message of the dialog, came from:
		// a mapping towards the proxy, which its own filter admits.
		return Cause{}
	case e.local:
		return Cause{Box: BoxInternet, Rule: RuleNoRoute, Message: message,
			Why: fmt.Sprintf("the Contact of %s is a private address (RFC 1918 §3) and the proxy routes to what it says (RFC 3261 §16.6)", e.host)}
	}
	c := p.unreached(e, message)
	if !c.IsZero() {
		c.Why = "the proxy routes to the Contact (RFC 3261 §16.6), the address the STUN server saw; " + c.Why
	}
	return c
}

// unreached is why the proxy does not get through to what the end announced, or zero.
func (p signalling) unreached(e end, message string) Cause {
	if e.nobody {
		return e.leadsNowhere(message)
	}
	return p.filtered(e, message)
}

// filtered is whether the end's NAT admits the proxy at the mapping that the
// STUN server saw. The mapping exists in any case; what matters is whether the
// end has sent to the proxy through it.
func (p signalling) filtered(e end, message string) Cause {
	switch {
	case e.filtering == natmodels.EndpointIndependent:
		return Cause{}
	case e.mapping == natmodels.EndpointIndependent:
		return Cause{} // one mapping for all: it sent the REGISTER too
	case e.scope == natmodels.PerEndpoint:
		return Cause{} // the endpoint has sent to the proxy, if through another mapping
	}
	return Cause{Box: e.nat, Rule: RuleFiltered, Message: message, Why: fmt.Sprintf(
		"%s: the mapping towards the STUN server is another than the one towards the proxy (RFC 4787 §4.1) and admits the STUN server only (§5)",
		e.says())}
}

func (p signalling) outcome(step Step, c Cause) StepOutcome {
	if c.IsZero() {
		return arrives(step)
	}
	return StepOutcome{Step: step, Fate: Lost, Cause: c}
}

func arrives(step Step) StepOutcome { return StepOutcome{Step: step, Fate: Arrived} }

func notSent(step Step, by end, message, why string) StepOutcome {
	return StepOutcome{Step: step, Fate: NotSent, Cause: Cause{Box: by.host, Rule: RuleNotSent, Message: message, Why: why}}
}
