package flows

import (
	"context"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// HoldAndResume lets an end call, hold the call for a while and talk.
func (p *Play) HoldAndResume(ctx context.Context, caller cell.Side, target string) {
	calm, all := p.Flow.talkTime(p.Cell, p.MediaTime)
	p.converse(ctx, caller, target, func() {
		phone := p.Ends[caller].(stage.Holder)
		time.Sleep(pause)
		if !p.reoffers(ctx, caller, hold, phone.Hold) {
			return
		}
		p.inCall(calm)
		time.Sleep(pause)
		if p.reoffers(ctx, caller, resume, phone.Resume) {
			p.steady(all - calm - 2*pause)
		}
	})
}

// TalkAndRenew lets an end call, talk, tell the other of the addresses that it has then, and talk.
func (p *Play) TalkAndRenew(ctx context.Context, caller cell.Side, target string) {
	calm, all := p.Flow.talkTime(p.Cell, p.MediaTime)
	p.converse(ctx, caller, target, func() {
		p.inCall(calm)
		time.Sleep(pause)
		if p.reoffers(ctx, caller, renew, p.Ends[caller].(stage.Renewer).Renew) {
			p.steady(all - calm - pause)
		}
	})
}

// reoffers has an end send a re-INVITE, and says whether it was answered.
func (p *Play) reoffers(ctx context.Context, side cell.Side, what string, do func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := do(ctx)
	p.note(side, what, err)
	return err == nil
}
