package ua

import (
	"context"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// PRACK says how reliable provisional responses are used (RFC 3262).
type PRACK uint8

// The uses of PRACK.
const (
	NoPRACK      PRACK = iota // neither asked for nor sent; an INVITE that requires them gets 420
	SupportPRACK              // taken, and sent to those who take them
	RequirePRACK              // taken, sent to those who take them, and required of those who are called
)

// extension100rel is the option tag of RFC 3262.
const extension100rel = "100rel"

// prackMethods are what a use of PRACK adds to Allow.
func (c Config) prackMethods() []string {
	if c.PRACK == NoPRACK {
		return nil
	}
	return []string{"PRACK"}
}

// prackExtensions are what it adds to Supported.
func (c Config) prackExtensions() []string {
	if c.PRACK == NoPRACK {
		return nil
	}
	return []string{extension100rel}
}

// gotReliable says whether a provisional response to a call's INVITE is to be looked at, and
// what has to be acknowledged of it (RFC 3262 section 4). Repetitions are not, and neither is
// what comes before its turn: it will be repeated.
func (s *Session) gotReliable(res *sipmsg.Response) (d *earlyDialog, ack sipmsg.RAck, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d = s.earlyDialogOf(res)
	v, _ := res.Value("rseq")
	rseq, has := sipmsg.ParseRSeq(v)
	if s.c.cfg.PRACK == NoPRACK || !has || !sipmsg.Lists(res, "require", extension100rel) {
		return d, ack, true
	}
	if d == nil || d.rseq != 0 && rseq != d.rseq+1 {
		return nil, ack, false
	}
	d.rseq = rseq
	return d, sipmsg.RAck{RSeq: rseq, CSeq: res.CSeq}, true
}

// sendPRACK acknowledges a reliable response; what comes of it is told to done, unless nobody
// answers.
func (s *Session) sendPRACK(ctx context.Context, d *earlyDialog, ack sipmsg.RAck, done func(code int)) {
	cred := s.credentials()
	make := func() (*sip.Request, path, netip.AddrPort, error) {
		req, p, dst, err := s.earlyRequest(ctx, sip.PRACK, d)
		if err == nil {
			req.AppendHeader(sip.NewHeader("RAck", ack.String()))
			err = cred.authorize(req)
		}
		return req, p, dst, err
	}
	req, p, dst, err := make()
	var tx *clientTx
	if err == nil {
		s.c.stamp(req)
		tx, err = s.c.beginOn(p, dst, req)
	}
	if err != nil {
		s.c.log.Warn("PRACK", "error", err)
		return
	}
	s.c.spawn(func(ctx context.Context) {
		ctx, stop := s.joined(ctx, s.life)
		defer stop()
		var tries attempt
		res, err := s.c.await(ctx, tx)
		for err == nil && isChallenge(res) && cred != nil {
			if err = cred.learn(&tries, req, res); err != nil {
				break
			}
			if req, p, dst, err = make(); err == nil {
				res, err = s.c.transact(ctx, p, dst, req)
			}
		}
		if err != nil {
			s.c.log.Warn("PRACK", "error", err)
			return
		}
		done(res.StatusCode)
	})
}
