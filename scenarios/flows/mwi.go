package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// MessageWaiting is the lamp of a mailbox (RFC 3842).
var MessageWaiting = add(Flow{
	Key: "message-waiting", Order: 46,
	Help: "watch the own mailbox, and be told of a message after a while",
	Story: "It registers and subscribes to its mailbox at the proxy (RFC 3842), and is told that there is nothing; after a while " +
		"somebody leaves a message, it is told of that, and ends the subscription.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB, cell.KeyHangup},
	Able:    map[cell.Side][]string{cell.A: {stage.Watches}},
	With:    []string{cell.KeyIdle, cell.KeyKeepAlive, cell.KeyPing, cell.KeyInterval, cell.KeyChange},
	Caller:  cell.A,
	Steps:   steps(registers(registerEnds, cell.A), watches(registerEnds), after(mailed, isTold(registerEnds))),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Watch(ctx, aor(cell.A), stage.Mailbox)
		p.Idle()
		p.Mail()
		p.Unwatch(ctx)
	},
	Columns: watchColumns,
})

// mailed is a while, and then a message.
func mailed(n *theory.Network) {
	n.Idle()
	n.Changes(cell.A)
}
