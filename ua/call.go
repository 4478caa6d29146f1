package ua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
)

// maxRedirects bounds how many contacts of 3xx responses one call tries.
const maxRedirects = 5

// Call calls target, a sip: URI or, with a profile, a tel: URI or a bare number, and
// returns when the call is Connected or has failed. What failed is told by the error:
// *ResponseError, ErrTransactionTimeout, ErrPortMappingUnavailable, ErrMedia, ErrCanceled.
//
// When ctx ends, or Hangup is called, the call is canceled: Call returns after the peer
// has confirmed that (487), or 32 s (64*T1) later if it does not. A call that was
// answered at the same moment is hung up.
func (s *Session) Call(ctx context.Context, target string) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	uri, err := s.parseTarget(target)
	if err != nil {
		return err
	}
	if err := s.begin(Idle, InProgress, ErrNotIdle); err != nil {
		return err
	}
	_ = s.op.lock(context.Background()) // free: nothing else begins before Connected
	ctx, stop := s.joined(ctx, s.hang)
	bye, err := s.call(ctx, uri)
	stop()
	s.op.unlock()
	if err != nil {
		e := because(err)
		e.bye = bye
		_ = s.end(s.c.ctx, e)
	}
	return err
}

// parseTarget reads what is to be called.
func (s *Session) parseTarget(target string) (sip.Uri, error) {
	number, isTel := strings.CutPrefix(target, "tel:")
	if !isTel && strings.Trim(target, "+0123456789*#") == "" && target != "" {
		number, isTel = target, true
	}
	if !isTel {
		return parseURI(target)
	}
	if s.profile == nil {
		return sip.Uri{}, fmt.Errorf("%w: %q needs a profile to say whose number it is", ErrConfig, target)
	}
	number, _, _ = strings.Cut(number, ";")
	number = strings.NewReplacer("-", "", ".", "", "(", "", ")", "").Replace(number) // visual separators
	// RFC 3261 section 19.1.6
	return parseURI(fmt.Sprintf("sip:%s@%s;user=phone", strings.ReplaceAll(number, "#", "%23"), s.profile.aor().Host))
}

// call is Call up to its end; bye says that the peer believes in a call that has failed.
func (s *Session) call(ctx context.Context, target sip.Uri) (bye bool, err error) {
	dst, err := s.nextHop(ctx, target)
	if err != nil {
		return false, err
	}
	media0 := netip.AddrPortFrom(dst.Addr(), 0) // the peer's media port is not known yet
	if err := s.getMappings(ctx, dst, media0, media0, true); err != nil {
		return false, err
	}
	if err := s.startDialog(target); err != nil {
		return false, err
	}
	local := s.describe(false)
	s.mu.Lock()
	s.offered = local
	s.mu.Unlock()
	req, p := s.newInvite(target, media.Marshal(local))
	res, req, dst, err := s.invite2xx(ctx, req, p, dst)
	if err != nil {
		return false, err
	}
	s.establishUAC(res, req.Recipient)
	s.gotTimer(res)
	if err := s.connect(ctx, req, res, p, local); err != nil {
		return true, err
	}
	return false, nil
}

// nextHop is where requests outside of dialogs go: the profile's proxy, or the target.
func (s *Session) nextHop(ctx context.Context, target sip.Uri) (netip.AddrPort, error) {
	if s.profile != nil {
		return s.profile.nextHop(), nil
	}
	return resolver{s.c.cfg.Resolve}.addr(ctx, target)
}

// serviceRoute is what the registrar wants requests outside of dialogs to pass.
func (s *Session) serviceRoute() []sip.Uri {
	if s.profile == nil {
		return nil
	}
	return s.profile.routes()
}

