package flows

import (
	"context"
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// NotifyResponse is the answer to a NOTIFY at the proxy.
var NotifyResponse = cell.Message("response to notify")

// Unsolicited is the lamp of a mailbox as many servers light it: nobody has subscribed, and so
// nothing but the registration says where to.
var Unsolicited = add(Flow{
	Key: "unsolicited-notify", Order: 48,
	Help:    "register, and be told of a message after a while without having asked",
	Story:   "It registers; after a while somebody leaves a message, and the proxy tells it so, though it has not subscribed.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB, cell.KeyHangup},
	Able:    map[cell.Side][]string{cell.A: {stage.Unasked}},
	With:    []string{cell.KeyIdle, cell.KeyKeepAlive, cell.KeyPing, cell.KeyInterval, cell.KeyChange, cell.KeyElsewhere},
	Caller:  cell.A,
	Steps: steps(registers(registerEnds, cell.A), roamsIdle((*theory.Network).IdleAtFirst),
		after((*theory.Network).Idle, tellsUnasked(registerEnds[cell.A].Box))),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Idle()
		p.Mail()
		p.settle()
	},
	Columns: []Column{
		{"register response", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"NOTIFY", []cell.Step{Notify}},
		{"200 to NOTIFY", []cell.Step{NotifyResponse}},
	},
})

// tellsUnasked are the steps by which the proxy tells a.
func tellsUnasked(a string) []Step {
	return []Step{
		{
			Step: Notify, Message: "NOTIFY", From: cell.BoxProxy, To: a, Match: wire.Request("NOTIFY"),
			Asks: func(n *theory.Network) theory.Answer { return n.Request(cell.A, "NOTIFY") },
		},
		{
			Step: NotifyResponse, Message: "200 to NOTIFY", From: a, To: cell.BoxProxy, Match: wire.Success("NOTIFY"),
			Asks:  func(*theory.Network) theory.Answer { return theory.Arrives() },
			Needs: []Need{{Notify, fmt.Sprintf("the NOTIFY never reached %s", a)}},
		},
	}
}
