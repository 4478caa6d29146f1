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
			Match: wire.Request("REGISTER"),
			Asks:  func(n *theory.Network) theory.Answer { return n.Registers(side) },
		},
		{
			Step: RegisterResponse(side), Message: "200 to REGISTER", From: cell.BoxProxy, To: host,
			Match: wire.Success("REGISTER"),
			Asks:  func(n *theory.Network) theory.Answer { return n.Registered(side, "200 to REGISTER") },
		},
	}
}

// calls are the steps that make a call by way of the proxy. They do not ask whether
// registration worked: a request that arrives creates the binding even if its response is
// lost.
func calls(ends map[cell.Side]End, caller cell.Side) []Step {
	from, to, callee := ends[caller].Box, ends[caller.Other()].Box, caller.Other()
	return []Step{
		{
			Step: Invite, Message: "INVITE", From: from, To: to, Match: wire.Request("INVITE"),
			Asks: func(n *theory.Network) theory.Answer {
				if a := n.Offers(caller, "INVITE"); a.Fate != cell.Arrived {
					return a
				}
				return n.Request(callee, "INVITE")
			},
		},
		{
			Step: FinalResponse, Message: "200 to INVITE", From: to, To: from, Match: wire.Success("INVITE"),
			Asks: func(n *theory.Network) theory.Answer {
				if a := n.Describes(callee, "200 to INVITE"); a.Fate != cell.Arrived {
					return a
				}
				return n.Response(caller, "200 to INVITE")
			},
			Needs: []Need{noInvite(to)},
		},
		{
			Step: Ack, Message: "ACK", From: from, To: to, Match: wire.Ack,
			Asks:  func(n *theory.Network) theory.Answer { return n.Acknowledged(callee) },
			Needs: []Need{noInvite(to), noDialog(from)},
		},
	}
}

// talks are the streams of an established call.
func talks(ends map[cell.Side]End) []Step {
	var all []Step
	for _, s := range []cell.Step{RTPAToB, RTPBToA, RTCPAToB, RTCPBToA} {
		all = append(all, Step{
			Step: s, Message: s.Part.Message(), From: ends[s.From].Box, To: ends[s.From.Other()].Box,
			Asks:  func(n *theory.Network) theory.Answer { return n.Stream(s.Part, s.From) },
			Needs: []Need{{Ack, "no call was established"}},
		})
	}
	return after((*theory.Network).Changed, all)
}

// hangsUp are the end of a call, by who the cell says.
func hangsUp(ends map[cell.Side]End, caller cell.Side) []Step {
	return []Step{bye(ends, caller, caller), bye(ends, caller, caller.Other())}
}

// bye is the end of a call by one of the two. A callee that gets no ACK gives up after a while,
// and says so too (RFC 3261 §13.3.1.4).
func bye(ends map[cell.Side]End, caller, side cell.Side) Step {
	from, to := ends[side].Box, ends[side.Other()].Box
	s := Step{
		Step: Bye, Message: "BYE", From: from, To: to, Match: wire.Request("BYE"),
		If:    func(c cell.Cell) bool { return (c.Hangup == cell.Caller) == (side == caller) },
		After: (*theory.Network).Talk,
		Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(side.Other(), "BYE") },
		Needs: []Need{noInvite(ends[caller.Other()].Box)},
	}
	if side == caller {
		s.Needs = append(s.Needs, noDialog(from))
	} else {
		s.After = (*theory.Network).TalkOrGiveUp
	}
	return s
}

func noInvite(callee string) Need {
	return Need{Invite, fmt.Sprintf("the INVITE never reached %s", callee)}
}

func noDialog(caller string) Need {
	return Need{FinalResponse, fmt.Sprintf("the 200 never reached %s, so there is no dialog (RFC 3261 §12.1)", caller)}
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
