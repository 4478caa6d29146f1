package flows

import (
	"context"
	"fmt"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// SessionTimer is a call that has to be refreshed (RFC 4028). Half of the interval is a long time
// without a word on the signalling path, and the refresh is a request that has to come in: where it
// does not, the call ends though both still talk. Its phones are silent.
var SessionTimer = add(Flow{
	Key: "session-timer", Order: 42,
	Help:   "both register, one calls the other, and the call has a session timer",
	Story:  "Both register; a calls b through the proxy; half of the session interval passes without a word on the signalling path, then one refreshes the session; who is not refreshed in time hangs up, and else one does.",
	Ends:   callEnds,
	With:   []string{cell.KeySession, cell.KeyRefresher, cell.KeyRefreshBy, cell.KeyKeepAlive, cell.KeyInterval, cell.KeyChange, cell.KeyWhen},
	Caller: cell.A,
	Unsure: func(_ cell.Cell, o cell.Outcome) string {
		if s, _ := o.Step(SessionRefreshResponse); s.Fate == cell.Lost && s.Cause.Rule == cell.RuleForeignVia {
			return "who gives a session up first, where the 200 to a refresh arrives and must be discarded"
		}
		return ""
	},
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B),
		after((*theory.Network).ChangedBefore, timed(calls(callEnds, cell.A), cell.A)),
		refreshes(callEnds, cell.A), outlives(callEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Before()
		p.Outlive(ctx, cell.A, "sip:b@"+cell.Domain)
	},
	Columns: []Column{
		{"REGISTER of a", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"REGISTER of b", []cell.Step{RegisterRequest(cell.B), RegisterResponse(cell.B)}},
		{"INVITE, 200", []cell.Step{Invite, FinalResponse}},
		{"ACK", []cell.Step{Ack}},
		{"refresh", []cell.Step{SessionRefresh, SessionRefreshResponse, SessionRefreshAck}},
		{"stays up", []cell.Step{SessionStaysUp}},
		{"BYE", []cell.Step{Bye}},
	},
})

// The steps of a refresh, and that nobody gives the session up.
var (
	SessionRefresh         = cell.Message("session refresh")
	SessionRefreshResponse = cell.Message("session refresh response")
	SessionRefreshAck      = cell.Message("session refresh ack")
	SessionStaysUp         = cell.Message("session stays up")
)

// sessionEarly is how long after its 200 whoever says BYE has given it up.
func sessionEarly(c cell.Cell) time.Duration { return c.Session.Time() - 10*time.Second }

// timed are the steps of a call that has a session timer.
func timed(calls []Step, caller cell.Side) []Step {
	for i := range calls {
		switch asks := calls[i].Asks; calls[i].Step {
		case FinalResponse:
			calls[i].Asks = func(n *theory.Network) theory.Answer {
				n.Rings(caller)
				return asks(n)
			}
		case Ack:
			calls[i].Asks = func(n *theory.Network) theory.Answer { return n.Timed(caller) }
		}
	}
	return calls
}

// refreshing is a way to refresh a session.
type refreshing struct {
	role   cell.Role
	by     cell.Side
	what   cell.RefreshBy
	method string
	nth    int // of the requests of the method that the end sends in the call
}

// ways are all of them.
func ways(caller cell.Side) []refreshing {
	return []refreshing{
		{cell.Caller, caller, cell.RefreshByInvite, "INVITE", 2},
		{cell.Callee, caller.Other(), cell.RefreshByInvite, "INVITE", 1},
		{cell.Caller, caller, cell.RefreshByUpdate, "UPDATE", 1},
		{cell.Callee, caller.Other(), cell.RefreshByUpdate, "UPDATE", 1},
	}
}

func (r refreshing) is(c cell.Cell) bool { return c.Refresher == r.role && c.RefreshBy == r.what }

// refreshes are the steps of the first refresh, in each way.
func refreshes(ends map[cell.Side]End, caller cell.Side) []Step {
	var all []Step
	for _, r := range ways(caller) {
		all = append(all, r.steps(ends)...)
	}
	return all
}

