package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// BlindTransfer is a call that a hands on to somebody whom it has not asked (RFC 5589 §6).
var BlindTransfer = add(Flow{
	Key: "blind-transfer", Order: 60,
	Help:   "call, and have the other end call a third",
	Story:  "All register; a calls b and transfers it to c, which has a public address: b calls c, a hangs up, b and c talk, and one of them hangs up.",
	Ends:   transferEnds,
	Brief:  briefTalk,
	Caller: cell.A,
	Talk:   [2]cell.Side{cell.B, cell.C},
	Steps: steps(registers(transferEnds, cell.A), registers(transferEnds, cell.B), registers(transferEnds, cell.C),
		firstLeg.steps(transferEnds), refers(established(firstLeg)), transfers(), reports(),
		transferLeg.talks(transferEnds, RTPBToC, RTPCToB, RTCPBToC, RTCPCToB), transferLeg.hangsUp(transferEnds)),
	Play: func(ctx context.Context, p *Play) {
		for _, side := range p.Flow.sides() {
			p.Register(ctx, side)
		}
		if call := p.answered(ctx, cell.B); call != nil {
			p.Transfer(ctx, call, func(ctx context.Context, t stage.Transferer) error { return t.Transfer(ctx, "sip:c@"+cell.Domain) })
		}
	},
})