func (s *Session) startDialog(target sip.Uri) error {
	to := sip.Uri{Scheme: "sip", User: target.User, Host: target.Host, Port: target.Port}
	if v, ok := target.UriParams.Get("user"); ok {
		to.UriParams.Add("user", v)
	}
	e := ends{callID: token(), localTag: token(), remote: to}
	if s.profile != nil {
		e.local, e.localName = s.profile.aor(), s.profile.cfg.Account.DisplayName
	} else {
		e.local = sip.Uri{Scheme: "sip", User: anonymous, Host: s.sip.mapping().External.Addr().String()}
	}
	s.mu.Lock()
	s.ends, s.localSeq = e, 1
	s.mu.Unlock()
	return s.c.add(s)
}

// anonymous is the user of a session without a profile (RFC 3323).
const anonymous = "anonymous"

// user is the user of our Contact.
func (s *Session) user() string {
	switch {
	case s.profile != nil:
		return s.profile.aor().User
	case s.invite != nil:
		return s.invite.req.Recipient.User // whoever was called
	}
	return anonymous
}

func (s *Session) newInvite(target sip.Uri, sdp []byte) (*sip.Request, path) {
	p := s.c.sendPath(s.sip)
	req := newRequest(sip.INVITE, target, s.ends, s.localSeq, p, s.serviceRoute())
	req.AppendHeader(s.contact(p))
	s.capable(req)
	for _, h := range s.referHeaders() {
		req.AppendHeader(h)
	}
	if s.c.cfg.PRACK == RequirePRACK {
		req.AppendHeader(sip.NewHeader("Require", extension100rel))
	}
	setBody(req, sdpType, sdp)
	return req, p
}

// capable writes what this end understands, and what it wants of the session timer.
func (s *Session) capable(req *sip.Request) {
	req.AppendHeader(sip.NewHeader("Allow", s.c.cfg.methods()))
	for _, h := range s.c.cfg.supported(req.Method == sip.INVITE && !s.inDialog()) {
		req.AppendHeader(h)
	}
	s.askTimer(req)
}

// invite2xx sends an INVITE until it is accepted, answering challenges and following
// redirections. It returns the 2xx and the INVITE that got it.
func (s *Session) invite2xx(ctx context.Context, req *sip.Request, p path, dst netip.AddrPort) (*sipmsg.Response, *sip.Request, netip.AddrPort, error) {
	var tries attempt
	var contacts []sip.Uri
	tried := map[string]bool{req.Recipient.String(): true}
	cred := s.credentials()
	for {
		if err := cred.authorize(req); err != nil {
			return nil, req, dst, err
		}
		res, err := s.inviteOnce(ctx, req, p, dst)
		if err != nil {
			return nil, req, dst, err
		}
		cred.heard(res)
		switch {
		case res.StatusCode < 300:
			return res, req, dst, nil
		case ctx.Err() != nil:
			return nil, req, dst, canceled(ctx, res)
		case isChallenge(res) && cred != nil:
			if err := cred.learn(&tries, req, res); err != nil {
				return nil, req, dst, err
			}
			req = s.again(req, p)
			continue
		case res.StatusCode == statusIntervalTooSmall && s.raiseTimer(req, res):
			req = s.again(req, p)
			continue
		case s.profile != nil && !s.inDialog() && s.profile.otherFlow(&tries, dst, res):
			req, dst = s.profile.byFlow(s.again(req, p)), s.profile.nextHop()
			continue
		case res.StatusCode < 400 && !s.c.cfg.FailOnRedirect && !s.inDialog():
			contacts = append(contacts, redirects(res)...)
		}
		var next sip.Uri
		if next, contacts = untried(contacts, tried); next.Host == "" {
			return nil, req, dst, responseError(sip.INVITE, res)
		}
		tried[next.String()] = true
		req = s.again(req, p)
		req.Recipient = next
		if dst, err = s.nextHop(ctx, next); err != nil {
			return nil, req, dst, err
		}
	}
}

// again is another INVITE after one that was not accepted, with the next CSeq: what was sent
// in an early dialog of that one has used up numbers.
func (s *Session) again(req *sip.Request, p path) *sip.Request {
	next := again(req, p)
	if p.dialog == nil {
		s.number(next)
	}
	return next
}

