package ua

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// attempt sends a SUBSCRIBE: within the dialog, or one that begins another subscription. It
// says what came of it by an event, too. s.op is held, or nobody knows s yet.
func (s *Subscription) attempt(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return err
	}
	res, err := s.subscribe(ctx, s.cfg.Expires)
	if err == nil && res.StatusCode >= 300 {
		err = responseError(sip.SUBSCRIBE, res)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.accepted(res)
		return nil
	}
	s.refused(ctx, res, err)
	return err
}

// begin makes a new Call-ID and tag for what is a new subscription (RFC 6665 section
// 4.1.2.2).
func (s *Subscription) begin() error {
	s.mu.Lock()
	if s.phase != PhaseInit && s.phase != PhaseTerminated {
		s.mu.Unlock()
		return nil
	}
	e := s.profile.ends(token(), s.cfg.to)
	s.dialog = dialog{ends: e, target: s.cfg.to}
	s.born = time.Now()
	s.forget()
	s.to(SubscriptionEvent{State: Subscribing, Phase: PhaseNotifyWait})
	s.mu.Unlock()
	return s.c.keySubscription(s, sessionKey(e.callID, e.localTag))
}

// subscribe sends SUBSCRIBE until it is answered other than by a challenge or by 423.
func (s *Subscription) subscribe(ctx context.Context, expires time.Duration) (*sipmsg.Response, error) {
	for range 2 {
		res, err := s.subscribeOnce(ctx, expires)
		if err != nil || res.StatusCode != sip.StatusIntervalToBrief {
			return res, err
		}
		least, ok := seconds(res, "min-expires") // RFC 6665 section 4.1.2.1
		if !ok || time.Duration(least)*time.Second <= expires {
			return res, nil
		}
		expires = time.Duration(least) * time.Second
		s.cfg.Expires = max(s.cfg.Expires, expires)
	}
	return s.subscribeOnce(ctx, expires)
}

func (s *Subscription) subscribeOnce(ctx context.Context, expires time.Duration) (*sipmsg.Response, error) {
	s.mu.Lock()
	s.timerN = time.Now().Add(sipstack.Timeout) // RFC 6665 section 4.1.2.4
	s.moved = false
	s.mu.Unlock()
	req, p, dst, err := s.newSubscribe(ctx)
	if err != nil {
		return nil, err
	}
	req.AppendHeader(s.profile.dialogContact(p))
	req.AppendHeader(sip.NewHeader("Event", s.cfg.event.String()))
	req.AppendHeader(sip.NewHeader("Expires", wholeSeconds(expires)))
	if len(s.cfg.Accept) > 0 {
		req.AppendHeader(sip.NewHeader("Accept", strings.Join(s.cfg.Accept, ", ")))
	}
	if len(s.cfg.Body) > 0 && req.To().Params.GetOr("tag", "") == "" {
		setBody(req, s.cfg.ContentType, s.cfg.Body)
	}
	if !dst.IsValid() {
		last, res, err := s.profile.exchange(ctx, p, req)
		s.used(last)
		return res, err
	}
	return s.exchange(ctx, p, dst, req)
}

// newSubscribe makes a SUBSCRIBE within the dialog, or one that begins it: that has no destination,
// since the profile knows it.
func (s *Subscription) newSubscribe(ctx context.Context) (*sip.Request, path, netip.AddrPort, error) {
	s.mu.Lock()
	if s.ends.remoteTag != "" {
		s.mu.Unlock()
		return s.request(ctx, sip.SUBSCRIBE)
	}
	s.localSeq++
	e, seq := s.ends, s.localSeq
	s.mu.Unlock()
	p := s.c.sendPath(s.held())
	return newRequest(sip.SUBSCRIBE, s.cfg.to, e, seq, p, s.profile.routes()), p, netip.AddrPort{}, nil
}

