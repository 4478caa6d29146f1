package discover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

// A socket asks.
type socket struct {
	*stunclient.Conn
	local netip.AddrPort
}

// open opens a socket of its own for a test. other sees STUN that is no
// response to one of its own requests.
func (s *session) open(other func([]byte, netip.AddrPort)) (*socket, error) {
	pc, err := s.cfg.Listen(netip.AddrPortFrom(s.cfg.Local, 0))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBind, err)
	}
	local, ok := attr.FromNet(pc.LocalAddr())
	if !ok || local.Addr() != s.cfg.Local {
		_ = pc.Close()
		return nil, fmt.Errorf("%w: Listen bound %v instead of %v", ErrBind, pc.LocalAddr(), s.cfg.Local)
	}
	opts := s.cfg.Options
	opts.Other = other
	conn, err := stunclient.NewConn(pc, stunclient.ConnConfig{Options: opts})
	if err != nil {
		_ = pc.Close()
		return nil, err
	}
	return &socket{conn, local}, nil
}

// A probe is a request to be made.
type probe struct {
	to      netip.AddrPort
	change  attr.ChangeRequest
	setters []pion.Setter
	legacy  bool
}

// A result is what became of a probe.
type result uint8

const (
	answered result = iota
	silent          // no response at all
	refused         // an error response
	garbled         // a response that makes no sense, or has no right to be one
)

// ask makes a request and records it. The error is only what ends the whole run.
func (s *session) ask(ctx context.Context, t Test, sock *socket, p probe) (stunclient.Response, result, error) {
	if err := s.keepPace(ctx); err != nil {
		return stunclient.Response{}, silent, err
	}
	rec := Probe{Test: t, At: time.Since(s.start), Local: sock.local, To: p.to, ChangeIP: p.change.IP, ChangePort: p.change.Port}
	set := p.setters
	if p.change != (attr.ChangeRequest{}) {
		set = append([]pion.Setter{p.change}, set...)
	}
	call := sock.Client().Binding
	if p.legacy {
		call = sock.Client().Legacy
	}
	before := sock.Client().Stats()
	r, err := call(ctx, p.to, set...)
	res, failure, err := judge(err)
	switch {
	case res == silent && err == nil:
		if dropped := dropped(before, sock.Client().Stats()); dropped != "" {
			res, failure = garbled, dropped
		}
	case res == answered && !addressesHost(r.Address()):
		res, failure = garbled, fmt.Sprintf("a mapped address that no socket has: %v", r.Address())
	}
	rec.Sends, rec.From, rec.Mapped, rec.Failure = r.Sends, r.From, r.Address(), failure
	s.report.Probes = append(s.report.Probes, rec)
	if err == nil {
		s.learn(p, r, res)
	}
	return r, res, err
}

// plain asks an address of the server for the mapping of a socket. Without an answer it
// is not ok, and a note says so.
func (s *session) plain(ctx context.Context, t Test, sock *socket, to netip.AddrPort) (mapped netip.AddrPort, ok bool, _ error) {
	r, result, err := s.ask(ctx, t, sock, probe{to: to})
	if err == nil && result != answered {
		s.note(t, "%v did not answer", to)
	}
	return r.Address(), result == answered, err
}

// asked is an address, asked as RFC 3489 has it or as RFC 8489.
type asked struct {
	addr   netip.AddrPort
	legacy bool
}

// learn keeps what every answer, and silence, says besides what it was asked for.
func (s *session) learn(p probe, r stunclient.Response, res result) {
	switch to := (asked{p.to, p.legacy}); {
	case res == answered:
		s.answers[asked{r.From, p.legacy}] = true
		if r.Mapped.IsValid() && r.XORMapped.IsValid() {
			// RFC 5780 section 3.6: an ALG rewrites what it can recognise.
			s.report.ALG = max(s.report.ALG, answer(r.Mapped != r.XORMapped))
		}
	case res == silent && len(p.setters) == 0 && p.change == (attr.ChangeRequest{}) && !s.answers[to]:
		s.answers[to] = false
	}
	if res != silent {
		s.report.Reachable = Yes
	}
}

// dropped says what became of responses that the client did not take for any.
func dropped(before, after stunclient.Stats) string {
	if n := after.UnexpectedSource - before.UnexpectedSource; n > 0 {
		return fmt.Sprintf("%d responses from an address that was not asked", n)
	}
	if n := after.BadFingerprint - before.BadFingerprint; n > 0 {
		return fmt.Sprintf("%d responses with a wrong FINGERPRINT", n)
	}
	return ""
}

// judge tells what the network did from what ends the run.
func judge(err error) (_ result, failure string, _ error) {
	var refusal *stunclient.ErrorResponse
	switch {
	case err == nil:
		return answered, "", nil
	case errors.Is(err, errHeard):
		return silent, "arrived at the other socket", err
	case errors.Is(err, stunclient.ErrTimeout):
		return silent, "no response", nil
	case errors.As(err, &refusal):
		return refused, refusal.Error(), nil
	case errors.Is(err, stunclient.ErrBadResponse), errors.Is(err, stunclient.ErrUnknownAttributes):
		return garbled, err.Error(), nil
	}
	return silent, err.Error(), err
}

// keepPace waits until a new transaction may start.
func (s *session) keepPace(ctx context.Context) error {
	if err := sleep(ctx, time.Until(s.last.Add(pace))); err != nil {
		return err
	}
	s.last = time.Now()
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
