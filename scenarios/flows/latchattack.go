package flows

import (
	"context"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// The steps of an attack.
var (
	StrangersRTP = cell.Step{Name: "stranger's rtp", Part: cell.Attack}         // at the end that is attacked
	RTPKept      = cell.Step{Name: "rtp kept from stranger", Part: cell.Attack} // nothing of that end's reached the stranger
)

const (
	// strangerFor is how long the stranger sends, and strangerEvery how often: not as often as
	// any phone, so that in the end it comes before each packet of one.
	strangerFor   = 2 * time.Second
	strangerEvery = 7 * time.Millisecond
)

// LatchAttack is a call that a stranger sends media to. Whether it gets in is for the NAT to say; if
// it does, latching decides whom the end sends its audio to (RFC 7362 §5).
var LatchAttack = add(Flow{
	Key: "latch-attack", Order: 36,
	Help:   "a call, and a stranger who sends RTP to an end of it",
	Story:  "Both register; a calls b through the proxy, they talk, a stranger sends RTP for a while to what a has announced, they talk on, and one hangs up.",
	Ends:   callEnds,
	Caller: cell.A, Attacked: cell.A, Longer: strangerFor,
	Able: map[cell.Side][]string{cell.A: {stage.Describes}},
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), calls(callEnds, cell.A),
		strangers(callEnds, cell.A), talks(callEnds), hangsUp(callEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.TalkAndBeAttacked(ctx, cell.A, "sip:b@"+cell.Domain)
	},
})

// strangers are the steps of an attack on an end.
func strangers(ends map[cell.Side]End, on cell.Side) []Step {
	host := ends[on].Box
	call := []Need{{Ack, "no call was established"}}
	return []Step{
		{
			Step: StrangersRTP, Message: "RTP", From: cell.BoxStranger, To: host, Needs: call,
			Sees: func(_ cell.Cell, t *wire.Tape) (cell.Fate, cell.Cause) {
				return t.Reaches(cell.RTP, cell.BoxStranger, host)
			},
			Asks: func(n *theory.Network) theory.Answer { return n.Stranger(on, strangerFor) },
		},
		{
			Step: RTPKept, Message: "RTP", From: host, To: cell.BoxStranger, Needs: call, Only: true,
			Sees: func(_ cell.Cell, t *wire.Tape) (cell.Fate, cell.Cause) {
				return t.Avoids(cell.RTP, host, cell.BoxStranger)
			},
			Asks: func(n *theory.Network) theory.Answer { return n.Kept(on) },
		},
	}
}

// TalkAndBeAttacked lets an end call, and talk while a stranger sends media to the end of the flow
// that is attacked.
func (p *Play) TalkAndBeAttacked(ctx context.Context, caller cell.Side, target string) {
	calm, all := p.Flow.talkTime(p.Cell, p.MediaTime)
	p.converse(ctx, caller, target, func() {
		time.Sleep(calm)
		if at, ok := p.Ends[p.Flow.Attacked].(stage.Describer).Announced(); ok {
			p.fails(p.World.Attack(at, strangerEvery, strangerFor))
		}
		p.steady(all - calm - strangerFor)
	})
}
