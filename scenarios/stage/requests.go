package stage

import (
	"context"
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
)

// What an endpoint may be able to do beside registering and calling. A flow says whom it wants to
// be able to do it (Flow.Wants); a phone that is not says so by Traits.

// Messenger sends short texts (RFC 3428). It answers those that come in with 200.
type Messenger interface {
	// Message sends one to a SIP URI by way of Setup.Proxy and returns when it was answered.
	Message(ctx context.Context, target, text string) error
}

// Asker asks others for what they can do (RFC 3261 §11), and answers when it is asked.
type Asker interface {
	// Ask asks a SIP URI by way of Setup.Proxy and returns when it was answered.
	Ask(ctx context.Context, target string) error
}

// The words for them, and for others.
const (
	Messages = "messages"
	Options  = "options"
	Keys     = "keys" // see Presser
)

// Able are the traits of a phone that can do those things too.
func Able(traits func(cell.Cell, cell.Side) (theory.Traits, error), things ...string) func(cell.Cell, cell.Side) (theory.Traits, error) {
	return func(c cell.Cell, side cell.Side) (theory.Traits, error) {
		if f, ok := c.Flow.(wanting); ok && !slices.ContainsFunc(f.Wants(side), func(w string) bool { return !slices.Contains(things, w) }) {
			c.Flow = content{c.Flow}
		}
		return traits(c, side)
	}
}

// content is a flow that wants no more of an end than to register and to call.
type content struct{ cell.Flow }

// wanting is a flow that wants more of an end than to register and to call.
type wanting interface {
	Wants(side cell.Side) []string
}

// wants is what a cell wants of an end beside that.
func wants(c cell.Cell, side cell.Side) []string {
	if f, ok := c.Flow.(wanting); ok {
		return f.Wants(side)
	}
	return nil
}
