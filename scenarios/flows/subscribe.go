package flows

import (
	"context"
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// What b publishes at the agent of the proxy.
var (
	Publish         = cell.Message("publish")
	PublishResponse = cell.Message("response to publish")
)

// SubscribeNotify is the watching of another's presence. A NOTIFY is a request that comes in, be it
// minutes after the SUBSCRIBE that asked for it: what may happen to a call may happen to it.
var SubscribeNotify = add(Flow{
	Key: "subscribe-notify", Order: 45,
	Help: "watch the other's presence, and be told of a change after a while",
	Story: "Both register; a subscribes to the presence of b at the proxy and is told of it (RFC 6665); after a while b publishes " +
		"that it is there (RFC 3903), a is told of that, and ends the subscription.",
	Ends:    callEnds,
	Without: []string{cell.KeyHangup},
	Able:    map[cell.Side][]string{cell.A: {stage.Watches}, cell.B: {stage.Publishes}},
	With:    []string{cell.KeyIdle, cell.KeyKeepAlive, cell.KeyPing, cell.KeyInterval, cell.KeyChange},
	Caller:  cell.A,
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), watches(callEnds),
		after((*theory.Network).Idle, publishes(callEnds)), isTold(callEnds)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Watch(ctx, aor(cell.B), stage.Presence)
		p.Idle()
		p.Publish(ctx)
		p.Unwatch(ctx)
	},
	Columns: slices.Insert(slices.Clone(watchColumns), 3, Column{"200 to PUBLISH", []cell.Step{PublishResponse}}),
})

// publishes are the steps of what b publishes.
func publishes(ends map[cell.Side]End) []Step {
	b := ends[cell.B].Box
	return []Step{
		{
			Step: Publish, Message: "PUBLISH", From: b, To: cell.BoxProxy, Match: wire.Request("PUBLISH"),
			Asks: func(n *theory.Network) theory.Answer { return n.Publishes(cell.B) },
		},
		{
			Step: PublishResponse, Message: "200 to PUBLISH", From: cell.BoxProxy, To: b, Match: wire.Success("PUBLISH"),
			Asks: func(n *theory.Network) theory.Answer { return n.Answered(cell.B, "200 to PUBLISH") },
		},
	}
}