// canceled tells a call that was given up from one that was refused meanwhile.
func canceled(ctx context.Context, res *sipmsg.Response) error {
	if res.StatusCode == sip.StatusRequestTerminated {
		return giveUp(ctx)
	}
	return responseError(sip.INVITE, res)
}

// giveUp is ErrCanceled with the reason the caller had.
func giveUp(ctx context.Context) error {
	cause := context.Cause(ctx)
	for _, known := range []error{ErrCanceled, ErrClosed, ErrPortMappingFailed, ErrMedia} {
		if errors.Is(cause, known) {
			return cause
		}
	}
	return fmt.Errorf("%w: %w", ErrCanceled, cause)
}

// redirects are the SIP URIs of a 3xx, best first (RFC 3261 section 8.1.3.4).
func redirects(res *sipmsg.Response) []sip.Uri {
	type candidate struct {
		uri sip.Uri
		q   float64
	}
	var list []candidate
	for _, v := range res.Values("contact") {
		c, ok := sipmsg.ParseAddress(v)
		if !ok || c.URI.Scheme != "sip" {
			continue
		}
		q := 1.0
		if v, has := c.Param("q"); has {
			if n, err := strconv.ParseFloat(v, 64); err == nil {
				q = n
			}
		}
		c.URI.Headers = nil
		list = append(list, candidate{c.URI, q})
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(b.q, a.q) })
	uris := make([]sip.Uri, len(list))
	for i, c := range list {
		uris[i] = c.uri
	}
	return uris
}

// untried takes the first contact that was not called yet; none after maxRedirects.
func untried(contacts []sip.Uri, tried map[string]bool) (sip.Uri, []sip.Uri) {
	for len(contacts) > 0 && len(tried) <= maxRedirects {
		u := contacts[0]
		contacts = contacts[1:]
		if !tried[u.String()] {
			return u, contacts
		}
	}
	return sip.Uri{}, nil
}

// inviteOnce is one INVITE transaction. When ctx ends it cancels, which is possible
// once there was a provisional response (RFC 3261 section 9.1).
func (s *Session) inviteOnce(ctx context.Context, req *sip.Request, p path, dst netip.AddrPort) (*sipmsg.Response, error) {
	if ctx.Err() != nil {
		return nil, giveUp(ctx)
	}
	s.c.stamp(req)
	tx, err := s.c.beginOn(p, dst, req)
	said(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.finish()
	s.mu.Lock()
	s.inviting, s.heard = tx, nil
	var visits chan func() // of those who have to do with early dialogs
	if !s.established {
		s.dialogs, visits = nil, s.visits
	}
	s.mu.Unlock()
	quit := ctx.Done()
	for {
		select {
		case res := <-tx.responses:
			if res.StatusCode >= 200 {
				return res, nil
			}
			if res.StatusCode > sip.StatusTrying && !s.inDialog() {
				if err := s.gotProvisional(ctx, res); err != nil {
					s.drop(err) // as if the user had given the call up
				}
			}
		case visit := <-visits:
			visit()
		case <-s.life.Done(): // the session is over; nobody needs this INVITE any more
			return nil, context.Cause(s.life)
		case <-quit:
			quit = nil
			if s.life.Err() == nil {
				tx.tx.Cancel()
			}
		case err := <-tx.ended:
			if ctx.Err() != nil {
				return nil, giveUp(ctx)
			}
			return nil, tx.failure(err)
		}
	}
}

func (s *Session) inDialog() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.established
}

// ackRecord is the ACK of the last 2xx, for its repetitions (RFC 3261 section 13.2.2.4).
type ackRecord struct {
	cseq uint32
	tag  string
	flow flow
	wire []byte
}

