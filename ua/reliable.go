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

// reliably is an incoming session's reliable provisional responses. Session.mu guards it.
type reliably struct {
	rseq    uint32
	waiting []*reliable // the first awaits its PRACK, the others their turn
	told    bool        // one of them has our description
	settled bool        // and it was acknowledged: the 2xx has none
}

// reliable is a provisional response that awaits its PRACK.
type reliable struct {
	rseq  uint32
	code  int
	wire  []byte
	local *media.Description // what it says of our media, if it does
	heard chan struct{}      // closed when the PRACK has come
	done  chan struct{}      // closed when that has been dealt with
}

// takesReliable says whether the caller takes reliable responses, and whether no others.
func (s *Session) takesReliable() (yes, only bool) {
	if s.c.cfg.PRACK == NoPRACK {
		return false, false
	}
	only = sipmsg.Lists(s.invite.req, "require", extension100rel)
	return only || sipmsg.Lists(s.invite.req, "supported", extension100rel), only
}

// sendReliable sends a provisional response until its PRACK comes, when those before it have
// been acknowledged (RFC 3262 section 3).
func (s *Session) sendReliable(code int, reason string, local *media.Description, extra []sip.Header) error {
	r := &reliable{code: code, local: local, heard: make(chan struct{}), done: make(chan struct{})}
	s.mu.Lock()
	var body []byte
	if local != nil && !s.told {
		ct := sip.ContentTypeHeader(sdpType)
		body, extra, s.told = media.Marshal(*local), append(extra, &ct), true
	} else {
		r.local = nil
	}
	if s.rseq == 0 {
		s.rseq = 1 + s.dice(0).Uint32N(1<<31-1) // from 1 to 2^31-1
	}
	r.rseq = s.rseq
	s.rseq++
	r.wire = s.invite.write(code, reason, body, append(extra,
		sip.NewHeader("Require", extension100rel), sip.NewHeader("RSeq", fmt.Sprint(r.rseq)))...)
	s.waiting = append(s.waiting, r)
	first := len(s.waiting) == 1
	s.mu.Unlock()
	if first {
		return s.repeatReliable(r)
	}
	return nil
}

// repeatReliable sends a reliable response and repeats it, more and more seldom.
func (s *Session) repeatReliable(r *reliable) error {
	err := s.invite.Respond(r.code, r.wire)
	s.c.spawn(func(ctx context.Context) {
		interval := sipstack.T1
		again, giveUp := time.NewTimer(interval), time.NewTimer(sipstack.Timeout)
		defer again.Stop()
		defer giveUp.Stop()
		for {
			select {
			case <-r.heard:
				return
			case <-s.final: // section 3: it is not repeated after the final response
				return
			case <-s.life.Done():
				return
			case <-again.C:
				_ = s.invite.Respond(r.code, r.wire)
				interval *= 2
				again.Reset(interval)
			case <-giveUp.C:
				s.notAcknowledged(ctx, r)
				return
			}
		}
	})
	return err
}

// notAcknowledged refuses the call with a 5xx (RFC 3262 section 3).
func (s *Session) notAcknowledged(ctx context.Context, r *reliable) {
	if !s.takeFinal() {
		return
	}
	s.invite.reply(sip.StatusGatewayTimeout, "No PRACK", s.c.server()...)
	err := &TimeoutError{
		Method: fmt.Sprint(r.code, " to INVITE"), To: s.invite.To, From: s.invite.Socket.Local, Via: s.invite.To,
	}
	_ = s.end(ctx, ending{reason: Timeout, code: sip.StatusGatewayTimeout, err: err})
}

// gotPRACK is the acknowledgement of a reliable response (RFC 3262 section 3).
func (s *Session) gotPRACK(tx *serverTx) {
	offer, refusal := s.c.readOffer(tx.req)
	if refusal != nil {
		s.c.refuse(tx, *refusal)
		return
	}
	if !s.inOrder(tx.req) {
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	r := s.acknowledged(tx.req)
	if r == nil {
		tx.reply(sip.StatusCallTransactionDoesNotExists, "No Such Response", s.c.server()...)
		return
	}
	if offer == nil {
		s.settle(r)
		tx.reply(sip.StatusOK, "OK", s.c.server()...)
		return
	}
	if !s.c.spawn(func(ctx context.Context) { s.pracked(ctx, tx, r, offer) }) {
		tx.reply(sip.StatusServiceUnavailable, "Service Unavailable")
	}
}

// acknowledged finds the response that a PRACK is for, once, and stops repeating it.
func (s *Session) acknowledged(req *sipmsg.Request) *reliable {
	v, _ := req.Value("rack")
	ack, ok := sipmsg.ParseRAck(v)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || s.invite == nil || len(s.waiting) == 0 || ack.CSeq != s.invite.req.CSeq {
		return nil
	}
	r := s.waiting[0]
	select {
	case <-r.heard: // and is being dealt with
		return nil
	default:
	}
	if r.rseq != ack.RSeq {
		return nil
	}
	close(r.heard)
	return r
}

// settle ends the wait for a response's PRACK; the next one has its turn.
func (s *Session) settle(r *reliable) {
	s.mu.Lock()
	s.waiting = s.waiting[1:]
	s.settled = s.settled || r.local != nil
	var next *reliable
	if len(s.waiting) > 0 && !s.answer {
		next = s.waiting[0]
	}
	s.mu.Unlock()
	close(r.done)
	if next != nil {
		_ = s.repeatReliable(next) // the stack tells of what does not leave
	}
}

// pracked takes the description in a PRACK: the answer, if the response had the offer, else
// another offer (RFC 3262 section 5).
func (s *Session) pracked(ctx context.Context, tx *serverTx, r *reliable, theirs *media.Description) {
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	var body []byte
	err := s.op.lock(ctx)
	if err == nil {
		_, begun := s.MediaStats()
		switch {
		case s.offer == nil && r.local != nil:
			err = s.takeAnswer(ctx, *r.local, *theirs)
		case begun:
			body, err = s.takeOffer(ctx, *theirs)
		default:
			err = fmt.Errorf("%w: the first offer is not answered yet", ErrState)
		}
		s.op.unlock()
	}
	s.settle(r)
	if err != nil {
		s.notTaken(tx, err)
		return
	}
	var extra []sip.Header
	if body != nil {
		ct := sip.ContentTypeHeader(sdpType)
		extra = append(extra, &ct)
	}
	_, _ = tx.respond(sip.StatusOK, "OK", body, append(s.c.server(), extra...)...)
}

// awaitPRACKs holds a 2xx back until what was said of media is acknowledged (RFC 3262 section
// 3).
func (s *Session) awaitPRACKs(ctx context.Context) error {
	for {
		s.mu.Lock()
		var r *reliable
		for _, w := range s.waiting {
			if w.local != nil {
				r = w
			}
		}
		s.mu.Unlock()
		if r == nil {
			return nil
		}
		said(ctx)
		select {
		case <-r.done:
		case <-ctx.Done():
			if s.life.Err() != nil { // no PRACK came
				return context.Cause(s.life)
			}
			return giveUp(ctx)
		}
	}
}
