package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// The texts of a conversation: each MESSAGE at the other end, and its 200 back.
var (
	MessageAToB         = cell.Message("message a>b")
	MessageAToBResponse = cell.Message("response to message a>b")
	MessageBToA         = cell.Message("message b>a")
	MessageBToAResponse = cell.Message("response to message b>a")
)

// Message is a text, and another one back. Nothing of it is a dialog: each is a request to where the
// registration of the other end leads.
var Message = add(Flow{
	Key: "message", Order: 44,
	Help:    "both register and, after a while, write to each other",
	Story:   "Both register; after a while a sends b a text through the proxy (RFC 3428), and b sends one back.",
	Ends:    callEnds,
	Caller:  cell.A,
	Able:    map[cell.Side][]string{cell.A: {stage.Messages}, cell.B: {stage.Messages}},
	With:    []string{cell.KeyIdle, cell.KeyKeepAlive, cell.KeyPing, cell.KeyInterval, cell.KeyChange},
	Without: []string{cell.KeyHangup},
	Unsure: func(c cell.Cell, o cell.Outcome) string {
		if s, _ := o.Step(MessageAToB); c.Loss != cell.LossNone && s.Fate == cell.Lost {
			return "whether the last copy of a text, which the proxy has late, comes before b writes itself"
		}
		return ""
	},
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B),
		after((*theory.Network).Idle, asked(callEnds, cell.A, "MESSAGE", MessageAToB, MessageAToBResponse)),
		asked(callEnds, cell.B, "MESSAGE", MessageBToA, MessageBToAResponse)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Idle()
		p.Message(ctx, cell.A)
		p.Message(ctx, cell.B)
	},
	Columns: []Column{
		{"register response", []cell.Step{RegisterResponse(cell.A)}},
		{"MESSAGE a>b", []cell.Step{MessageAToB}},
		{"200 to it", []cell.Step{MessageAToBResponse}},
		{"MESSAGE b>a", []cell.Step{MessageBToA}},
		{"200 to that", []cell.Step{MessageBToAResponse}},
	},
})
