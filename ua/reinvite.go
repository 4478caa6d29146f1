package ua

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// gotReinvite is an INVITE within the dialog: the peer moves, holds or resumes (RFC 3261
// section 14.2).
func (s *Session) gotReinvite(tx *serverTx) {
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
	s.mu.Lock()
	ready := !s.ending && (s.state == Connected || s.state == Hold)
	glare, busy := s.ours, s.theirs || s.updating || s.pending != nil || !ready
	if !glare && !busy {
		s.theirs = true
	}
	s.mu.Unlock()
	switch {
	case glare:
		tx.reply(sip.StatusRequestPending, "Request Pending", s.c.server()...)
	case busy:
		tx.reply(sip.StatusInternalServerError, "Another INVITE Is Pending", append(s.c.server(), sip.NewHeader("Retry-After", strconv.Itoa(s.dice(tx.req.CSeq.Number).IntN(11))))...)
	default:
		if !s.c.spawn(func(ctx context.Context) { s.renegotiate(ctx, tx, offer) }) {
			tx.reply(sip.StatusServiceUnavailable, "Service Unavailable")
		}
	}
}

func (s *Session) renegotiate(ctx context.Context, tx *serverTx, offer *media.Description) {
	defer func() {
		s.mu.Lock()
		s.theirs = false
		s.mu.Unlock()
	}()
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	err := s.op.lock(ctx)
	if err == nil {
		err = s.reanswer(ctx, tx, offer)
		s.op.unlock()
	}
	switch {
	case err == nil, tx.Final() >= 200:
	case s.life.Err() != nil: // a BYE came first (RFC 3261 section 15.1.2)
		tx.reply(sip.StatusRequestTerminated, "Request Terminated", s.c.server()...)
	case errors.Is(err, ErrMedia):
		s.c.refuse(tx, *s.c.refusalOf(err))
	default: // the call goes on as it was (RFC 3261 section 14.2)
		s.c.log.Warn("re-INVITE", "error", err)
		tx.reply(sip.StatusInternalServerError, "Server Internal Error", s.c.server()...)
	}
}

func (s *Session) reanswer(ctx context.Context, tx *serverTx, offer *media.Description) error {
	if offer == nil { // the peer asks for an offer; its answer comes with the ACK
		s.mu.Lock()
		hold := s.onHold
		s.mu.Unlock()
		if err := s.maySplit(ctx); err != nil {
			return err
		}
		s.refreshTarget(tx.req)
		return s.send2xx(tx, s.offerOf(hold))
	}
	answer, a, err := s.answerTo(ctx, *offer)
	if err != nil {
		return err
	}
	s.refreshTarget(tx.req)
	if err := s.send2xx(tx, answer); err != nil {
		return err
	}
	return s.applyMedia(answer, *offer, a)
}

// Hold asks the peer to send no audio, and sends none, unless Options.HoldAudio is set.
func (s *Session) Hold(ctx context.Context) error { return s.renew(ctx, reoffer{hold: true}) }

// Resume ends Hold.
func (s *Session) Resume(ctx context.Context) error { return s.renew(ctx, reoffer{}) }

// Refresh repeats the offer with the addresses of the present, after a MappingEvent.
func (s *Session) Refresh(ctx context.Context) error { return s.renew(ctx, reoffer{same: true}) }

// reoffer says what a re-INVITE is for.
type reoffer struct {
	hold bool // we want no audio
	same bool // hold is as it was
	anew bool // the port manager is asked first

	update bool // by UPDATE instead
	bare   bool // without an offer
	repeat bool // the offer is the last description as it was (RFC 4028 section 7.4)
}

// maxGlare is how often a re-INVITE is tried that meets one of the peer's.
const maxGlare = 5

// renew sends a re-INVITE (RFC 3261 section 14.1).
func (s *Session) renew(ctx context.Context, why reoffer) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	for n := 1; ; n++ {
		once := s.renewOnce
		if why.update {
			once = s.updateOnce
		}
		err = once(ctx, &why)
		var r *ResponseError
		if !errors.As(err, &r) {
			return err
		}
		switch {
		case r.Code == sip.StatusRequestPending && n < maxGlare:
			if err := s.glareWait(ctx); err != nil {
				return err
			}
		case r.Code == sip.StatusCallTransactionDoesNotExists, r.Code == sip.StatusRequestTimeout: // RFC 3261 section 12.2.1.2
			if why.repeat { // RFC 4028: a refresh that ends so is followed by BYE
				s.expired(s.c.ctx)
			} else {
				_ = s.end(s.c.ctx, because(err))
			}
			return err
		default:
			return err
		}
	}
}

// glareWait lets the end that chose the Call-ID wait longer (RFC 3261 section 14.1).
func (s *Session) glareWait(ctx context.Context) error {
	s.mu.Lock()
	dice := s.dice(s.localSeq)
	s.mu.Unlock()
	wait := 10 * time.Millisecond * time.Duration(dice.IntN(201))
	if s.outgoing {
		wait = 2100*time.Millisecond + 10*time.Millisecond*time.Duration(dice.IntN(191))
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Session) renewOnce(ctx context.Context, why *reoffer) error {
	if err := s.op.lock(ctx); err != nil {
		return err
	}
	defer s.op.unlock()
	s.mu.Lock()
	if s.ending || s.state != Connected && s.state != Hold || s.pending != nil || s.ours {
		state := s.state
		s.mu.Unlock()
		return fmt.Errorf("%w: session is %s", ErrState, state)
	}
	s.ours = true
	hold := why.hold || why.same && s.onHold
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.ours = false
		s.mu.Unlock()
	}()
	if why.anew {
		if err := s.renewMappings(ctx); err != nil {
			return err
		}
		why.anew = false // another attempt has no need to
	}
	if err := s.maySplit(ctx); err != nil {
		return err
	}
	local := s.offerFor(hold, why.repeat)
	req, p, dst, err := s.request(ctx, sip.INVITE)
	if err != nil {
		return err
	}
	req.AppendHeader(s.contact(p))
	if s.c.cfg.SessionTimer.on() {
		s.capable(req)
	}
	setBody(req, sdpType, media.Marshal(local))
	res, req, _, err := s.invite2xx(ctx, req, p, dst)
	if err != nil {
		return err
	}
	s.refreshTarget(res)
	s.gotTimer(res)
	s.mu.Lock()
	was := s.onHold
	s.onHold = hold
	s.mu.Unlock()
	if err := s.connect(ctx, req, res, p, local); err != nil {
		s.mu.Lock()
		s.onHold = was
		s.mu.Unlock()
		return err
	}
	return nil
}
