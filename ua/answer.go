package ua

import (
	"context"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
	"github.com/natproof/natproof/media"
)

// incoming makes a session of an INVITE outside of any dialog.
func (c *Client) incoming(tx *serverTx) {
	req := tx.req
	offer, refusal := c.readOffer(req)
	if refusal == nil {
		refusal = c.refuseTimer(req)
	}
	target, ok := firstContact(req)
	switch {
	case c.isMerged(req): // RFC 3261 section 8.2.2.2
		c.decline(tx, Refusal{Code: sip.StatusLoopDetected})
		return
	case refusal != nil:
		c.refuse(tx, *refusal)
		return
	case !ok: // RFC 3261 section 8.1.1.8
		c.refuse(tx, Refusal{Code: sip.StatusBadRequest, Reason: "Missing Contact"})
		return
	case c.cfg.OnEvent == nil:
		tx.reply(sip.StatusTemporarilyUnavailable, "Temporarily Unavailable", c.server()...)
		return
	}
	if refusal := c.admit(tx); refusal != nil {
		c.decline(tx, *refusal)
		return
	}
	old, refusal := c.replacing(req)
	if refusal != nil {
		c.reject(tx, *refusal)
		return
	}
	state := Incoming
	if old != nil {
		state = Answering
	}
	s := c.newSession(c.profileFor(req.Recipient), state)
	s.invite, s.offer, s.replaced = tx, offer, old
	s.establishUAS(tx, target)
	if c.add(s) != nil {
		return
	}
	c.emit(SessionEvent{Session: s, State: Incoming, Replaces: old})
	if old != nil {
		s.takePlace()
		return
	}
	s.expire()
}

// profileFor finds the profile that a request is for: the one with the user of its URI.
func (c *Client) profileFor(uri sip.Uri) *Profile {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.profiles {
		if p.aor().User == uri.User {
			return p
		}
	}
	return nil
}

// ownContact is the Contact of responses in the dialog, also before the session has a mapping of
// its own.
func (s *Session) ownContact() *sip.ContactHeader {
	s.mu.Lock()
	h := s.sip
	s.mu.Unlock()
	if h != nil {
		return s.contact(s.c.sendPath(h))
	}
	if s.profile != nil {
		if p, ok := s.profile.path(); ok {
			return s.contact(p)
		}
	}
	return path{via: s.invite.Socket.Local}.contact(s.user())
}

// Reject refuses an incoming call with a code from 300 to 699; an empty reason is the
// usual one.
func (s *Session) Reject(ctx context.Context, code int, reason string) error {
	return s.Refuse(ctx, Refusal{Code: code, Reason: reason})
}

// takeFinal says whether the caller may send the final response: only one may.
func (s *Session) takeFinal() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invite == nil || s.answer || s.ending {
		return false
	}
	s.answer = true
	close(s.final)
	return true
}

// Answer accepts an incoming call: the port manager is asked for SIP, RTP and RTCP, then
// the 200 is sent. It returns once that is done, or has failed; the session is Connected
// when the ACK arrives, and ends with Timeout if none does within 64*T1.
func (s *Session) Answer(ctx context.Context) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if s.invite == nil {
		return fmt.Errorf("%w: the call is not an incoming one", ErrState)
	}
	if err := s.begin(Incoming, Answering, ErrState); err != nil {
		return err
	}
	return s.answering(ctx)
}

// answering is Answer once the state is that.
func (s *Session) answering(ctx context.Context) error {
	ctx, stop := s.joined(ctx, s.hang)
	err := s.awaitPRACKs(ctx)
	_ = s.op.lock(context.Background())
	if err == nil {
		err = s.accept(ctx)
	}
	stop()
	s.op.unlock()
	if err == nil {
		return nil
	}
	e := because(err)
	if s.takeFinal() {
		e.code = refusal(e.reason)
		s.invite.reply(e.code, reasonPhrase(e.code), s.c.server()...)
	}
	e.bye = s.invite.Final() == sip.StatusOK
	_ = s.end(s.c.ctx, e)
	return err
}

// refusal is the response to an INVITE that could not be answered for a reason.
func refusal(r TerminateReason) int {
	switch r {
	case NotSupported:
		return sip.StatusNotAcceptableHere
	case Canceled:
		return sip.StatusGlobalDecline // hung up while answering
	}
	return sip.StatusTemporarilyUnavailable
}

func (s *Session) accept(ctx context.Context) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	early := s.saidEarly()
	local, err := s.firstDescription()
	if err != nil {
		return err
	}
	if ctx.Err() != nil || !s.takeFinal() {
		return giveUp(ctx)
	}
	if err := s.send2xx(s.invite, local); err != nil {
		return err
	}
	if s.offer == nil || early != nil {
		return nil // the answer comes with the ACK, or audio flows already
	}
	a, err := agree(local, *s.offer)
	if err != nil {
		return err
	}
	return s.applyMedia(local, *s.offer, a)
}

