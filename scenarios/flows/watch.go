package flows

import (
	"context"
	"fmt"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// The steps of a subscription of a at the agent of the proxy.
var (
	Subscribe              = cell.Message("subscribe")
	SubscribeResponse      = cell.Message("response to subscribe")
	Notify                 = cell.Message("notify")           // of how things are, at once
	NotifyOfChange         = cell.Message("notify of change") // when they are another way
	NotifyOfChangeResponse = cell.Message("response to notify of change")
	Unsubscribe            = cell.Message("unsubscribe")
	UnsubscribeResponse    = cell.Message("response to unsubscribe")
	LastNotify             = cell.Message("last notify")
)

// watches are the steps that begin a subscription of a.
func watches(ends map[cell.Side]End) []Step {
	a := ends[cell.A].Box
	return []Step{
		{
			Step: Subscribe, Message: "SUBSCRIBE", From: a, To: cell.BoxProxy, Match: wire.Requests(wire.First("SUBSCRIBE")),
			Asks: func(n *theory.Network) theory.Answer { return n.Subscribes(cell.A) },
		},
		{
			Step: SubscribeResponse, Message: "200 to SUBSCRIBE", From: cell.BoxProxy, To: a, Match: wire.Successes(wire.First("SUBSCRIBE")),
			Asks: func(n *theory.Network) theory.Answer { return n.Subscribed(cell.A, "200 to SUBSCRIBE") },
		},
		{
			Step: Notify, Message: "NOTIFY", From: cell.BoxProxy, To: a, Match: wire.Requests(wire.State(0)),
			Asks: func(n *theory.Network) theory.Answer { return n.Notified(cell.A, 0) },
		},
	}
}

// isTold are the steps by which a is told of a change, and ends its subscription.
func isTold(ends map[cell.Side]End) []Step {
	a := ends[cell.A].Box
	untold := Need{NotifyOfChange, fmt.Sprintf("the NOTIFY never reached %s", a)}
	unsubscribed := Need{SubscribeResponse, fmt.Sprintf("the 200 never reached %s, which takes it that there is no subscription", a)}
	return []Step{
		{
			Step: NotifyOfChange, Message: "NOTIFY", From: cell.BoxProxy, To: a, Match: wire.Requests(wire.State(1)),
			Asks: func(n *theory.Network) theory.Answer { return n.Notified(cell.A, 1) },
		},
		{
			Step: NotifyOfChangeResponse, Message: "200 to NOTIFY", From: a, To: cell.BoxProxy, Match: wire.Successes(wire.State(1)),
			Asks:  func(n *theory.Network) theory.Answer { return n.Acknowledges(cell.A, "200 to NOTIFY") },
			Needs: []Need{untold, unsubscribed},
		},
		{
			Step: Unsubscribe, Message: "SUBSCRIBE", From: a, To: cell.BoxProxy, Match: wire.Requests(wire.Ending("SUBSCRIBE")),
			After: func(n *theory.Network) { n.Lapse(untilTold) },
			Asks:  func(n *theory.Network) theory.Answer { return n.Unsubscribes(cell.A) },
			Needs: []Need{unsubscribed},
		},
		{
			Step: UnsubscribeResponse, Message: "200 to SUBSCRIBE", From: cell.BoxProxy, To: a, Match: wire.Successes(wire.Ending("SUBSCRIBE")),
			Asks:  func(n *theory.Network) theory.Answer { return n.Ended(cell.A, "200 to SUBSCRIBE") },
			Needs: []Need{{Unsubscribe, fmt.Sprintf("%s sent no SUBSCRIBE that ends it", a)}},
		},
		{
			Step: LastNotify, Message: "NOTIFY", From: cell.BoxProxy, To: a, Match: wire.Requests(wire.Ending("NOTIFY")),
			Asks:  func(n *theory.Network) theory.Answer { return n.NotifiedLast(cell.A) },
			Needs: []Need{{Unsubscribe, fmt.Sprintf("%s sent no SUBSCRIBE that ends it", a)}},
		},
	}
}

// untilTold is the time from a change to the end of the subscription: for whoever waits for a
// NOTIFY, or for the answer to one, to have given up.
const untilTold = 60 * time.Second

// Watch lets a subscribe. If no NOTIFY follows at once everybody is given time to give up.
func (p *Play) Watch(ctx context.Context, target, event string) {
	does(ctx, p, cell.A, "subscribe", func(ctx context.Context, w stage.Watcher) error { return w.Watch(ctx, target, event) })
	p.settle()
}

// settle waits for a NOTIFY at a or, if none comes at once, until everybody has given up.
func (p *Play) settle() {
	time.Sleep(offBeat)
	if !p.Reached("NOTIFY", p.Flow.Host(cell.A)) {
		time.Sleep(theory.GivingUp)
	}
}

// Unwatch lets time pass, and a end its subscription.
func (p *Play) Unwatch(ctx context.Context) {
	time.Sleep(untilTold)
	does(ctx, p, cell.A, "unsubscribe", func(ctx context.Context, w stage.Watcher) error { return w.Unwatch(ctx) })
}

// Publish lets b say that it is there.
func (p *Play) Publish(ctx context.Context) {
	does(ctx, p, cell.B, "publish", func(ctx context.Context, b stage.Publisher) error { return b.Publish(ctx) })
}

// Mail leaves a message for a.
func (p *Play) Mail() { p.fails(p.World.Mail(cell.A)) }

var watchColumns = []Column{
	{"register response", []cell.Step{RegisterResponse(cell.A)}},
	{"200 to SUBSCRIBE", []cell.Step{SubscribeResponse}},
	{"NOTIFY", []cell.Step{Notify}},
	{"NOTIFY of a change", []cell.Step{NotifyOfChange, NotifyOfChangeResponse}},
	{"end", []cell.Step{Unsubscribe, UnsubscribeResponse, LastNotify}},
}
