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

// The steps of transfers: a asks b to call c.
var (
	Refer         = cell.Message("refer")          // the REFER of a at b
	ReferResponse = cell.Message("refer response") // the 202 to it at a
	NotifyTrying  = cell.Message("notify trying")  // the first NOTIFY of b at a
	NotifyDone    = cell.Message("notify done")    // the NOTIFY at a that the call is made
	FirstBye      = cell.Message("first bye")      // the BYE of a at b, in the call that is no longer wanted

	// The call of b to c.
	TransferInvite = cell.Message("transfer invite")
	TransferFinal  = cell.Message("transfer final response")
	TransferAck    = cell.Message("transfer ack")

	RTPBToC  = cell.Stream("rtp b>c", cell.RTP, cell.B)
	RTPCToB  = cell.Stream("rtp c>b", cell.RTP, cell.C)
	RTCPBToC = cell.Stream("rtcp b>c", cell.RTCP, cell.B)
	RTCPCToB = cell.Stream("rtcp c>b", cell.RTCP, cell.C)
)

var transferEnds = map[cell.Side]End{cell.A: {Box: cell.BoxA}, cell.B: {Box: cell.BoxB}, cell.C: {Box: cell.BoxC, Says: "-"}}

// The calls of a transfer.
var (
	firstLeg    = begun(cell.A, 0, leg{invite: Invite, final: FinalResponse, ack: Ack, bye: FirstBye, caller: cell.A, callee: cell.B})
	transferLeg = begun(cell.B, 0, leg{invite: TransferInvite, final: TransferFinal, ack: TransferAck, bye: Bye, caller: cell.B, callee: cell.C})
)

// begun is a call that is one of those that somebody made.
func begun(caller cell.Side, call int, l leg) leg {
	l.of = func(m wire.Match) wire.Match { return wire.Of(transferEnds[caller].Box, call, m) }
	return l
}

// before is how long a call has lasted when it is transferred, or one that comes before is made.
const before = time.Second

// refers are the steps by which a asks b to call c, up to the first report. The calls must be
// established that it needs.
func refers(needs ...Need) []Step {
	of := firstLeg.match
	noRefer := Need{Refer, "it was asked for nothing"}
	return []Step{
		{
			Step: Refer, Message: "REFER", From: cell.BoxA, To: cell.BoxB, Match: of(wire.Request("REFER")),
			After: func(n *theory.Network) { n.Lapse(before) },
			Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(cell.B, "REFER") },
			Needs: needs,
		},
		{
			Step: ReferResponse, Message: "202 to REFER", From: cell.BoxB, To: cell.BoxA, Match: of(wire.Success("REFER")),
			Asks:  func(n *theory.Network) theory.Answer { return n.Response(cell.A, "202 to REFER") },
			Needs: []Need{noRefer},
		},
		{ // RFC 3515 §2.4.4
			Step: NotifyTrying, Message: "NOTIFY", From: cell.BoxB, To: cell.BoxA, Match: of(wire.Report(100)),
			Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(cell.A, "NOTIFY") },
			Needs: []Need{noRefer},
		},
	}
}

// transfers are the steps of the call that b was asked for.
func transfers() []Step {
	all := transferLeg.steps(transferEnds)
	all[0].Needs = []Need{{Refer, "it was asked for nothing"}}
	return all
}

// reports are the steps by which b tells that it has made the call, and a hangs up. Without that
// news a waits for a while, and does so too.
func reports() []Step {
	return []Step{
		{
			Step: NotifyDone, Message: "NOTIFY", From: cell.BoxB, To: cell.BoxA, Match: firstLeg.match(wire.Report(200)),
			Asks: func(n *theory.Network) theory.Answer { return n.InDialog(cell.A, "NOTIFY") },
			Needs: []Need{
				{NotifyTrying, "who does not answer one gets no more (RFC 6665 §4.2.2)"},
				{TransferFinal, "the call to c did not succeed"},
			},
		},
		{
			Step: FirstBye, Message: "BYE", From: cell.BoxA, To: cell.BoxB, Match: firstLeg.match(wire.Request("BYE")),
			Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(cell.B, "BYE") },
			Needs: []Need{firstLeg.noInvite(transferEnds), firstLeg.noDialog(transferEnds)},
		},
	}
}

// established is what a transfer needs of a call.
func established(l leg) Need {
	return Need{l.ack, fmt.Sprintf("%s has no call with %s", transferEnds[l.caller].Box, transferEnds[l.callee].Box)}
}

// transferPatience is more than it takes b to call c where a cannot be told of it: both NOTIFY
// and the re-INVITE that holds the call are given up after 64*T1 (RFC 3261 §17.1.1.2, §17.1.2.2).
const transferPatience = 100 * time.Second

// Transfer lets a hand its call with b on by a REFER, waits until b and c talk, and lets one of
// these hang up.
func (p *Play) Transfer(ctx context.Context, first stage.Call, refer func(context.Context, stage.Transferer) error) {
	x, ok := first.(stage.Transferer)
	if !ok {
		p.note(cell.A, "transfer", stage.ErrCannot)
		return
	}
	talking := p.Calls("ACK", cell.BoxC) + 1
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	time.Sleep(before)
	if err := refer(ctx, x); err != nil {
		p.note(cell.A, "transfer", err)
		_ = first.Hangup(ctx) // it is not over
	}
	time.Sleep(offBeat)
	reached := func() bool { return p.Calls("ACK", cell.BoxC) >= talking }
	for waited := time.Duration(0); waited < transferPatience && !reached(); waited += ackPoll {
		time.Sleep(ackPoll)
	}
	if !reached() {
		return
	}
	p.talk()
	side := cell.B
	if p.Cell.Hangup == cell.Callee {
		side = cell.C
	}
	p.note(side, "hang up", p.Ends[side].(stage.Hanger).Hangup(ctx))
}

// answered is a call of a that is established at both ends, or nil.
func (p *Play) answered(ctx context.Context, callee cell.Side) stage.Call {
	call := p.call(ctx, cell.A, "sip:"+string(callee)+"@"+cell.Domain)
	if call != nil && !p.awaitACK(callee) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		p.note(cell.A, "hang up", call.Hangup(ctx))
		return nil
	}
	return call
}
