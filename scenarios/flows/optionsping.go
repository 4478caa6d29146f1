package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// The question what a can do, and the answer to it.
var (
	Options         = cell.Message("options")
	OptionsResponse = cell.Message("response to options")
)

// OptionsPing is the phone that is asked whether it is there before it is called: by b, and all the
// while by the registrar, where the cell wants that. Whoever gets an answer has had the phone
// refresh its mapping; what the phone does not answer may hold a mapping or not.
var OptionsPing = add(Flow{
	Key: "options-ping", Order: 47,
	Help:    "register, do nothing for a while, be asked by OPTIONS, then be called",
	Story:   "It registers; nobody wants anything of it for a while; then b, a public caller, asks it by OPTIONS through the proxy what it can do (RFC 3261 §11), and calls it, and one hangs up.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB},
	Able:    map[cell.Side][]string{cell.A: {stage.Options}, cell.B: {stage.Options}},
	With:    []string{cell.KeyIdle, cell.KeyKeepAlive, cell.KeyPing, cell.KeyInterval, cell.KeyChange},
	Caller:  cell.B,
	Steps: steps(registers(registerEnds, cell.A),
		after((*theory.Network).Idle, asked(registerEnds, cell.B, "OPTIONS", Options, OptionsResponse)),
		calls(registerEnds, cell.B), hangsUp(registerEnds, cell.B)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Idle()
		p.Ask(ctx, cell.B)
		p.Converse(ctx, cell.B, "sip:a@"+cell.Domain)
	},
	Columns: []Column{
		{"register response", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"OPTIONS", []cell.Step{Options}},
		{"200 to OPTIONS", []cell.Step{OptionsResponse}},
		{"incoming INVITE", []cell.Step{Invite}},
		{"200 to INVITE", []cell.Step{FinalResponse}},
		{"ACK", []cell.Step{Ack}},
		{"BYE", []cell.Step{Bye}},
	},
})
