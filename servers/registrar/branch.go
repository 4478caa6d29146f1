package registrar

import (
	"errors"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// timerC is how long an INVITE may ring (RFC 3261 §16.6 step 11: more than 3 minutes).
const timerC = 3*time.Minute + time.Second

// A branch is one copy of a request on its way to one target. It is the client of its
// transaction.
type branch struct {
	f      *forward
	tx     *sipstack.ClientTx
	t      *target
	over   bool // has a final response
	timerC *sipstack.Timer
}

func (b *branch) Response(res *sipmsg.Response) {
	b.f.s.mu.Lock()
	defer b.f.s.mu.Unlock()
	b.f.s.flows.hear(res.Source, b.f.s.now())
	b.received(res)
}

// Failed is the end of a branch without a response.
func (b *branch) Failed(err error) {
	b.f.s.mu.Lock()
	defer b.f.s.mu.Unlock()
	if errors.Is(err, sipstack.ErrTimeout) {
		b.f.s.stats.TimedOut++
		b.failed(final{code: 408, reason: "Request Timeout"}, "no answer")
		return
	}
	b.failed(final{code: 503, reason: "Cannot Send"}, err.Error()) // RFC 3261 §16.9
}

func (b *branch) Canceled() {
	s, f := b.f.s, b.f
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.req != nil {
		s.emit(Event{Kind: Forwarded, Method: "CANCEL", CallID: f.req.CallID, User: f.req.uri.User,
			Source: f.req.Source, Target: b.tx.To, By: b.t.by, URI: b.t.rule})
	}
}

// received handles a response of the branch's transaction (RFC 3261 §16.7).
func (b *branch) received(res *response) {
	f := b.f
	invite := f.invite
	switch {
	case res.StatusCode < 200:
		if b.over || !invite {
			return // RFC 4320 §4.1: nothing to pass on for other requests
		}
		if res.StatusCode > 100 && !f.done {
			b.restartTimerC()
			f.giveBack(res)
		}
	case res.StatusCode < 300:
		first := b.conclude()
		if first && !f.done {
			f.s.edgeRegistered(f.req, res)
		}
		if !f.done || invite { // every 2xx to an INVITE (RFC 3261 §16.7 step 5)
			f.done = true
			f.giveBack(res)
		}
		if first {
			f.targets = nil
			f.cancelRest() // step 10
			f.settle()
		}
	default:
		if !b.conclude() {
			return
		}
		v := final{code: res.StatusCode, reason: res.Reason, res: res}
		f.lost(b.t, v)
		f.settle()
	}
}

func (b *branch) failed(v final, why string) {
	if !b.conclude() {
		return
	}
	f := b.f
	f.s.emit(Event{Kind: TimedOut, Method: string(f.req.Method), CallID: f.req.CallID, User: f.req.uri.User,
		Source: b.t.to, By: b.t.by, URI: b.t.rule, Detail: why})
	f.lost(b.t, v)
	f.settle()
}

// conclude marks the branch final, once.
func (b *branch) conclude() bool {
	if b.over {
		return false
	}
	b.over = true
	b.f.pending--
	b.timerC.Stop()
	return true
}

// restartTimerC begins Timer C (RFC 3261 §16.8): when it ends, it rang for too long.
func (b *branch) restartTimerC() {
	b.timerC.Stop()
	b.timerC = b.f.s.stack.After(timerC, func() {
		b.f.s.mu.Lock()
		defer b.f.s.mu.Unlock()
		b.cancel()
	})
}

// cancel asks the target to stop.
func (b *branch) cancel() {
	if !b.over && b.f.invite {
		b.tx.Cancel()
	}
}
