package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// PCToPhone is a call to a telephone: b is the PSTN gateway, which has a public address.
// Latch, strict and silent of b are the gateway's.
var PCToPhone = add(Flow{
	Key: "pc-to-phone", Order: 30,
	Help:    "register, then call a telephone through the PSTN gateway",
	Story:   "It registers and calls a telephone number; the gateway has a public address; a hangs up.",
	Ends:    phoneEnds,
	Without: []string{cell.KeyB},
	With:    []string{cell.KeyChange, cell.KeyWhen},
	Caller:  cell.A,
	Brief:   briefTalk,
	Steps:   steps(registers(phoneEnds, cell.A), after((*theory.Network).ChangedBefore, calls(phoneEnds, cell.A)), talks(phoneEnds), hangsUp(phoneEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Before()
		p.Converse(ctx, cell.A, toPhone)
	},
	Columns: phoneColumns(),
})

var phoneEnds = map[cell.Side]End{cell.A: {Box: cell.BoxA}, cell.B: {Box: cell.BoxGateway, Says: "-"}}
