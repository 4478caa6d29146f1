package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
)

// Register is signalling alone: both ends are silent.
var Register = add(Flow{
	Key: "register", Order: 10,
	Help:    "register, then be called",
	Story:   "It registers; then b, a public caller, calls it through the proxy and hangs up.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB},
	Caller:  cell.B,
	Steps:   steps(registers(registerEnds, cell.A), calls(registerEnds, cell.B), hangsUp(registerEnds, cell.B)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Converse(ctx, cell.B, "sip:a@"+cell.Domain)
	},
	Columns: []Column{
		{"register response", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"incoming INVITE", []cell.Step{Invite}},
		{"200 to INVITE", []cell.Step{FinalResponse}},
		{"ACK", []cell.Step{Ack}},
		{"BYE", []cell.Step{Bye}},
	},
})

var registerEnds = map[cell.Side]End{cell.A: {Box: cell.BoxA}, cell.B: {Box: cell.BoxB, Says: "-"}}
