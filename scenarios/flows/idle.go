package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// IdleThenCalled is the phone that nobody wants for a while. Whether it can be called then is a
// matter of the mapping that its REGISTER made: of its timer, of what keeps it alive, and of what
// becomes of the NAT meanwhile.
var IdleThenCalled = add(Flow{
	Key: "idle-then-called", Order: 15,
	Help:    "register, do nothing for a while, then be called",
	Story:   "It registers; nobody wants anything of it for a while; then b, a public caller, calls it through the proxy, and one hangs up.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB},
	With:    []string{cell.KeyIdle, cell.KeyKeepAlive, cell.KeyPing, cell.KeyInterval, cell.KeyChange, cell.KeyElsewhere},
	Caller:  cell.B,
	Steps: steps(registers(registerEnds, cell.A), roamsIdle((*theory.Network).IdleAtFirst),
		after((*theory.Network).Idle, calls(registerEnds, cell.B)), hangsUp(registerEnds, cell.B)),
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
