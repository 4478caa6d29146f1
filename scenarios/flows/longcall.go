package flows

import (
	"context"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// LongCall is a call in which nobody hangs up early: who has not got the ACK gives it up, and what
// ends it later needs a mapping that is still there. Its phones are silent.
var LongCall = add(Flow{
	Key: "long-call", Order: 40,
	Help:   "both register, one calls the other, and the call lasts a while",
	Story:  "Both register; a calls b through the proxy; the call lasts a while without a word on the signalling path; one hangs up.",
	Ends:   callEnds,
	With:   []string{cell.KeyTalk, cell.KeyKeepAlive, cell.KeyInterval},
	Caller: cell.A,
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), insists(calls(callEnds, cell.A), cell.A),
		lasts(callEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Last(ctx, cell.A, "sip:b@"+cell.Domain)
	},
	Columns: []Column{
		{"REGISTER of a", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"REGISTER of b", []cell.Step{RegisterRequest(cell.B), RegisterResponse(cell.B)}},
		{"INVITE", []cell.Step{Invite}},
		{"200 to INVITE", []cell.Step{FinalResponse}},
		{"ACK", []cell.Step{Ack}},
		{"stays up", []cell.Step{StaysUp}},
		{"BYE", []cell.Step{Bye}},
	},
})

// StaysUp is that the callee does not give up a call that it has answered.
var StaysUp = cell.Message("stays up")

// insists are the steps of a call whose ends do not hang up before the ACK has arrived.
func insists(calls []Step, caller cell.Side) []Step {
	for i := range calls {
		if calls[i].Step == Ack {
			calls[i].Asks = func(n *theory.Network) theory.Answer { return n.Insists(caller) }
		}
	}
	return calls
}

// lasts are the steps of a call that lasts a while.
func lasts(ends map[cell.Side]End, caller cell.Side) []Step {
	callee, call := caller.Other(), only(caller)
	up := Step{
		Step: StaysUp, Message: "ACK", From: cell.BoxProxy, To: ends[callee].Box, Match: wire.StaysUp,
		After: (*theory.Network).Lasts,
		Asks:  func(n *theory.Network) theory.Answer { return n.StaysUp(callee) },
		Needs: []Need{call.noInvite(ends), call.noDialog(ends)},
	}
	all := []Step{up}
	for _, side := range []cell.Side{caller, callee} {
		s := call.ends(ends, side, side.Other(), nil)
		s.Asks = func(n *theory.Network) theory.Answer { return n.HangsUp(caller, side) }
		if side == callee { // without a dialog at the caller nobody waits for it to last
			s.After = (*theory.Network).LastsUnheard
		}
		all = append(all, s)
	}
	return all
}

// Last lets an end call, and the call last for as long as the cell says. Nobody who has no answer,
// or no ACK, is in a hurry.
func (p *Play) Last(ctx context.Context, caller cell.Side, target string) {
	call := p.call(ctx, caller, target)
	if call == nil {
		time.Sleep(theory.GivenUp) // the callee may have answered
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.Cell.Talk.Time()+patience)
	defer cancel()
	callee := caller.Other()
	if !p.awaitACK(callee) {
		time.Sleep(theory.GivenUp)
		if p.Cell.Hangup == cell.Caller && !p.Reached("BYE", p.Flow.Host(caller)) {
			p.note(caller, "hang up", call.Hangup(ctx))
		}
		return
	}
	time.Sleep(p.Cell.Talk.Time() + cell.BesideTheHour)
	if p.Cell.Hangup == cell.Callee {
		p.note(callee, "hang up", p.Ends[callee].(stage.Hanger).Hangup(ctx))
		return
	}
	p.note(caller, "hang up", call.Hangup(ctx))
}