func (r refreshing) steps(ends map[cell.Side]End) []Step {
	from, to := ends[r.by].Box, ends[r.by.Other()].Box
	up := Need{Ack, "no call was established"}
	got := Need{SessionRefresh, fmt.Sprintf("the refresh never reached %s", to)}
	answered := Need{SessionRefreshResponse, fmt.Sprintf("the 200 to the refresh never reached %s", from)}
	all := []Step{
		{
			Step: SessionRefresh, Message: r.method, From: from, To: to, Match: wire.BeforeBye(wire.Nth(r.method, r.nth)), If: r.is,
			After: func(n *theory.Network) { n.RefreshDue(r.by) },
			Asks:  func(n *theory.Network) theory.Answer { return n.Refreshes(r.by, r.method) },
			Needs: []Need{up}, Only: true,
		},
		{
			Step: SessionRefreshResponse, Message: "200 to " + r.method, From: to, To: from, Match: wire.NthSuccess(r.method, r.nth), If: r.is,
			Asks:  func(n *theory.Network) theory.Answer { return n.Refreshed(r.by, r.method) },
			Needs: []Need{up, got}, Only: true,
		},
		{
			Step: SessionRefreshAck, Message: "ACK", From: from, To: to, Match: wire.NthAck(r.nth), If: r.is,
			Asks:  func(n *theory.Network) theory.Answer { return n.RefreshAcknowledged(r.by) },
			Needs: []Need{up, got, answered}, Only: true,
		},
	}
	if r.what == cell.RefreshByUpdate {
		all = all[:2]
	}
	return all
}

// failed is what of the refresh did not arrive, and why.
func (r refreshing) failed(ends map[cell.Side]End, t *wire.Tape) cell.Cause {
	for _, s := range r.steps(ends) {
		if fate, cause := t.Message(s.Message, s.From, s.To, s.Match, nil); fate != cell.Arrived {
			return cause
		}
	}
	return cell.Cause{Box: cell.BoxProxy, Rule: cell.RuleUnknown, Why: "the session was refreshed, and yet given up"}
}

// outlives are the steps of the rest of the call.
func outlives(ends map[cell.Side]End, caller cell.Side) []Step {
	callee := caller.Other()
	boxes := []string{ends[caller].Box, ends[callee].Box}
	up := []Need{{Ack, "no call was established"}}
	var all []Step
	for _, r := range ways(caller) {
		all = append(all, Step{
			Step: SessionStaysUp, Message: r.method, From: cell.BoxProxy, To: ends[r.by.Other()].Box, If: r.is,
			After: func(n *theory.Network) { n.Outlives(r.by, r.method) },
			Asks:  (*theory.Network).SessionStaysUp,
			Sees: func(c cell.Cell, t *wire.Tape) (cell.Fate, cell.Cause) {
				if _, after, ok := t.HungUp(boxes...); ok && after < sessionEarly(c) {
					return cell.Lost, r.failed(ends, t)
				}
				return cell.Arrived, cell.Cause{}
			},
			Needs: up, Only: true,
		})
	}
	for _, side := range []cell.Side{caller, callee} {
		all = append(all, Step{
			Step: Bye, Message: "BYE", From: ends[side].Box, To: ends[side.Other()].Box,
			If:   func(c cell.Cell) bool { return (c.Hangup == cell.Caller) == (side == caller) },
			Asks: func(n *theory.Network) theory.Answer { return n.SessionEnds(side) },
			Sees: func(_ cell.Cell, t *wire.Tape) (cell.Fate, cell.Cause) {
				from, to := ends[side].Box, ends[side.Other()].Box
				if by, _, ok := t.HungUp(boxes...); ok && by == to {
					from, to = to, from
				}
				return t.Message("BYE", from, to, wire.Request("BYE"), nil)
			},
			Needs: up, Only: true,
		})
	}
	return all
}

// Outlive lets an end call, and the call last until its session has been refreshed or given up.
func (p *Play) Outlive(ctx context.Context, caller cell.Side, target string) {
	call := p.call(ctx, caller, target)
	if call == nil {
		time.Sleep(theory.GivenUp) // the callee may have answered
		return
	}
	callee := caller.Other()
	if !p.awaitACK(callee) {
		time.Sleep(theory.GivenUp)
		return
	}
	lasts, calm := theory.SessionLasts(p.Cell.Session.Time()), cell.BeforeChange(p.Cell.Session.Time()/2)
	p.inCall(calm)
	time.Sleep(lasts - calm)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if p.Cell.Hangup == cell.Callee {
		p.note(callee, "hang up", p.Ends[callee].(stage.Hanger).Hangup(ctx))
	} else {
		p.note(caller, "hang up", call.Hangup(ctx))
	}
	time.Sleep(givingUp) // a BYE may be under way
}
