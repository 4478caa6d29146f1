package flows

import (
	"context"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// EarlyMedia is a call in which the callee is heard before it answers (RFC 3960): a tone, an
// announcement. Its NAT is open then, but that of the caller only if the caller sends too, and so
// only once the 183 has told it where to.
var EarlyMedia = add(Flow{
	Key: "early-media", Order: 50,
	Help:   "both register, one calls the other and hears it before it answers",
	Story:  "Both register; a calls b through the proxy; b rings, with a session description and media at once (183), then answers; they talk, and one hangs up.",
	Ends:   callEnds,
	Brief:  briefTalk,
	Caller: cell.A,
	Ring:   ringing,
	Unsure: func(c cell.Cell, o cell.Outcome) string {
		if s, _ := o.Step(Ack); c.Strict.Has(cell.A) && s.Fate != cell.Arrived {
			return "what a caller drops while it rings, in a call of which it tells nothing since it is never established"
		}
		return ""
	},
	Steps: steps(registers(callEnds, cell.A), registers(callEnds, cell.B), ringsEarly(callEnds, calls(callEnds, cell.A)),
		talks(callEnds), hangsUp(callEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Register(ctx, cell.B)
		p.Converse(ctx, cell.A, "sip:b@"+cell.Domain)
	},
})

// The steps before the callee answers.
var (
	Progress     = cell.Message("progress") // the callee's 183 at the caller
	EarlyRTPAToB = cell.Stream("early rtp a>b", cell.RTP, cell.A)
	EarlyRTPBToA = cell.Stream("early rtp b>a", cell.RTP, cell.B)
)

const (
	sessionProgress = 183 // RFC 3261 §21.1.5
	// ringing is long enough for media to be steady, and off the beat of it.
	ringing = 3*time.Second + offBeat
)

// ringsEarly puts them between the INVITE and its final response.
func ringsEarly(ends map[cell.Side]End, call []Step) []Step {
	from, to := ends[cell.A].Box, ends[cell.B].Box
	rang := func(t *wire.Tape) (wire.Talk, bool) { return t.Rang(from, to, sessionProgress) }
	needs := []Need{only(cell.A).noInvite(ends)}
	early := []Step{
		{
			Step: Progress, Message: "183 to INVITE", From: to, To: from, Match: wire.Provisional("INVITE", sessionProgress),
			Asks: func(n *theory.Network) theory.Answer {
				if a := n.Describes(cell.B, "183 to INVITE"); a.Fate != cell.Arrived {
					return n.Tells(a)
				}
				return n.Tells(n.Provisional(cell.A, "183 to INVITE"))
			},
			Needs: needs,
		},
		{
			Step: EarlyRTPAToB, Message: "RTP", From: from, To: to, During: rang, Needs: needs,
			Asks: func(n *theory.Network) theory.Answer { return n.Early(cell.A) },
		},
		{
			Step: EarlyRTPBToA, Message: "RTP", From: to, To: from, During: rang, Needs: needs,
			Asks: func(n *theory.Network) theory.Answer { return n.Early(cell.B) },
		},
	}
	call[1].After = func(n *theory.Network) { n.Lapse(ringing) }
	return steps(call[:1], early, call[1:])
}
