package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
)

// updateMethods are what Options.Update adds to Allow.
func (c Config) updateMethods() []string {
	if !c.Update {
		return nil
	}
	return []string{"UPDATE"}
}

// Update tells the peer the present addresses in an UPDATE (RFC 3311), before the call is
// answered too if the first offer and answer are complete by then: that takes reliable
// responses. It needs Options.Update, and a peer whose Allow lists UPDATE.
func (s *Session) Update(ctx context.Context) error {
	return s.renew(ctx, reoffer{same: true, update: true})
}

// canUpdate says whether both ends understand UPDATE.
func (s *Session) canUpdate() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c.cfg.Update && s.allows
}

// noteAllow remembers whether the peer understands UPDATE.
func (s *Session) noteAllow(m interface{ Values(string) []string }) {
	if sipmsg.Lists(m, "allow", string(sip.UPDATE)) {
		s.mu.Lock()
		s.allows = true
		s.mu.Unlock()
	}
}

// confirmed says whether the call is answered. Session.mu is held.
func (s *Session) confirmed() bool { return s.state == Connected || s.state == Hold }

func (s *Session) isConfirmed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirmed()
}

// updateOnce sends an UPDATE (RFC 3311 section 5.1).
func (s *Session) updateOnce(ctx context.Context, why *reoffer) error {
	up := s.isConfirmed()
	if up { // before that Call may have the lock
		if err := s.op.lock(ctx); err != nil {
			return err
		}
		defer s.op.unlock()
	}
	d, hold, err := s.mayUpdate(why)
	if err != nil {
		return err
	}
	if !why.bare {
		defer s.offering(false)
	}
	for {
		again, err := s.updateIn(ctx, d, hold, why, up)
		if err != nil || !again {
			return err
		}
	}
}

func (s *Session) offering(on bool) {
	s.mu.Lock()
	s.ours = on
	s.mu.Unlock()
}

// mayUpdate says why not; d is the early dialog of an outgoing call, if it is still in one.
// From then on an offer of ours is under way, if why says so.
func (s *Session) mayUpdate(why *reoffer) (d *earlyDialog, hold bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	early := s.state == InProgress || s.state == Incoming
	if s.heard != nil && !s.established {
		d = s.earlyDialog(s.heard.tag)
	}
	allows := s.allows
	if d != nil {
		allows = d.allows
	}
	switch {
	case s.ending || !s.confirmed() && !early || s.state == InProgress && d == nil || s.pending != nil && s.pending.offered:
		return nil, false, fmt.Errorf("%w: session is %s", ErrState, s.state)
	case !s.c.cfg.Update || !allows:
		return nil, false, fmt.Errorf("%w: UPDATE is not allowed", ErrState)
	case !why.bare && (s.ours || s.theirs || s.updating || early && !s.settledEarly()):
		return nil, false, fmt.Errorf("%w: another offer is under way", ErrState)
	}
	s.ours = s.ours || !why.bare
	return d, why.hold || why.same && s.onHold, nil
}

// settledEarly says whether the first offer and answer are complete before the call is answered
// (RFC 3311 section 5.1). Session.mu is held.
func (s *Session) settledEarly() bool {
	return s.settled || s.heard != nil && s.heard.settled
}