// accepted takes a 2xx. s.mu is held.
func (s *Subscription) accepted(res *sipmsg.Response) {
	if s.phase == PhaseTerminated {
		return // a NOTIFY came first that says so
	}
	switch {
	case s.established && sipmsg.TagOf(res.To) == s.ends.remoteTag:
		s.retarget(res)
	case s.established: // of another branch of a fork
	case sipmsg.TagOf(res.To) != "": // a NOTIFY makes the dialog (RFC 6665 section 4.4.1); until then this is where to unsubscribe
		s.ends.remoteTag = sipmsg.TagOf(res.To)
		s.retarget(res)
		s.routes = recordRoutes(res)
		slices.Reverse(s.routes)
	}
	granted := s.cfg.Expires
	if n, ok := seconds(res, "expires"); ok && n > 0 {
		granted = min(granted, time.Duration(n)*time.Second) // RFC 6665 section 4.1.2.1: no more than was asked for
	}
	if res.StatusCode == 204 { // no NOTIFY follows (RFC 5839)
		s.timerN = time.Time{}
	}
	if s.established {
		s.failures = 0
	}
	s.holds(granted)
}

// holds plans the refresh. s.mu is held.
func (s *Subscription) holds(granted time.Duration) {
	now := time.Now()
	s.expiry, s.next = now.Add(granted), now.Add(s.refreshAfter(granted))
	if s.moved {
		s.next = now
	}
}

// refused decides what becomes of the subscription after a SUBSCRIBE has failed. s.mu is held.
func (s *Subscription) refused(ctx context.Context, res *sipmsg.Response, err error) {
	code := 0
	if res != nil {
		code = res.StatusCode
	}
	heard := s.timerN.IsZero() // a NOTIFY came while we waited
	s.timerN = time.Time{}
	e := SubscriptionEvent{State: SubscriptionFailed, Phase: PhaseTerminated, Code: code, Err: err}
	fresh := !s.established
	switch {
	case s.phase == PhaseTerminated: // a NOTIFY has said so already
	case ctx.Err() != nil && !fresh: // as if it had not been tried
	case ctx.Err() != nil:
		s.forget()
		s.next = time.Now()
		s.to(e)
	case code == sip.StatusCallTransactionDoesNotExists && s.ends.remoteTag != "" && !s.cfg.NoRetry: // RFC 6665 section 4.1.2.2: subscribe anew
		s.forget()
		s.next = time.Now()
		s.to(e)
	case errors.Is(err, ErrMessageTooLarge), (fresh || isGone(code)) && permanent(res, err):
		s.forget()
		s.over = true
		s.to(e)
	case fresh, isGone(code), errors.Is(err, ErrTransactionTimeout) && !heard:
		s.forget()
		s.retry(e, err)
	default: // it holds for as long as it would have (RFC 6665 section 4.1.2.2)
		e.State, e.Phase = s.state, s.phase
		e.Retry = s.backoff()
		s.next = time.Now().Add(e.Retry)
		s.to(e)
	}
}

// retry begins anew after a while, if that is wanted. s.mu is held.
func (s *Subscription) retry(e SubscriptionEvent, err error) {
	if s.over = s.cfg.NoRetry || s.first; !s.over {
		e.Retry = s.backoff()
		var r *ResponseError
		if errors.As(err, &r) {
			e.Retry = max(e.Retry, r.RetryAfter)
		}
		s.next = time.Now().Add(e.Retry)
	}
	s.to(e)
}

// isGone says whether a response to a refresh means that there is no such subscription any
// more (RFC 6665 section 4.1.2.2).
func isGone(code int) bool {
	switch code {
	case 404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604:
		return true
	}
	return false
}

// unsubscribe is a SUBSCRIBE with Expires: 0 (RFC 6665 section 4.1.2.3). A NOTIFY with the
// last state follows.
func (s *Subscription) unsubscribe(ctx context.Context) error {
	res, err := s.subscribeOnce(ctx, 0)
	switch {
	case err != nil:
		return err
	case isGone(res.StatusCode):
		return nil
	case res.StatusCode >= 300:
		return responseError(sip.SUBSCRIBE, res)
	}
	said(ctx)
	wait := time.NewTimer(sipstack.Timeout) // Timer N
	defer wait.Stop()
	for {
		if _, phase := s.State(); phase == PhaseTerminated {
			return nil
		}
		select {
		case <-s.kick:
		case <-wait.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}
