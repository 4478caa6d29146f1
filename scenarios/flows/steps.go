package flows

import (
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// The steps of more than one flow.
var (
	Invite        = cell.Message("invite")         // INVITE at the callee
	FinalResponse = cell.Message("final response") // the callee's 2xx at the caller
	Ack           = cell.Message("ack")            // the caller's ACK at the callee
	Bye           = cell.Message("bye")            // the caller's BYE at the callee

	// A steady stream of media from one end at the other's receiver.
	RTPAToB  = cell.Stream("rtp a>b", cell.RTP, cell.A)
	RTPBToA  = cell.Stream("rtp b>a", cell.RTP, cell.B)
	RTCPAToB = cell.Stream("rtcp a>b", cell.RTCP, cell.A)
	RTCPBToA = cell.Stream("rtcp b>a", cell.RTCP, cell.B)
)

// RegisterRequest is the REGISTER of an end at the proxy, RegisterResponse the 200 to it at
// that end.
func RegisterRequest(side cell.Side) cell.Step {
	return cell.Step{Name: "register request " + string(side), Part: cell.Registration}
}

func RegisterResponse(side cell.Side) cell.Step {
	return cell.Step{Name: "register response " + string(side), Part: cell.Registration}
}

// registers are the steps of a registration. A REGISTER always gets out, since a NAT opens
// for what comes from the inside. Its response is another matter.
func registers(ends map[cell.Side]End, side cell.Side) []Step {
	host := ends[side].Box
	return []Step{
		{
			Step: RegisterRequest(side), Message: "REGISTER", From: host, To: cell.BoxProxy,
			Match: wire.Settled(cell.BoxElsewhere, wire.Request("REGISTER")),
			Asks:  func(n *theory.Network) theory.Answer { return n.Registers(side) },
		},
		{
			Step: RegisterResponse(side), Message: "200 to REGISTER", From: cell.BoxProxy, To: host,
			Match: wire.Settled(cell.BoxElsewhere, wire.Success("REGISTER")),
			Asks:  func(n *theory.Network) theory.Answer { return n.Registered(side, "200 to REGISTER") },
		},
	}
}

// calls are the steps that make a call by way of the proxy. They do not ask whether
// registration worked: a request that arrives creates the binding even if its response is
// lost.
func calls(ends map[cell.Side]End, caller cell.Side) []Step {
	return only(caller).steps(ends)
}

// leg is one call of a flow: its steps, who calls whom, and which of all calls it is.
type leg struct {
	invite, final, ack, bye cell.Step
	caller, callee          cell.Side
	of                      func(wire.Match) wire.Match // nil: there is no other
}

// only is the call of a flow that has one.
func only(caller cell.Side) leg {
	return leg{invite: Invite, final: FinalResponse, ack: Ack, bye: Bye, caller: caller, callee: caller.Other()}
}

func (l leg) match(m wire.Match) wire.Match {
	if l.of == nil {
		return m
	}
	return l.of(m)
}

func (l leg) noInvite(ends map[cell.Side]End) Need {
	return Need{l.invite, fmt.Sprintf("the INVITE never reached %s", ends[l.callee].Box)}
}

func (l leg) noDialog(ends map[cell.Side]End) Need {
	return Need{l.final, fmt.Sprintf("the 200 never reached %s, so there is no dialog (RFC 3261 §12.1)", ends[l.caller].Box)}
}

func (l leg) steps(ends map[cell.Side]End) []Step {
	caller, callee := l.caller, l.callee
	from, to := ends[caller].Box, ends[callee].Box
	return []Step{
		{
			Step: l.invite, Message: "INVITE", From: from, To: to, Match: l.match(wire.Request("INVITE")),
			Asks: func(n *theory.Network) theory.Answer {
				if a := n.Offers(caller, "INVITE"); a.Fate != cell.Arrived {
					return a
				}
				return n.Request(callee, "INVITE")
			},
		},
		{
			Step: l.final, Message: "200 to INVITE", From: to, To: from, Match: l.match(wire.Success("INVITE")),
			After: func(n *theory.Network) { n.RingsBefore(caller) },
			Asks: func(n *theory.Network) theory.Answer {
				if a := n.Describes(callee, "200 to INVITE"); a.Fate != cell.Arrived {
					return a
				}
				return n.Response(caller, "200 to INVITE")
			},
			Needs: []Need{l.noInvite(ends)},
		},
		{
			Step: l.ack, Message: "ACK", From: from, To: to, Match: l.match(wire.Ack),
			Asks:  func(n *theory.Network) theory.Answer { return n.Acknowledged(callee) },
			Needs: []Need{l.noInvite(ends), l.noDialog(ends)},
		},
	}
}

// talks are the streams of an established call.
func talks(ends map[cell.Side]End) []Step {
	return only(cell.A).talks(ends, RTPAToB, RTPBToA, RTCPAToB, RTCPBToA)
}

func (l leg) talks(ends map[cell.Side]End, streams ...cell.Step) []Step {
	var all []Step
	for _, s := range streams {
		to := l.callee
		if s.From == to {
			to = l.caller
		}
		all = append(all, Step{
			Step: s, Message: s.Part.Message(), From: ends[s.From].Box, To: ends[to].Box,
			Asks:  func(n *theory.Network) theory.Answer { return n.StreamTo(s.Part, s.From, to) },
			Needs: []Need{{l.ack, "no call was established"}},
		})
	}
	return after((*theory.Network).Changed, all)
}

// hangsUp are the end of a call, by who the cell says.
func hangsUp(ends map[cell.Side]End, caller cell.Side) []Step {
	return only(caller).hangsUp(ends)
}

func (l leg) hangsUp(ends map[cell.Side]End) []Step {
	return []Step{
		l.ends(ends, l.caller, l.callee, (*theory.Network).Talk),
		l.ends(ends, l.callee, l.caller, (*theory.Network).TalkOrGiveUp),
	}
}

// ends is the BYE of one of the two, where it is the one who hangs up. A callee that gets no ACK
// gives up after a while, and says so too (RFC 3261 §13.3.1.4).
func (l leg) ends(ends map[cell.Side]End, side, other cell.Side, talk func(*theory.Network)) Step {
	s := Step{
		Step: l.bye, Message: "BYE", From: ends[side].Box, To: ends[other].Box, Match: l.match(wire.Request("BYE")),
		If:    func(c cell.Cell) bool { return (c.Hangup == cell.Caller) == (side == l.caller) },
		After: talk,
		Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(other, "BYE") },
		Needs: []Need{l.noInvite(ends)},
	}
	if side == l.caller {
		s.Needs = append(s.Needs, l.noDialog(ends))
	}
	return s
}

// after is a list of steps before which something passes.
func after(passes func(*theory.Network), list []Step) []Step {
	list[0].After = passes
	return list
}

// steps puts lists of steps together.
func steps(lists ...[]Step) []Step {
	var all []Step
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