// updateIn is one UPDATE; again says that the session timer has to be longer.
func (s *Session) updateIn(ctx context.Context, d *earlyDialog, hold bool, why *reoffer, up bool) (again bool, err error) {
	build := s.request
	if d != nil {
		build = func(ctx context.Context, m sip.RequestMethod) (*sip.Request, path, netip.AddrPort, error) {
			return s.earlyRequest(ctx, m, d)
		}
	}
	locked := s.under
	if up {
		locked = func(ctx context.Context, f func(context.Context) error) error { return f(ctx) }
	}
	if !why.bare {
		if err := locked(ctx, s.maySplit); err != nil {
			return false, err
		}
	}
	local := s.offerFor(hold, why.repeat)
	req, p, dst, err := build(ctx, sip.UPDATE)
	if err != nil {
		return false, err
	}
	req.AppendHeader(s.contact(p))
	s.capable(req)
	if !why.bare {
		setBody(req, sdpType, media.Marshal(local))
	}
	req, res, err := s.c.exchange(ctx, p, dst, req, s.credentials())
	switch {
	case err != nil:
		return false, err
	case res.StatusCode == statusIntervalTooSmall && s.raiseTimer(req, res):
		return true, nil
	case res.StatusCode >= 300:
		return false, responseError(sip.UPDATE, res)
	}
	s.retarget(d, res)
	if up {
		s.gotTimer(res)
	}
	if why.bare {
		return false, nil
	}
	err = locked(ctx, func(ctx context.Context) error {
		remote, err := parseDescription(res.Body())
		if err == nil {
			err = s.takeAnswer(ctx, local, remote)
		}
		return err
	})
	if err == nil {
		s.settleState()
	}
	return false, err
}

// retarget is refreshTarget, of an early dialog if there is one.
func (s *Session) retarget(d *earlyDialog, m interface{ Values(string) []string }) {
	if d == nil {
		s.refreshTarget(m)
		return
	}
	if c, ok := firstContact(m); ok {
		s.mu.Lock()
		d.target = c
		s.mu.Unlock()
	}
}

// settleState makes Hold of Connected, or the other way round, where an UPDATE has changed that.
func (s *Session) settleState() {
	s.mu.Lock()
	up := s.confirmed() && s.pending == nil
	s.mu.Unlock()
	if up {
		s.step(s.connectedState(), 0)
	}
}

