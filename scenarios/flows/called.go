package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// Called is the call the other way round: b calls a.
var Called = add(Flow{
	Key: "called", Order: 25,
	Help:   "both register, the other calls the one",
	Story:  "Both register; b calls a through the proxy, they talk, and one hangs up.",
	Ends:   callEnds,
	With:   []string{cell.KeyChange, cell.KeyWhen, cell.KeyElsewhere},
	Caller: cell.B,
	Brief:  briefTalk,
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), roamsIdle(nil),
		after((*theory.Network).ChangedBefore, calls(callEnds, cell.B)), talksRoaming(callEnds, cell.B)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Before()
		p.Converse(ctx, cell.B, "sip:a@"+cell.Domain)
	},
})
