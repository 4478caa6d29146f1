package flows

import (
	"context"
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// Reinvite is a re-INVITE at the other end, and what follows it.
func Reinvite(what string) cell.Step         { return cell.Message(what + " invite") }
func ReinviteResponse(what string) cell.Step { return cell.Message(what + " response") }
func ReinviteAck(what string) cell.Step      { return cell.Message(what + " ack") }

// reinvites are the steps of the n-th INVITE of a call, by the end that made it; before is the ACK of
// the one before.
func reinvites(ends map[cell.Side]End, by cell.Side, n int, what string, before cell.Step) []Step {
	from, to := ends[by].Box, ends[by.Other()].Box
	never := Need{before, "no call was established, or the change before it was not"}
	return []Step{
		{
			Step: Reinvite(what), Message: "INVITE", From: from, To: to, Match: wire.Nth("INVITE", n),
			Asks:  func(n *theory.Network) theory.Answer { return n.Reinvite(by) },
			Needs: []Need{never}, Only: true,
		},
		{
			Step: ReinviteResponse(what), Message: "200 to INVITE", From: to, To: from, Match: wire.NthSuccess("INVITE", n),
			Asks: func(n *theory.Network) theory.Answer {
				if a := n.Describes(by.Other(), "200 to INVITE"); a.Fate != cell.Arrived {
					return a
				}
				return n.Response(by, "200 to INVITE")
			},
			Needs: []Need{never, {Reinvite(what), fmt.Sprintf("the re-INVITE never reached %s", to)}}, Only: true,
		},
		{
			Step: ReinviteAck(what), Message: "ACK", From: from, To: to, Match: wire.NthAck(n),
			Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(by.Other(), "ACK") },
			Needs: []Need{never, {ReinviteResponse(what), fmt.Sprintf("the 200 to the re-INVITE never reached %s", from)}}, Only: true,
		},
	}
}

// thereafter are steps that mean something only after a re-INVITE.
func thereafter(ack cell.Step, list []Step) []Step {
	for i := range list {
		list[i].Needs = append(list[i].Needs, Need{ack, "the re-INVITE failed, and who would go on is another matter"})
		list[i].Only = true
	}
	return list
}

// hold and resume, or renew, a call.
const (
	hold   = "hold"
	resume = "resume"
	renew  = "renew"
)

// HoldResume is a call that is held for a while. The NAT may change meanwhile, which nobody notices.
var HoldResume = add(Flow{
	Key: "hold-resume", Order: 32,
	Help:   "a call that is held, and resumed",
	Story:  "Both register; a calls b through the proxy, holds the call by re-INVITE, resumes it by another, they talk, and one hangs up.",
	Ends:   callEnds,
	With:   []string{cell.KeyChange, cell.KeyWhen},
	Caller: cell.A, Longer: 2 * pause,
	Able: map[cell.Side][]string{cell.A: {stage.Reinvites}},
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), after((*theory.Network).ChangedBefore, calls(callEnds, cell.A)),
		after(func(n *theory.Network) { n.Passes(pause) }, reinvites(callEnds, cell.A, 2, hold, Ack)),
		after(func(n *theory.Network) { n.Held(pause) }, reinvites(callEnds, cell.A, 3, resume, ReinviteAck(hold))),
		thereafter(ReinviteAck(resume), steps(after(func(n *theory.Network) { n.Reinvited(cell.A) }, talks(callEnds)), hangsUp(callEnds, cell.A)))),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Before()
		p.HoldAndResume(ctx, cell.A, "sip:b@"+cell.Domain)
	},
})

// Renewed is a call of which an end asks anew for its addresses, after the NAT has changed them.
var Renewed = add(Flow{
	Key: "renew", Order: 34,
	Help:   "a call that is told of new addresses",
	Story:  "Both register; a calls b through the proxy, they talk, a asks anew for its addresses and tells b by re-INVITE, they talk, and one hangs up.",
	Ends:   callEnds,
	With:   []string{cell.KeyChange, cell.KeyWhen},
	Caller: cell.A, Longer: 2 * pause,
	Able: map[cell.Side][]string{cell.A: {stage.Reinvites}},
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), after((*theory.Network).ChangedBefore, calls(callEnds, cell.A)),
		after(func(n *theory.Network) { n.Renews(cell.A, pause) }, reinvites(callEnds, cell.A, 2, renew, Ack)),
		thereafter(ReinviteAck(renew), steps(after(func(n *theory.Network) { n.Reinvited(cell.A) }, talks(callEnds)), hangsUp(callEnds, cell.A)))),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Before()
		p.TalkAndRenew(ctx, cell.A, "sip:b@"+cell.Domain)
	},
})