// gotUpdate is an UPDATE within a dialog, perhaps an early one (RFC 3311 section 5.2).
func (s *Session) gotUpdate(tx *serverTx) {
	offer, refusal := s.c.readOffer(tx.req)
	if refusal == nil {
		refusal = s.c.refuseTimer(tx.req)
	}
	if refusal != nil {
		s.c.refuse(tx, *refusal)
		return
	}
	if !s.inOrder(tx.req) {
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	switch code := s.mayTakeUpdate(offer != nil); code {
	case sip.StatusOK:
	case sip.StatusRequestPending:
		tx.reply(code, "Request Pending", s.c.server()...)
		return
	default:
		later := sip.NewHeader("Retry-After", strconv.Itoa(s.dice(tx.req.CSeq.Number).IntN(11)))
		tx.reply(code, "Another Offer Is Pending", append(s.c.server(), later)...)
		return
	}
	s.noteAllow(tx.req)
	if offer == nil {
		s.acceptUpdate(tx, nil)
		return
	}
	if !s.c.spawn(func(ctx context.Context) { s.updated(ctx, tx, *offer) }) {
		tx.reply(sip.StatusServiceUnavailable, "Service Unavailable")
	}
}

// mayTakeUpdate says how an UPDATE is to be answered: 491 where an offer of ours is not
// answered yet, 500 where one of theirs is not, or another UPDATE.
func (s *Session) mayTakeUpdate(offer bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	asking := s.ours || s.pending != nil && s.pending.offered || // in a re-INVITE, an UPDATE or a 2xx
		!s.established && (s.heard == nil || !s.heard.settled) || // in our INVITE
		s.invite != nil && s.offer == nil && !s.settled && len(s.waiting) > 0 // in a reliable response
	asked := s.theirs || s.updating || // in a re-INVITE, or in another UPDATE
		(s.state == Incoming || s.state == Answering && s.pending == nil) && !s.settled // in the INVITE
	switch {
	case s.ending || s.state == Disconnected:
		return sip.StatusInternalServerError
	case !offer && !s.updating:
		return sip.StatusOK
	case offer && asking:
		return sip.StatusRequestPending
	case asked:
		return sip.StatusInternalServerError
	}
	s.updating = true
	return sip.StatusOK
}

// updated takes the offer of an UPDATE.
func (s *Session) updated(ctx context.Context, tx *serverTx, offer media.Description) {
	defer func() {
		s.mu.Lock()
		s.updating = false
		s.mu.Unlock()
	}()
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	err := s.under(ctx, func(ctx context.Context) error {
		answer, err := s.takeOffer(ctx, offer)
		if err == nil {
			s.acceptUpdate(tx, answer)
		}
		return err
	})
	if err != nil {
		s.notTaken(tx, err)
		return
	}
	s.settleState()
}

// acceptUpdate answers 200 and follows the peer to its Contact.
func (s *Session) acceptUpdate(tx *serverTx, body []byte) {
	s.mu.Lock()
	var d *earlyDialog
	if !s.established {
		d = s.earlyDialog(sipmsg.TagOf(tx.req.From))
	}
	s.mu.Unlock()
	s.retarget(d, tx.req)
	extra := append(s.c.server(), s.ownContact(), sip.NewHeader("Allow", s.c.cfg.methods()))
	extra = append(extra, s.c.cfg.supported(false)...)
	if s.isConfirmed() {
		extra = append(extra, s.answerTimer(tx.req)...)
	}
	if body != nil {
		ct := sip.ContentTypeHeader(sdpType)
		extra = append(extra, &ct)
	}
	_, _ = tx.respond(sip.StatusOK, "OK", body, extra...) // the stack tells of what does not leave
}

// notTaken refuses a request whose offer or answer cannot be taken; the session stays as it was.
func (s *Session) notTaken(tx *serverTx, err error) {
	switch {
	case s.life.Err() != nil: // the dialog is over
		tx.reply(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist", s.c.server()...)
	case errors.Is(err, ErrMedia):
		s.c.refuse(tx, *s.c.refusalOf(err))
	default:
		s.c.log.Warn("offer not taken", "method", tx.req.Method, "error", err)
		tx.reply(sip.StatusInternalServerError, "Server Internal Error", s.c.server()...)
	}
}

// takeOffer takes an offer outside of an INVITE and returns the answer.
func (s *Session) takeOffer(ctx context.Context, offer media.Description) ([]byte, error) {
	answer, a, err := s.answerTo(ctx, offer)
	if err != nil {
		return nil, err
	}
	return media.Marshal(answer), s.applyMedia(answer, offer, a)
}

// answerTo makes the answer to an offer in a dialog and tells the port manager.
func (s *Session) answerTo(ctx context.Context, offer media.Description) (media.Description, media.Agreement, error) {
	s.mu.Lock()
	hold := s.onHold
	s.mu.Unlock()
	if !offer.Mux || !s.c.cfg.RTCPMux {
		if err := s.needRTCP(ctx, offer.RTCP); err != nil {
			return media.Description{}, media.Agreement{}, err
		}
	}
	local := s.describe(hold)
	answer, err := media.Answer(offer, local)
	if err != nil {
		return answer, media.Agreement{}, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	a, err := agree(answer, offer)
	if err != nil {
		return answer, a, err
	}
	return answer, a, s.moveRemote(ctx, a)
}

// takeAnswer takes an answer to an offer of ours outside of an INVITE.
func (s *Session) takeAnswer(ctx context.Context, local, remote media.Description) error {
	a, err := s.agreeAgain(local, remote)
	if err == nil {
		err = s.moveRemote(ctx, a)
	}
	if err == nil {
		err = s.applyMedia(local, remote, a)
	}
	return err
}

// under runs f with the session's lock, or on the goroutine that has it while an INVITE of
// ours is waited for.
func (s *Session) under(ctx context.Context, f func(context.Context) error) error {
	select {
	case s.op <- struct{}{}:
		defer s.op.unlock()
		return f(ctx)
	default:
		said(ctx)
	}
	done := make(chan error, 1)
	select {
	case s.op <- struct{}{}:
		defer s.op.unlock()
		return f(ctx)
	case s.visits <- func() { done <- f(ctx) }:
		return <-done
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
