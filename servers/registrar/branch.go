package registrar

// A branch is one copy of a request on its way to one target.
type branch struct {
	f          *forward
	tx         *clientTx
	t          *target
	over       bool // has a final response
	cancelling bool // to be cancelled
	timerC     *timer
	giveUp     *timer // 64*T1 after CANCEL
}

// received handles a response of the branch's transaction (RFC 3261 §16.7).
func (b *branch) received(res *response) {
	f := b.f
	invite := f.tx.invite
	switch {
	case res.StatusCode < 200:
		if b.over || !invite {
			return // RFC 4320 §4.1: nothing to pass on for other requests
		}
		if b.cancelling {
			b.sendCancel()
		}
		if res.StatusCode > 100 && !f.done {
			b.restartTimerC()
			f.giveBack(res)
		}
	case res.StatusCode < 300:
		first := b.conclude()
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
		f.consider(final{code: res.StatusCode, reason: res.Reason, res: res})
		f.settle()
	}
}

// failed is the end of a branch without a response.
func (b *branch) failed(code int, reason string) {
	if !b.conclude() {
		return
	}
	f := b.f
	f.s.stats.TimedOut++
	f.s.emit(Event{Kind: TimedOut, Method: string(f.req.Method), CallID: f.req.CallID, User: f.req.uri.User,
		Source: b.t.to, By: b.t.by, URI: b.t.rule, Detail: "no answer"})
	f.consider(final{code: code, reason: reason})
	f.settle()
}

// conclude marks the branch final, once.
func (b *branch) conclude() bool {
	if b.over {
		return false
	}
	b.over = true
	b.f.pending--
	b.f.s.timers.stop(b.timerC)
	b.f.s.timers.stop(b.giveUp)
	b.timerC, b.giveUp = nil, nil
	return true
}

func (b *branch) restartTimerC() {
	b.f.s.timers.stop(b.timerC)
	b.timerC = b.f.s.timers.after(timerC, b.timedOut)
}

// timedOut is Timer C (RFC 3261 §16.8): it rang for too long.
func (b *branch) timedOut() { b.cancel() }

// cancel asks the target to stop. Before the first provisional response that must wait (§9.1).
func (b *branch) cancel() {
	if b.over || b.cancelling || !b.f.tx.invite {
		return
	}
	b.cancelling = true
	if !b.tx.calling {
		b.sendCancel()
	}
}

func (b *branch) sendCancel() {
	if b.giveUp != nil {
		return
	}
	s := b.f.s
	// §9.1: without a final response in 64*T1 the transaction is over all the same.
	b.giveUp = s.timers.after(timeout, func() {
		b.tx.destroy()
		b.failed(408, "Request Timeout")
	})
	o := b.tx.sent.cancel()
	s.emit(Event{Kind: Forwarded, Method: o.Method, CallID: o.CallID, User: b.f.req.uri.User,
		Source: b.f.req.Source, Target: o.dest, By: b.t.by, URI: b.t.rule})
	s.newClientTx(o, nil) // a failed write is counted; giveUp covers the rest
}
