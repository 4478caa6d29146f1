package ua

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// SessionTimer says how RFC 4028 is used: calls whose far end has gone end by themselves.
// The zero value does not use it.
type SessionTimer struct {
	// Expires is the time a session may go on without being refreshed that is asked for, in
	// whole seconds, 90 at least; 0 switches the extension off.
	Expires time.Duration
	// MinSE is the shortest such time that is accepted; 0 is 90 s, and nothing is less.
	MinSE time.Duration
	// Refresher says who is to refresh the session, where this end has a say.
	Refresher Refresher
}

// Refresher is who refreshes a session.
type Refresher uint8

// The refreshers.
const (
	AnyRefresher   Refresher = iota // the peer decides, or is told to if it can
	LocalRefresher                  // this end
	PeerRefresher                   // the other end, if it can
)

// ErrSessionExpired: the session timer ran out (RFC 4028): no refresh came, or none succeeded.
var ErrSessionExpired = errors.New("ua: the session has expired")

// minSE is the least that a session timer may be (RFC 4028 section 4).
const minSE = 90 * time.Second

// statusIntervalTooSmall is that of RFC 4028 section 6.
const statusIntervalTooSmall = 422

func (t SessionTimer) withDefaults() (SessionTimer, error) {
	least := max(t.MinSE, minSE)
	switch {
	case t.Expires == 0 && t != SessionTimer{}:
		return t, fmt.Errorf("%w: SessionTimer without Expires", ErrConfig)
	case t.Expires == 0:
		return t, nil
	case t.MinSE != 0 && t.MinSE < minSE, t.Expires < least, t.Expires%time.Second != 0, t.MinSE%time.Second != 0:
		return t, fmt.Errorf("%w: SessionTimer: Expires %v, MinSE %v are not seconds from 90 up", ErrConfig, t.Expires, t.MinSE)
	case t.Refresher > PeerRefresher:
		return t, fmt.Errorf("%w: SessionTimer: unknown Refresher %d", ErrConfig, t.Refresher)
	}
	t.MinSE = least
	return t, nil
}

// timerExtensions are what the session timer adds to Supported.
func (c Config) timerExtensions() []string {
	if !c.SessionTimer.on() {
		return nil
	}
	return []string{"timer"}
}

func (t SessionTimer) on() bool { return t.Expires > 0 }

// aging is a session's timer. Session.mu guards it.
type aging struct {
	interval time.Duration // 0: the session does not expire
	local    bool          // this end refreshes
	alone    bool          // the peer knows nothing of timers
	since    time.Time     // the last refresh
	least    time.Duration // the largest Min-SE that a 422 asked for
	alarm    *time.Timer
}

// expiry is when to give the session up: shortly before it expires (RFC 4028 section 10).
func (a *aging) expiry() time.Time {
	return a.since.Add(a.interval - min(32*time.Second, a.interval/3))
}

// askTimer writes what a session refresh request says about the timer (RFC 4028 sections
// 7.1 and 7.4), in place of what it said before.
func (s *Session) askTimer(req *sip.Request) {
	t := s.c.cfg.SessionTimer
	if !t.on() || req.Method == sip.UPDATE && !s.isConfirmed() { // what is not answered does not expire
		return
	}
	s.mu.Lock()
	a := s.aging
	s.mu.Unlock()
	least := max(t.MinSE, a.least)
	ask := sipmsg.SessionExpires{Seconds: whole(max(t.Expires, least))}
	switch {
	case a.interval > 0:
		ask.Seconds = whole(max(a.interval, least))
		ask.Refresher = role(a.local)
	case t.Refresher != AnyRefresher:
		ask.Refresher = role(t.Refresher == LocalRefresher)
	}
	req.RemoveHeader("Session-Expires")
	req.RemoveHeader("Min-SE")
	req.AppendHeader(sip.NewHeader("Session-Expires", ask.String()))
	if least > minSE {
		req.AppendHeader(sip.NewHeader("Min-SE", strconv.Itoa(int(least/time.Second))))
	}
}

// role names the refresher, for the end that sends the request.
func role(requester bool) string {
	if requester {
		return "uac"
	}
	return "uas"
}

func whole(d time.Duration) uint32 { return uint32(min(d/time.Second, 1<<32-1)) }

// raiseTimer asks for what a 422 wants; false if it wants nothing more (RFC 4028 section 7.3).
func (s *Session) raiseTimer(req *sip.Request, res *sipmsg.Response) bool {
	n, ok := seconds(res, "min-se")
	if !s.c.cfg.SessionTimer.on() || !ok {
		return false
	}
	least := time.Duration(n) * time.Second
	s.mu.Lock()
	more := least > max(s.aging.least, s.c.cfg.SessionTimer.MinSE)
	if more {
		s.aging.least = least
	}
	s.mu.Unlock()
	if more {
		s.askTimer(req)
	}
	return more
}