// firstDescription is our answer to the INVITE's offer, or our offer if it has none. One
// that went out early is repeated as it was (RFC 3261 section 13.2.1).
func (s *Session) firstDescription() (media.Description, error) {
	if said := s.saidEarly(); said != nil {
		return *said, nil
	}
	local := s.describe(false)
	if s.offer == nil {
		return local, nil
	}
	answer, err := media.Answer(*s.offer, local)
	if err != nil {
		return answer, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return answer, nil
}

// hasSettled says whether the offer and answer of an INVITE were complete before its 2xx.
func (s *Session) hasSettled(tx *serverTx) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled && tx == s.invite
}

// pending2xx is a 2xx that awaits its ACK.
type pending2xx struct {
	cseq    uint32
	tx      *serverTx
	wire    []byte // the 2xx
	local   media.Description
	offered bool          // the 2xx had an offer: the ACK has the answer
	acked   chan struct{} // closed when the ACK has come
	over    chan struct{} // closed when nobody waits any more
}

// isAcked says whether the ACK has come.
func (w *pending2xx) isAcked() bool {
	select {
	case <-w.acked:
		return true
	default:
		return false
	}
}

// send2xx answers an INVITE and repeats the answer until its ACK comes (RFC 3261 section
// 13.3.1.4).
func (s *Session) send2xx(tx *serverTx, local media.Description) error {
	extra := append(s.c.server(), s.contact(s.c.sendPath(s.sip)), sip.NewHeader("Allow", s.c.cfg.methods()))
	extra = append(append(extra, s.c.cfg.supported(false)...), s.answerTimer(tx.req)...)
	ct := sip.ContentTypeHeader(sdpType)
	body := media.Marshal(local)
	if settled := s.hasSettled(tx); settled {
		body = nil
	} else {
		extra = append(extra, &ct)
	}
	w := &pending2xx{
		cseq: tx.req.CSeq.Number, tx: tx, local: local, offered: len(tx.req.Body()) == 0 && body != nil,
		acked: make(chan struct{}), over: make(chan struct{}),
	}
	s.mu.Lock()
	s.pending = w // before the 200 leaves: its ACK may be here at once
	s.mu.Unlock()
	var err error
	w.wire, err = tx.respond(sip.StatusOK, "OK", body, extra...)
	if err != nil {
		s.mu.Lock()
		s.pending = nil
		s.mu.Unlock()
		return fmt.Errorf("ua: 200 to INVITE: %w", err)
	}
	if !s.c.spawn(func(context.Context) { s.repeat2xx(w) }) {
		close(w.over)
	}
	return nil
}

func (s *Session) repeat2xx(w *pending2xx) {
	interval := sipstack.T1
	again, giveUp := time.NewTimer(interval), time.NewTimer(sipstack.Timeout)
	defer again.Stop()
	defer giveUp.Stop()
	for {
		select {
		case <-w.acked:
			close(w.over)
			return
		case <-s.life.Done():
			close(w.over)
			return
		case <-again.C:
			s.repeats.Add(1)
			_ = w.tx.resend(w.wire)
			interval = min(2*interval, sipstack.T2)
			again.Reset(interval)
		case <-giveUp.C:
			close(w.over)
			err := &TimeoutError{
				Method: "200 to INVITE", To: w.tx.To, From: w.tx.Socket.Local, Via: w.tx.To,
			}
			_ = s.end(s.c.ctx, ending{reason: Timeout, err: err, bye: true})
			return
		}
	}
}

// stop2xx ends the repetition.
func (s *Session) stop2xx() {
	s.mu.Lock()
	w := s.pending
	s.mu.Unlock()
	if w != nil {
		<-w.over
	}
}

// gotACK takes the ACK of a 2xx of ours.
func (s *Session) gotACK(req *sipmsg.Request) {
	s.mu.Lock()
	w := s.pending
	if w == nil || w.cseq != req.CSeq.Number {
		s.mu.Unlock()
		return // a repetition
	}
	s.pending = nil
	s.mu.Unlock()
	close(w.acked)
	if !w.offered {
		s.step(s.connectedState(), 0)
		return
	}
	body := append([]byte(nil), req.Body()...)
	s.c.spawn(func(ctx context.Context) { s.answered(ctx, w.local, body) })
}

// answered takes the answer to an offer that went out in a 2xx.
func (s *Session) answered(ctx context.Context, local media.Description, body []byte) {
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	if s.op.lock(ctx) != nil {
		return
	}
	remote, err := parseDescription(body)
	var a media.Agreement
	if err == nil {
		a, err = agree(local, remote)
	}
	if err == nil {
		err = s.moveRemote(ctx, a)
	}
	if err == nil {
		err = s.applyMedia(local, remote, a)
	}
	s.op.unlock()
	if err != nil {
		e := because(err)
		e.bye = true
		_ = s.end(s.c.ctx, e)
		return
	}
	s.step(s.connectedState(), 0)
}

// gotCancel is the CANCEL of an INVITE that was not answered yet.
func (s *Session) gotCancel() {
	if !s.takeFinal() {
		return // too late: RFC 3261 section 9.2
	}
	s.invite.reply(sip.StatusRequestTerminated, "Request Terminated", s.c.server()...)
	s.c.spawn(func(ctx context.Context) {
		_ = s.end(ctx, ending{reason: Canceled, code: sip.StatusRequestTerminated, err: ErrCanceled})
	})
}
