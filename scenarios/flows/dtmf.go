package flows

import (
	"context"
	"errors"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// DTMF is a call in which a presses keys: telephone events in the stream of its audio (RFC 4733),
// which get through where that does.
var DTMF = add(Flow{
	Key: "dtmf", Order: 35,
	Help:   "both register, one calls the other and presses keys",
	Story:  "Both register; a calls b through the proxy, they talk, a presses keys, and one hangs up.",
	Ends:   callEnds,
	Brief:  briefTalk,
	With:   []string{cell.KeyDigits},
	Able:   map[cell.Side][]string{cell.A: {stage.Keys}},
	Caller: cell.A,
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), calls(callEnds, cell.A),
		talks(callEnds), presses(callEnds), hangsUp(callEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Press(cell.A)
		p.Converse(ctx, cell.A, "sip:b@"+cell.Domain)
	},
})

// Keys are those that a presses at the receiver of b.
var Keys = cell.Stream("keys a>b", cell.Keys, cell.A)

func presses(ends map[cell.Side]End) []Step {
	return []Step{{
		Step: Keys, Message: Keys.Part.Message(), From: ends[cell.A].Box, To: ends[cell.B].Box,
		Asks:  func(n *theory.Network) theory.Answer { return n.Stream(cell.Keys, cell.A) },
		Needs: []Need{{Ack, "no call was established"}},
	}}
}

// settles is how long media runs before somebody presses keys.
const settles = 3 * time.Second

// Press has an end press keys in the talk to come.
func (p *Play) Press(side cell.Side) {
	p.inTalk = func(within time.Duration) {
		begun := time.Now()
		time.Sleep(min(settles, within/2))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if e, ok := p.Ends[side].(stage.Presser); !ok {
			p.err = errors.Join(p.err, stage.ErrCannot)
		} else {
			p.note(side, "press keys", e.Press(ctx, string(p.Cell.Digits)))
		}
		time.Sleep(within - time.Since(begun))
	}
}
