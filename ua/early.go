package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// ErrExpired: the INVITE's Expires passed before the call was answered.
var ErrExpired = errors.New("ua: the invitation has expired")

// repeatProgress keeps proxies from giving up on a long ring (RFC 3261 section 13.3.1.1).
const repeatProgress = time.Minute

// early is an incoming session's time before its final response.
type early struct {
	merge    string        // mergeKey of the INVITE
	final    chan struct{} // closed when the final response is taken
	progress atomic.Int32  // the last provisional response above 100
	repeats  atomic.Int64  // of 2xx responses

	earlyMedia // Session.mu guards it
	reliably
}

func newEarly() early { return early{final: make(chan struct{})} }

// Called is who an incoming INVITE was for: the user part of its Request-URI, or the number
// of a tel: URI with its parameters; empty for an outgoing one.
func (s *Session) Called() string {
	if s.invite == nil {
		return ""
	}
	return called(&s.invite.req.Recipient)
}

// Repeats is how often a 2xx of ours had to be sent again because its ACK did not come.
func (s *Session) Repeats() int { return int(s.repeats.Load()) }

// Ring tells the caller that the phone rings (180).
func (s *Session) Ring(ctx context.Context) error {
	return s.Progress(ctx, sip.StatusRinging, "Ringing")
}

// Progress sends a provisional response, 100 to 199; an empty reason is the usual one. Above
// 100 it is repeated every minute until the call is answered or over, lest a proxy give up
// (RFC 3261 section 13.3.1.1). Without it a caller gets a 100 after 200 ms.
func (s *Session) Progress(ctx context.Context, code int, reason string) error {
	_, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if s.invite == nil {
		return fmt.Errorf("%w: nothing rings", ErrState)
	}
	if code < 100 || code > 199 {
		return fmt.Errorf("%w: %d is no provisional response", ErrConfig, code)
	}
	if !s.rings() {
		return fmt.Errorf("%w: nothing rings", ErrState)
	}
	if _, only := s.takesReliable(); only && s.offer == nil && code > sip.StatusTrying {
		return s.EarlyMedia(ctx, code) // the first reliable response has the offer (RFC 3261 section 13.2.1)
	}
	return s.progressed(code, reason)
}

// rings says whether an incoming call waits for its final response.
func (s *Session) rings() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == Incoming && !s.ending && !s.answer
}

// progressed sends a provisional response and, above 100, has it repeated.
func (s *Session) progressed(code int, reason string) error {
	if reason == "" {
		reason = reasonPhrase(code)
	}
	if code > sip.StatusTrying && s.progress.Swap(int32(code)) == 0 {
		s.c.spawn(func(context.Context) {
			again := time.NewTicker(repeatProgress)
			defer again.Stop()
			for s.earlier(again.C) {
				code := int(s.progress.Load())
				_ = s.provisional(code, reasonPhrase(code))
			}
		})
	}
	return s.provisional(code, reason)
}

func (s *Session) provisional(code int, reason string) error {
	if code <= sip.StatusTrying {
		_, err := s.invite.respond(code, reason, nil)
		return err
	}
	extra := append(s.c.server(), s.ownContact()) // it makes an early dialog (RFC 3261 section 12.1.1)
	if s.c.cfg.Update {
		extra = append(extra, sip.NewHeader("Allow", s.c.cfg.methods()))
	}
	said := s.saidEarly()
	if yes, _ := s.takesReliable(); yes && (s.offer != nil || said != nil) {
		return s.sendReliable(code, reason, said, extra)
	}
	var body []byte
	if said != nil {
		ct := sip.ContentTypeHeader(sdpType)
		body, extra = media.Marshal(*said), append(extra, &ct)
	}
	_, err := s.invite.respond(code, reason, body, extra...)
	return err
}

// earlier waits for a tick; false says that the final response came before it.
func (s *Session) earlier(tick <-chan time.Time) bool {
	select {
	case <-tick:
		return true
	case <-s.final:
	case <-s.life.Done():
	}
	return false
}

// expire ends the session when its INVITE's Expires has passed (RFC 3261 section 13.3.1).
func (s *Session) expire() {
	after, ok := seconds(s.invite.req, "expires")
	if !ok {
		return
	}
	s.c.spawn(func(ctx context.Context) {
		t := time.NewTimer(time.Duration(after) * time.Second)
		defer t.Stop()
		if s.earlier(t.C) && s.takeFinal() {
			s.invite.reply(sip.StatusRequestTerminated, "Request Terminated", s.c.server()...)
			_ = s.end(ctx, ending{reason: Expired, code: sip.StatusRequestTerminated, err: ErrExpired})
		}
	})
}

// Prepare asks the port manager for the ports of an incoming call, which Answer otherwise
// does, so that a phone that could not answer need not ring. After an error, Refuse.
func (s *Session) Prepare(ctx context.Context) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	if err := s.op.lock(ctx); err != nil {
		return err
	}
	defer s.op.unlock()
	if s.invite == nil || s.State() != Incoming {
		return fmt.Errorf("%w: there is nothing to answer", ErrState)
	}
	return s.prepare(ctx)
}

// prepare gets the mappings that an answer needs.
func (s *Session) prepare(ctx context.Context) error {
	rtp := netip.AddrPortFrom(s.invite.req.Source.Addr(), 0)
	rtcp, mux := rtp, false
	if s.offer != nil {
		a, err := agree(s.c.description(), *s.offer)
		if err != nil {
			return err
		}
		rtp, rtcp, mux = a.RTP, a.RTCP, a.Mux
	}
	return s.getMappings(ctx, s.invite.req.Source, rtp, rtcp, !mux)
}

// Refuse turns an incoming call down.
func (s *Session) Refuse(ctx context.Context, r Refusal) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if r.Code < 300 || r.Code > 699 {
		return fmt.Errorf("%w: %d refuses nothing", ErrConfig, r.Code)
	}
	if s.State() != Incoming || !s.takeFinal() {
		return fmt.Errorf("%w: there is nothing to reject", ErrState)
	}
	_, err = s.invite.respond(r.Code, r.reason(), nil, append(s.c.server(), r.headers()...)...)
	said(ctx)
	e := ending{reason: Declined, code: r.Code}
	if r.Code == sip.StatusBusyHere || r.Code == sip.StatusGlobalBusyEverywhere {
		e.reason = Busy
	}
	if endErr := s.end(ctx, e); err == nil {
		err = endErr
	}
	return err
}
