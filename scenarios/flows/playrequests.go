package flows

import (
	"context"
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// Message lets an end send a text to the other one.
func (p *Play) Message(ctx context.Context, from cell.Side) {
	does(ctx, p, from, "message", func(ctx context.Context, m stage.Messenger) error {
		return m.Message(ctx, aor(from.Other()), "hello")
	})
}

// Ask lets an end ask the other one for what it can do.
func (p *Play) Ask(ctx context.Context, from cell.Side) {
	does(ctx, p, from, "ask", func(ctx context.Context, a stage.Asker) error { return a.Ask(ctx, aor(from.Other())) })
}

// aor is the address of record of an end.
func aor(side cell.Side) string { return "sip:" + string(side) + "@" + cell.Domain }

// does lets an end do something that not every phone can. A phone that cannot has said so by its
// Traits, and the cell is not played.
func does[T any](ctx context.Context, p *Play, side cell.Side, what string, do func(context.Context, T) error) {
	able, ok := p.Ends[side].(T)
	if !ok {
		p.failed(fmt.Errorf("flows: %s: %s: %w", p.Flow.Host(side), what, stage.ErrCannot))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.note(side, what, do(ctx, able))
}