// gotTimer takes what a 2xx to a session refresh request of ours says (RFC 4028 section 7.2):
// nothing means that the session does not expire, unless it comes from a caller who can say
// nothing, whose session we refresh all the same.
func (s *Session) gotTimer(res *sipmsg.Response) {
	if !s.c.cfg.SessionTimer.on() {
		return
	}
	v, _ := res.Value("session-expires")
	said, ok := sipmsg.ParseSessionExpires(v)
	if !ok {
		s.mu.Lock()
		interval, alone := s.aging.interval, s.aging.alone
		s.mu.Unlock()
		if !alone {
			interval = 0
		}
		s.setTimer(interval, alone)
		return
	}
	s.setTimer(time.Duration(said.Seconds)*time.Second, said.Refresher != "uas")
}

// refuseTimer says why a session refresh request cannot be taken (RFC 4028 section 9).
func (c *Client) refuseTimer(req *sipmsg.Request) *Refusal {
	t := c.cfg.SessionTimer
	v, has := req.Value("session-expires")
	if !t.on() || !has {
		return nil
	}
	asked, ok := sipmsg.ParseSessionExpires(v)
	switch {
	case !ok:
		return &Refusal{Code: sip.StatusBadRequest, Reason: "Malformed Session-Expires"}
	case time.Duration(asked.Seconds)*time.Second < t.MinSE && sipmsg.Lists(req, "supported", "timer"):
		return &Refusal{Code: statusIntervalTooSmall, Headers: []Header{{"Min-SE", strconv.Itoa(int(t.MinSE / time.Second))}}}
	}
	return nil
}

// answerTimer begins the session's time anew and says what a 2xx to a session refresh request
// of the peer's has about it (RFC 4028 section 9).
func (s *Session) answerTimer(req *sipmsg.Request) []sip.Header {
	t := s.c.cfg.SessionTimer
	if !t.on() {
		return nil
	}
	v, _ := req.Value("session-expires")
	asked, has := sipmsg.ParseSessionExpires(v)
	able := sipmsg.Lists(req, "supported", "timer")
	least, _ := seconds(req, "min-se")
	interval := max(t.Expires, time.Duration(least)*time.Second)
	if has {
		// Not more than was asked for, and not less than our own minimum, which an end that
		// knows nothing of timers cannot be told.
		interval = max(min(time.Duration(asked.Seconds)*time.Second, interval), t.MinSE)
	}
	local := !able // table 2: an end that cannot refresh does not
	switch {
	case able && asked.Refresher != "":
		local = asked.Refresher == "uas"
	case able:
		local = t.Refresher == LocalRefresher
	}
	s.mu.Lock()
	s.aging.alone = !able
	s.mu.Unlock()
	s.setTimer(interval, local)
	say := sipmsg.SessionExpires{Seconds: whole(interval), Refresher: role(!local)}
	headers := []sip.Header{sip.NewHeader("Session-Expires", say.String())}
	if able {
		headers = append(headers, sip.NewHeader("Require", "timer"))
	}
	return headers
}

// setTimer begins the session's time anew; 0 is no end.
func (s *Session) setTimer(interval time.Duration, local bool) {
	if interval > 0 {
		interval = max(interval, minSE)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.aging
	a.stop()
	a.interval, a.local, a.since = interval, local, time.Now()
	if interval == 0 || s.ending {
		return
	}
	wait := time.Until(a.expiry())
	if local {
		wait = interval / 2 // RFC 4028 section 10
	}
	a.alarm = time.AfterFunc(wait, s.aged)
}

func (a *aging) stop() {
	if a.alarm != nil {
		a.alarm.Stop()
		a.alarm = nil
	}
}

// aged is called when a refresh is due, or is overdue.
func (s *Session) aged() {
	s.c.spawn(func(ctx context.Context) {
		s.mu.Lock()
		a := s.aging
		s.mu.Unlock()
		switch now := time.Now(); {
		case a.interval == 0 || a.alarm == nil:
		case !now.Before(a.expiry()):
			s.expired(ctx)
		case a.local && now.Sub(a.since) >= a.interval/2:
			s.refreshTimer(ctx, a.since)
		}
	})
}

// expired ends a session that was not refreshed in time (RFC 4028 section 10).
func (s *Session) expired(ctx context.Context) {
	_ = s.end(ctx, ending{reason: SessionExpired, err: ErrSessionExpired, bye: true})
}

// refreshTimer refreshes the session, which is given up at its end if there is no final response. If
// nobody answers it is given up at once (RFC 4028), and after another failure it is tried again.
func (s *Session) refreshTimer(ctx context.Context, since time.Time) {
	s.mu.Lock()
	if a := &s.aging; a.since == since && a.alarm != nil && !s.ending {
		a.alarm = time.AfterFunc(time.Until(since.Add(a.interval)), s.aged)
	}
	s.mu.Unlock()
	err := s.renew(ctx, reoffer{same: true, repeat: true, update: s.canUpdate(), bare: true})
	if err == nil || s.life.Err() != nil {
		return
	}
	s.c.log.Warn("session refresh", "error", err)
	if errors.Is(err, ErrTransactionTimeout) {
		s.expired(ctx)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := &s.aging; a.since == since && a.alarm != nil && !s.ending {
		a.alarm.Stop()
		left := time.Until(a.expiry())
		a.alarm = time.AfterFunc(max(left/2, min(left, time.Second), 0), s.aged)
	}
}
