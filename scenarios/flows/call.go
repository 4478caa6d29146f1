package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// Call is a call between two registered ends.
var Call = add(Flow{
	Key: "call", Order: 20,
	Help:   "both register, one calls the other",
	Story:  "Both register; a calls b through the proxy, they talk, a hangs up.",
	Ends:   callEnds,
	With:   []string{cell.KeyChange, cell.KeyWhen, cell.KeyElsewhere},
	Caller: cell.A,
	Brief:  briefTalk,
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), roamsIdle(nil),
		after((*theory.Network).ChangedBefore, calls(callEnds, cell.A)), talksRoaming(callEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Before()
		p.Converse(ctx, cell.A, "sip:b@"+cell.Domain)
	},
})

var callEnds = map[cell.Side]End{cell.A: {Box: cell.BoxA}, cell.B: {Box: cell.BoxB}}
