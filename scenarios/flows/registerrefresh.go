package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// RegisterRefresh is the phone whose registration is short: its refreshes hold the mapping if they
// come more often than that ends, and register another one if not.
var RegisterRefresh = add(Flow{
	Key: "register-refresh", Order: 12,
	Help:    "register for a short time, refresh it for a while, then be called",
	Story:   "It registers for a short time and refreshes that; nobody wants anything of it for a while; then b, a public caller, calls it through the proxy, and one hangs up.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB},
	With:    []string{cell.KeyExpires, cell.KeyIdle, cell.KeyKeepAlive, cell.KeyInterval},
	Caller:  cell.B,
	Steps:   steps(registers(registerEnds, cell.A), after((*theory.Network).Idle, calls(registerEnds, cell.B)), hangsUp(registerEnds, cell.B)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Idle()
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
