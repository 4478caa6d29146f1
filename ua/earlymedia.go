package ua

import (
	"context"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
)

// earlyMedia is what was said about media before the final response to the first INVITE.
type earlyMedia struct {
	said    *media.Description // incoming: ours, in provisional responses
	offered media.Description  // outgoing: in the INVITE
	heard   *heardAnswer       // outgoing: the first answer to it
}

// heardAnswer is an answer in a provisional response.
type heardAnswer struct {
	tag     string
	settled bool // its PRACK was answered
}

// EarlyMedia answers the offer of an incoming call in a provisional response, from 101 to
// 199 and mostly 183, and begins the audio. The port manager is asked first, as it is by
// Prepare. Whatever is sent after that, the 200 of Answer included, says the same of the
// media (RFC 3261 section 13.2.1). An INVITE without an offer leaves nothing to answer:
// that is ErrState, unless the response is reliable and so may have the offer.
func (s *Session) EarlyMedia(ctx context.Context, code int) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if code <= sip.StatusTrying || code > 199 {
		return fmt.Errorf("%w: %d can have no session description", ErrConfig, code)
	}
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	if err := s.op.lock(ctx); err != nil {
		return err
	}
	defer s.op.unlock()
	switch {
	case s.invite == nil || !s.rings():
		return fmt.Errorf("%w: nothing rings", ErrState)
	case s.offer == nil && !s.mayOffer():
		return fmt.Errorf("%w: the INVITE has no offer to answer", ErrState)
	case s.saidEarly() != nil:
		return s.progressed(code, "")
	}
	return s.answerEarly(ctx, code)
}

// answerEarly is EarlyMedia for the first time.
func (s *Session) answerEarly(ctx context.Context, code int) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	local, err := s.firstDescription()
	if err != nil {
		return err
	}
	var a media.Agreement
	if s.offer != nil {
		if a, err = agree(local, *s.offer); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.said = &local
	s.mu.Unlock()
	if err := s.progressed(code, ""); err != nil || s.offer == nil {
		return err // without an offer of theirs, the answer comes with the PRACK
	}
	return s.applyMedia(local, *s.offer, a)
}

// HasOffer says whether the INVITE of an incoming call describes the caller's media.
func (s *Session) HasOffer() bool { return s.offer != nil }

// saidEarly is our description in provisional responses, or nil.
func (s *Session) saidEarly() *media.Description {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said
}

// mayOffer says whether a provisional response may have the first offer.
func (s *Session) mayOffer() bool {
	yes, _ := s.takesReliable()
	return yes
}

// gotProvisional takes a provisional response to the INVITE of a call. The error is a port
// manager's.
func (s *Session) gotProvisional(ctx context.Context, res *sipmsg.Response) error {
	d, ack, ok := s.gotReliable(res)
	if !ok {
		return nil
	}
	s.step(InProgress, res.StatusCode)
	s.provisionalCame(res)
	begin, err := s.readEarly(ctx, res)
	if ack.RSeq != 0 {
		s.sendPRACK(ctx, d, ack, func(code int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if code < 300 && len(res.Body()) > 0 && s.heard != nil && s.heard.tag == d.tag {
				s.heard.settled = true
			}
		})
	}
	if err != nil || begin == nil {
		return err
	}
	return begin()
}

// readEarly takes the answer in a provisional response, if it is the first one (RFC 3261
// section 13.2.1), and returns what begins the audio. Of several early dialogs one has it.
// What cannot be used is no answer: there may be another one.
func (s *Session) readEarly(ctx context.Context, res *sipmsg.Response) (begin func() error, err error) {
	tag := sipmsg.TagOf(res.To)
	s.mu.Lock()
	local, heard := s.offered, s.heard
	s.mu.Unlock()
	if tag == "" || len(res.Body()) == 0 || heard != nil || ctx.Err() != nil {
		return nil, nil
	}
	remote, err := parseDescription(res.Body())
	var a media.Agreement
	if err == nil {
		a, err = s.agreeAgain(local, remote)
	}
	if err != nil {
		s.c.log.Warn("early answer", "code", res.StatusCode, "error", err)
		return nil, nil
	}
	if err := s.moveRemote(ctx, a); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.heard = &heardAnswer{tag: tag}
	s.mu.Unlock()
	return func() error { return s.applyMedia(local, remote, a) }, nil
}

// hasHeard says whether the early dialog with a tag has answered the offer.
func (s *Session) hasHeard(tag string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard != nil && s.heard.tag == tag
}

// readAnswer reads an answer and tells the port manager about it.
func (s *Session) readAnswer(ctx context.Context, local media.Description, body []byte) (media.Description, media.Agreement, error) {
	remote, err := parseDescription(body)
	if err != nil {
		return remote, media.Agreement{}, err
	}
	a, err := s.agreeAgain(local, remote)
	if err != nil {
		return remote, a, err
	}
	return remote, a, s.moveRemote(ctx, a)
}

// agreeAgain is agree where there may be a stream already, which keeps its codec: that of
// another early dialog, perhaps.
func (s *Session) agreeAgain(local, remote media.Description) (media.Agreement, error) {
	a, err := agree(local, remote)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.stream != nil && s.codec.PayloadType != a.Codec.PayloadType {
		err = fmt.Errorf("%w: audio has begun with %s and cannot go on with %s", ErrMedia, s.codec.Name, a.Codec.Name)
	}
	return a, err
}