// connect takes the answer of a 2xx: the port manager hears of the peer's address, then
// the ACK goes out, then media flows.
func (s *Session) connect(ctx context.Context, invite *sip.Request, res *sipmsg.Response, p path, local media.Description) error {
	err := context.Cause(ctx)
	if err != nil { // answered at the moment of the CANCEL
		err = giveUp(ctx)
	}
	var remote media.Description
	var agreed media.Agreement
	heard := s.hasHeard(sipmsg.TagOf(res.To)) // a later description says nothing (RFC 3261 section 13.2.1)
	if err == nil && !heard {
		remote, agreed, err = s.readAnswer(ctx, local, res.Body())
	}
	if ackErr := s.sendACK(invite, p); err == nil {
		err = ackErr
	}
	if err == nil && !heard {
		err = s.applyMedia(local, remote, agreed)
	}
	if err != nil {
		return err
	}
	if !s.step(s.connectedState(), res.StatusCode) {
		return endCause(ending{})
	}
	return nil
}

// connectedState is Connected, or Hold if one end wants no audio.
func (s *Session) connectedState() SessionState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onHold || s.remote.Hold() {
		return Hold
	}
	return Connected
}

// sendACK acknowledges a 2xx and remembers how.
func (s *Session) sendACK(invite *sip.Request, p path) error {
	s.mu.Lock()
	e, target, routes := s.ends, *s.target.Clone(), slices.Clone(s.routes)
	s.mu.Unlock()
	ctx := s.c.ctx
	req, dst, err := s.c.route(ctx, sip.ACK, e, invite.CSeq().SeqNo, p, target, routes)
	if err != nil {
		return err
	}
	// RFC 3261 section 13.2.2.4: the credentials of the INVITE.
	for _, k := range authKinds {
		sip.CopyHeaders(k.authorized, invite, req)
	}
	f := flow{p.sock, dst}
	wire, err := s.c.writeACK(f, req)
	s.mu.Lock()
	s.acked = ackRecord{cseq: invite.CSeq().SeqNo, tag: e.remoteTag, flow: f, wire: wire}
	s.mu.Unlock()
	return err
}

// writeACK sends the ACK of a 2xx and returns it.
func (c *Client) writeACK(f flow, ack *sip.Request) ([]byte, error) {
	wire := sipmsg.NewSent(ack).Wire
	if err := c.stack.WriteAck(f.sock.sock, wire, f.peer); err != nil {
		return nil, notSent(sip.ACK, err)
	}
	return wire, nil
}

// stray2xx handles a 2xx that no transaction waits for: it is repeated because the ACK was
// lost, or it is of another branch of a forked INVITE, which is ended at once. It is false
// if the 2xx is neither.
func (s *Session) stray2xx(res *sipmsg.Response) bool {
	tag := sipmsg.TagOf(res.To)
	s.mu.Lock()
	a, established := s.acked, s.established
	s.mu.Unlock()
	switch {
	case res.CSeq.Number != a.cseq || len(a.wire) == 0:
		return false // not acknowledged yet
	case tag == a.tag:
		_ = s.c.stack.Write(a.flow.sock.sock, a.wire, a.flow.peer)
	case established:
		s.c.spawn(func(ctx context.Context) { s.endFork(ctx, res) })
	}
	return true
}

// endFork acknowledges and ends a dialog that is one too many (RFC 3261 section 13.2.2.4).
func (s *Session) endFork(ctx context.Context, res *sipmsg.Response) {
	target, ok := firstContact(res)
	s.mu.Lock()
	e, h := s.ends, s.sip
	s.mu.Unlock()
	if !ok || h == nil {
		return
	}
	e.remoteTag = sipmsg.TagOf(res.To)
	routes := recordRoutes(res)
	slices.Reverse(routes)
	p := s.c.sendPath(h)
	ack, dst, err := s.c.route(ctx, sip.ACK, e, res.CSeq.Number, p, target, slices.Clone(routes))
	if err != nil {
		return
	}
	_, _ = s.c.writeACK(flow{p.sock, dst}, ack)
	bye, dst, err := s.c.route(ctx, sip.BYE, e, res.CSeq.Number+1, p, target, routes)
	if err == nil {
		_, _, _ = s.c.exchange(ctx, p, dst, bye, s.credentials())
	}
}
