package flows

import (
	"context"
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// AttendedTransfer is a call that a hands on to somebody whom it has called before (RFC 5589 §7).
var AttendedTransfer = add(Flow{
	Key: "attended-transfer", Order: 65,
	Help:     "call two, and have one take the place of the call with the other",
	Story:    "All register; a calls b, then c, which has a public address, and transfers b to c: b calls c, which ends its call with a for it (Replaces), a hangs up, b and c talk, and one of them hangs up.",
	Ends:     transferEnds,
	Brief:    briefTalk,
	Caller:   cell.A,
	Consults: true,
	Talk:     [2]cell.Side{cell.B, cell.C},
	Steps: steps(registers(transferEnds, cell.A), registers(transferEnds, cell.B), registers(transferEnds, cell.C),
		firstLeg.steps(transferEnds), consults(), refers(established(firstLeg), established(consultLeg)), replaces(transfers()), reports(),
		transferLeg.talks(transferEnds, RTPBToC, RTPCToB, RTCPBToC, RTCPCToB), transferLeg.hangsUp(transferEnds)),
	Play: func(ctx context.Context, p *Play) {
		for _, side := range p.Flow.sides() {
			p.Register(ctx, side)
		}
		first := p.answered(ctx, cell.B)
		if first == nil {
			return
		}
		if consult := p.answered(ctx, cell.C); consult != nil {
			p.Transfer(ctx, first, func(ctx context.Context, t stage.Transferer) error { return t.TransferTo(ctx, consult) })
		}
	},
})

var (
	ConsultInvite = cell.Message("consult invite") // of a at c
	ConsultFinal  = cell.Message("consult final response")
	ConsultAck    = cell.Message("consult ack")
	ReplacedBye   = cell.Message("replaced bye") // of c at a: another call has the place of theirs
)

var consultLeg = begun(cell.A, 1, leg{invite: ConsultInvite, final: ConsultFinal, ack: ConsultAck, bye: ReplacedBye, caller: cell.A, callee: cell.C})

// consults are the steps of the call of a to c.
func consults() []Step {
	all := consultLeg.steps(transferEnds)
	all[0].Needs = []Need{established(firstLeg)}
	return all
}

// replaces puts the end of that call (RFC 3891 §3) after the INVITE that is in place of it.
func replaces(transfer []Step) []Step {
	bye := Step{
		Step: ReplacedBye, Message: "BYE", From: cell.BoxC, To: cell.BoxA, Match: consultLeg.match(wire.Request("BYE")),
		Asks:  func(n *theory.Network) theory.Answer { return n.InDialog(cell.A, "BYE") },
		Needs: []Need{{TransferInvite, "b never called it"}},
	}
	return slices.Insert(transfer, 1, bye)
}
