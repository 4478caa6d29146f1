package theory

import (
	"errors"
	"fmt"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// MediaTraits are what an end does about RTP and RTCP. RTCP it sends, also about media that it only
// gets (RFC 3550 §6.4), unless NoRTCP says otherwise.
type MediaTraits struct {
	// Media is how it knows the addresses in its session descriptions.
	Media  MediaAddress
	Latch  bool        // sends media to where media came from (RFC 7362)
	Policy LatchPolicy // and when, if it does
	Strict bool        // drops media that is not from the signalled source
	Silent bool        // sends no RTP, and opens no hole for it
	// NamesRTCP: its session descriptions write a=rtcp with the address (RFC 3605), also where
	// that says nothing new, so that an ALG can rewrite it. Others take the port above that of RTP.
	NamesRTCP bool
	// HearsEarly: as a caller it begins its media with the session description of a provisional
	// response. Others do so with that of the 200.
	HearsEarly bool
	// NoRTCP: it sends no reports, and opens no hole for them.
	NoRTCP bool
}

// MediaAddress is how an end knows the addresses of its media.
type MediaAddress uint8

const (
	// AsSIP: as it knows that of SIP ([Traits.Address]).
	AsSIP MediaAddress = iota
	// MediaBound and MediaAsked are Bound and Asked of phones that know that of SIP otherwise.
	MediaBound
	MediaAsked
)

// described is the end as its session descriptions show it.
func (e end) described() end {
	switch e.traits.Media {
	case MediaBound:
		e.traits.Address, e.local = Bound, len(e.gates) > 0
	case MediaAsked:
		e.traits.Address, e.local = Asked, false
	}
	return e
}

// coveredDescriptions refuses addresses of two kinds where more is made of them than to be sent to.
func coveredDescriptions(cfg Config, e End) error {
	switch {
	case e.Traits.Media == AsSIP:
		return nil
	case cfg.ALG != nil:
		return errors.New("SIP and media with addresses of two kinds, beside an ALG")
	case cfg.Watched:
		return errors.New("SIP and media with addresses of two kinds, in a call in which something happens to media")
	case e.Traits.Address == Forwarded || cfg.Forwards:
		return errors.New("SIP and media with addresses of two kinds, beside port forwards")
	}
	return nil
}

// asks says whether the end asks a STUN server for any of its addresses.
func (t Traits) asks() bool { return t.Address == Asked || t.Media == MediaAsked }

// LatchPolicy is when an end that latches does so.
type LatchPolicy uint8

const (
	LatchAlways      LatchPolicy = iota
	LatchOnce                    // at the first packet, and the first after a description
	LatchWindow                  // for a while after the beginning, and after a description
	LatchSameAddress             // from other ports of the signalled address alone
)

// stream predicts one kind of packet, RTP or RTCP, between the two ends. Each
// end uses one socket, announced the address that its traits say: bound, forwarded, or learned
// from a STUN server that is neither the peer nor the proxy. It sends all the time to what the other
// announced. What counts is the steady state: a first packet that was dropped is
// simply repeated, so it does not matter who begins.
type stream struct {
	message string
	rtcp    bool
}

// Stream says whether RTP or RTCP from an end is received by the other one. RTCP has a socket
// and an announced address of its own, so it fares as RTP does, except that an end that
// sends no media still reports (RFC 3550 §6.4).
func (n *Network) Stream(part cell.Part, from cell.Side) Answer {
	return n.StreamTo(part, from, from.Other())
}

// StreamTo is Stream between any two ends.
func (n *Network) StreamTo(part cell.Part, from, to cell.Side) Answer {
	if n.course.talks != nil {
		return n.streams(part, from)
	}
	s, what := stream{message: "RTP"}, announcedRTP
	if part == cell.Keys {
		s.message = part.Message()
	}
	if part == cell.RTCP {
		s, what = stream{message: "RTCP", rtcp: true}, announcedRTCP
	}
	x, y := n.end(from).announcing(what), n.end(to).announcing(what)
	if shared, ok := shared(x, y); ok {
		return s.within(shared, x, y)
	}
	if from == n.caller {
		x = s.met(x, y)
	} else {
		y = s.met(y, x)
	}
	return s.predict(x, y)
}

// Tells is the answer to whether a description of the callee's media has reached the caller.
func (n *Network) Tells(a Answer) Answer {
	n.course.told = a.Fate == cell.Arrived
	return a
}

// Early is Stream while it rings at the callee, who sends already. The caller does so too if it has
// been told where to, and is one that begins so early. Else its NAT admits who may come unasked.
func (n *Network) Early(from cell.Side) Answer {
	told := n.course.told
	s, caller, callee := stream{message: "RTP"}, n.end(n.caller).announcing(announcedRTP), n.end(n.caller.Other()).announcing(announcedRTP)
	switch begins := told && caller.traits.HearsEarly; {
	case begins:
		return n.Stream(cell.RTP, from)
	case from == n.caller && told:
		return NotSent(caller.host, s.message, "it begins its media with the 200 (RFC 3261 §13.2.1)")
	case from == n.caller:
		return NotSent(caller.host, s.message, fmt.Sprintf("it has not been told where %s wants media", callee.host))
	}
	caller.traits.Silent = true
	caller.traits.Strict = false // it has not been told of a source yet
	if d, ok := shared(caller, callee); ok {
		return s.within(d, callee, caller)
	}
	return s.predict(callee, caller)
}

// silent says whether the end sends none.
func (s stream) silent(e end) bool {
	if s.rtcp {
		return e.traits.NoRTCP
	}
	return e.traits.Silent
}

// met is what becomes of the caller when the callee, who has both descriptions first,
// sends before the caller does. A NAT that keeps an entry of its own for what comes
// unasked does not give the port away again towards the same remote endpoint: what the
// caller sends there leaves from another port, as with address- and port-dependent mapping.
func (s stream) met(caller, callee end) end {
	if caller.open && !caller.local && !s.silent(callee) && callee.mapping == natmodels.EndpointIndependent {
		caller.early, caller.mapping, caller.scope = true, natmodels.AddressAndPortDependent, natmodels.PerMapping
	}
	return caller
}

// predict says whether what x sends is received by y.
func (s stream) predict(x, y end) Answer {
	if s.silent(x) {
		return NotSent(x.host, s.message, "it is silent")
	}
	cause := s.announced(x, y)
	if cause.IsZero() {
		return Arrives()
	}
	if x.traits.Latch && cause.Rule != cell.RuleStrict {
		if s.learned(x, y) {
			cause = s.strictCheck(x, y)
		} else {
			cause.Why += "; " + s.whyNotLearned(x, y)
		}
	}
	return answer(cause)
}

// announced is why y does not accept what x sends to y's announced address, or
// zero. It is the rule "plain" with the strict check:
//
//	scope mapping:  fY=EI or (mY=EI and (fY=AD or mX=EI))
//	scope endpoint: fY=EI or fY=AD or mX=EI
//	y silent:       fY=EI
func (s stream) announced(x, y end) cell.Cause {
	if y.local {
		return cell.Cause{Box: cell.BoxInternet, Rule: cell.RuleNoRoute, Message: s.message,
			Why: fmt.Sprintf("%s announced a private address (RFC 1918 §3)", y.host)}
	}
	if y.nobody {
		return y.leadsNowhere(s.message)
	}
	if y.unmapped {
		return cell.Cause{Box: y.nat, Rule: cell.RuleNoMapping, Message: s.message, Why: fmt.Sprintf(
			"%s names no port for RTCP, so it is the one above that of RTP (RFC 3550 §11); the SIP ALG of %s opened that of RTP alone, and %s gave RTCP another one",
			y.host, y.nat, y.nat)}
	}
	if c := s.refusal(x, y); !c.IsZero() {
		return c
	}
	return s.strictCheck(x, y)
}

// refusal is why one of y's NATs, the outermost first, does not admit x at the announced address,
// or zero.
func (s stream) refusal(x, y end) cell.Cause {
	if len(y.gates) < 2 {
		return s.refusalOf(x, y)
	}
	for _, d := range slices.Backward(y.gates) {
		if c := s.refusalOf(x, y.behind(d)); !c.IsZero() {
			return c
		}
	}
	return cell.Cause{}
}

// refusalOf is why y's NAT does not admit x at the announced address, or zero.
func (s stream) refusalOf(x, y end) cell.Cause {
	c := cell.Cause{Box: y.nat, Rule: cell.RuleFiltered, Message: s.message}
	if y.expected || y.open {
		c.Rule = cell.RuleNoMapping // what is expected has no mapping until it comes
	}
	behaves := y.says() + ": "
	switch {
	case y.filtering == natmodels.EndpointIndependent:
		return cell.Cause{}
	case s.silent(y):
		c.Why = behaves + fmt.Sprintf("%s is silent, so its mapping admits %s only (RFC 4787 §5)", y.host, y.contacted)
	case y.early:
		c.Why = fmt.Sprintf("the packets of %s came before %s had sent any: %s took them for its own, and %s sends from another port than the announced one", x.host, y.host, y.nat, y.host)
	case x.local:
		c.Rule = cell.RuleFiltered
		c.Why = behaves + fmt.Sprintf("%s sends to the private address that %s announced, so its mapping admits that one and not the public one (RFC 4787 §5)", y.host, x.host)
	case y.scope == natmodels.PerMapping && y.mapping != natmodels.EndpointIndependent:
		c.Why = behaves + fmt.Sprintf("%s sends to %s through another mapping than the announced one (RFC 4787 §4.1), which admits %s only (§5)", y.host, x.host, y.contacted)
	case y.filtering == natmodels.AddressDependent, x.mapping == natmodels.EndpointIndependent:
		return cell.Cause{}
	default: // it sends through the announced mapping
		if !y.open {
			c.Rule = cell.RuleFiltered
		}
		c.Why = behaves + fmt.Sprintf("it admits the port %s announced (RFC 4787 §5), but %s's %s mapping sends to %s from a new one (§4.1)",
			x.host, x.nat, x.mapping, y.host)
	}
	return c
}

// strictCheck is why a strict y drops what reaches it from x, or zero: x must
// be seen at the address it announced.
func (s stream) strictCheck(x, y end) cell.Cause {
	if !y.traits.Strict || !x.local && !x.internal && x.mapping == natmodels.EndpointIndependent {
		return cell.Cause{}
	}
	why := fmt.Sprintf("%s's %s mapping sends from another port than the announced one (RFC 4787 §4.1)", x.nat, x.mapping)
	switch {
	case x.local:
		why = fmt.Sprintf("%s announced a private address and is seen at a public one", x.host)
	case x.internal:
		why = fmt.Sprintf("%s announced a public address and is seen at a private one, since %s hairpins with the internal source (RFC 4787 §6, REQ-9a)", x.host, x.nat)
	}
	return cell.Cause{Box: y.host, Rule: cell.RuleStrict, Message: s.message, Why: why}
}

// learned says whether x, latching (RFC 7362 §4), hears y and then gets through
// to where it heard y: y's mapping towards the address x announced. Its filter
// admits that address, so x must still be seen there if ports matter.
func (s stream) learned(x, y end) bool {
	if x.traits.Policy == LatchSameAddress && (y.local || y.internal) { // it hears another address than the signalled one
		return false
	}
	if x.internal { // it hears the private address, and sends there without a NAT
		return s.hears(x, y)
	}
	for _, d := range y.gates[:max(0, len(y.gates)-1)] {
		if d.behavior.Filtering == natmodels.AddressAndPortDependent && x.mapping != natmodels.EndpointIndependent {
			return false
		}
	}
	return s.hears(x, y) &&
		(y.filtering != natmodels.AddressAndPortDependent || x.mapping == natmodels.EndpointIndependent)
}

// hears says whether x accepts what y sends to x's announced address.
func (s stream) hears(x, y end) bool {
	return !s.silent(y) && s.announced(y, x).IsZero()
}

func (s stream) whyNotLearned(x, y end) string {
	if !s.hears(x, y) {
		return fmt.Sprintf("%s latches but accepts nothing from %s to latch on to (RFC 7362 §4)", x.host, y.host)
	}
	if x.traits.Policy == LatchSameAddress && (y.local || y.internal) {
		return fmt.Sprintf("%s latches on to other ports of the signalled address only, and %s is seen at another address", x.host, y.host)
	}
	return fmt.Sprintf("latching (RFC 7362 §4) does not help: where %s hears %s the filter wants the announced port of %s too", x.host, y.host, x.host)
}
