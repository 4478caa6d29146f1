package ua

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// ErrTransfer: the peer took the REFER and could not make the call, or never said whether it
// did. The error is a *TransferError.
var ErrTransfer = errors.New("ua: transfer failed")

// TransferError is a transfer that the peer accepted and that did not succeed. It is returned
// as a pointer and is ErrTransfer.
type TransferError struct {
	Code   int    // the last status that the peer reported, 0: none
	Reason string // its reason phrase
	// Ended is why nothing more is to be expected if Code is not final: the reason of the
	// peer, or "no report".
	Ended string
}

func (e *TransferError) Error() string {
	switch {
	case e.Code == 0:
		return "ua: transfer: " + e.Ended
	case e.Code < 200:
		return fmt.Sprintf("ua: transfer: no outcome: %d %s, then %s", e.Code, e.Reason, e.Ended)
	}
	return fmt.Sprintf("ua: transfer: %d %s", e.Code, e.Reason)
}

// Unwrap makes errors.Is(err, ErrTransfer) true.
func (e *TransferError) Unwrap() error { return ErrTransfer }

// TransferEvent is what the peer reports of the call that it was asked to make by Transfer or
// TransferTo.
type TransferEvent struct {
	Session *Session
	Code    int // the status of that call
	Reason  string
	Over    bool // this is the last report
}

func (TransferEvent) event() {}

// Transfer asks the peer to call target (a blind transfer, RFC 5589 section 6), which is what
// Call takes. It returns when the peer reports the outcome: after a success the session is
// hung up, with the error that Hangup gives, else it goes on as it was. Hold comes first if the peer is to hear nothing
// meanwhile. *ResponseError is a REFER that was refused, ErrTransactionTimeout one that nobody
// answered, *TransferError a call that failed.
//
// With Options.NoReferSub the peer need not report: where it agrees, Transfer returns, and
// hangs up, when the REFER is accepted.
func (s *Session) Transfer(ctx context.Context, target string) error {
	uri, err := s.parseTarget(target)
	if err != nil {
		return err
	}
	if len(uri.Headers) > 0 {
		return fmt.Errorf("%w: %q has header fields", ErrConfig, target)
	}
	return s.transfer(ctx, writeReferTo(uri, nil))
}

// TransferTo asks the peer to call the peer of another session and take that session's place
// (an attended transfer, RFC 5589 section 7). It returns as Transfer does; the other session
// is ended by its peer, with the reason Normal.
func (s *Session) TransferTo(ctx context.Context, other *Session) error {
	if other == nil || other == s || other.c != s.c {
		return fmt.Errorf("%w: a call is transferred to another call of the client", ErrConfig)
	}
	d, ok := other.Dialog()
	if !ok || !other.isUp() {
		return fmt.Errorf("%w: the other session is %s", ErrState, other.State())
	}
	return s.transfer(ctx, writeReferTo(other.referable(), &d))
}

// Dialog is the session's dialog as its peer knows it, for a Replaces; false if there is none
// yet.
func (s *Session) Dialog() (Replaces, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Replaces{CallID: s.ends.callID, ToTag: s.ends.remoteTag, FromTag: s.ends.localTag}, s.established
}

// referable is where others reach the session's peer: its address of record through a proxy,
// its Contact where there is none.
func (s *Session) referable() sip.Uri {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.profile != nil {
		return *s.ends.remote.Clone()
	}
	return *s.target.Clone()
}

func (s *Session) transfer(ctx context.Context, to string) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !s.isUp() {
		return fmt.Errorf("%w: session is %s", ErrState, s.State())
	}
	r := s.c.referrals.add(s)
	defer s.c.referrals.remove(r)
	err = s.refer(ctx, r, to)
	if err == nil {
		err = r.wait(ctx)
	}
	if err != nil {
		return err
	}
	return s.Hangup(ctx)
}

// refer sends the REFER.
func (s *Session) refer(ctx context.Context, r *referral, to string) error {
	s.mu.Lock()
	by := s.ends.local.String()
	s.mu.Unlock()
	numbered := func(cseq uint32) { s.c.referrals.number(r, cseq) }
	res, err := s.ask(ctx, sip.REFER, numbered, func(req *sip.Request, p path) {
		req.AppendHeader(s.contact(p))
		req.AppendHeader(sip.NewHeader("Refer-To", to))
		req.AppendHeader(sip.NewHeader("Referred-By", "<"+by+">"))
		if s.c.cfg.NoReferSub { // RFC 4488
			req.AppendHeader(sip.NewHeader("Refer-Sub", "false"))
			req.AppendHeader(sip.NewHeader("Supported", "norefersub"))
		}
	})
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		err := responseError(sip.REFER, res)
		if err.Code == sip.StatusCallTransactionDoesNotExists || err.Code == sip.StatusRequestTimeout { // RFC 3261 section 12.2.1.2
			_ = s.end(s.c.ctx, because(err))
		}
		return err
	}
	sub, _ := res.Value("refer-sub")
	r.silent = s.c.cfg.NoReferSub && isFalse(sub)
	return nil
}

// referrals are the client's transfers under way, by dialog.
type referrals struct {
	mu   sync.Mutex
	list map[string][]*referral
}

// referral is the subscriber's end of the subscription that a REFER makes.
type referral struct {
	s      *Session
	key    string // sessionKey
	peer   string // tag
	silent bool   // no reports will come
	news   chan struct{}

	// referrals.mu guards these.
	ids  []uint32 // CSeq of the REFER, once for each attempt
	last report
	left time.Duration // of the subscription
}

func (l *referrals) add(s *Session) *referral {
	s.mu.Lock()
	r := &referral{s: s, key: sessionKey(s.ends.callID, s.ends.localTag), peer: s.ends.remoteTag, news: make(chan struct{}, 1)}
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list = map[string][]*referral{}
	}
	l.list[r.key] = append(l.list[r.key], r)
	return r
}

func (l *referrals) number(r *referral, cseq uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.ids = append(r.ids, cseq)
}

func (l *referrals) remove(r *referral) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rest []*referral
	for _, other := range l.list[r.key] {
		if other != r {
			rest = append(rest, other)
		}
	}
	if l.list[r.key] = rest; len(rest) == 0 {
		delete(l.list, r.key)
	}
}

// find looks for the transfer that a NOTIFY is about: the id is the CSeq of its REFER, and may
// be left out for the first of a dialog (RFC 3515 section 2.4.6).
func (l *referrals) find(req *sipmsg.Request, id string) *referral {
	n, err := strconv.ParseUint(id, 10, 32)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.list[sessionKey(req.CallID, sipmsg.TagOf(req.To))] {
		if r.peer != sipmsg.TagOf(req.From) || len(r.ids) == 0 {
			continue
		}
		if id == "" {
			return r
		}
		for _, cseq := range r.ids {
			if err == nil && uint64(cseq) == n {
				return r
			}
		}
	}
	return nil
}

// heard notes what a NOTIFY says.
func (l *referrals) heard(r *referral, n report, left time.Duration) {
	l.mu.Lock()
	r.last, r.left = n, left
	l.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (l *referrals) latest(r *referral) (report, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.last, r.left
}

// wait returns when the outcome is known, or nobody will tell it.
func (r *referral) wait(ctx context.Context) error {
	if r.silent {
		return nil
	}
	patience := time.NewTimer(sipstack.Timeout) // Timer N (RFC 6665 section 4.1.2.4)
	defer patience.Stop()
	for {
		select {
		case <-r.news:
		case <-patience.C:
			n, _ := r.s.c.referrals.latest(r)
			return &TransferError{Code: n.code, Reason: n.reason, Ended: "no report"}
		case <-ctx.Done():
			return fmt.Errorf("ua: transfer: %w", context.Cause(ctx))
		}
		n, left := r.s.c.referrals.latest(r)
		switch {
		case n.code/100 == 2:
			return nil
		case n.over():
			return &TransferError{Code: n.code, Reason: n.reason, Ended: n.why}
		}
		patience.Reset(left)
	}
}

// over says whether a report is the last one that matters.
func (n report) over() bool { return n.code >= 200 || n.state == terminated }

// gotReport takes a NOTIFY about a transfer of ours; false if it is about something else.
func (c *Client) gotReport(tx *serverTx) bool {
	event, _ := tx.req.Value("event")
	kind, params, _ := sipmsg.Cut(event, ';')
	id, _ := sipmsg.Param(params, "id")
	if !tx.inDialog || strings.Trim(kind, sipmsg.LWS) != "refer" {
		return false
	}
	r := c.referrals.find(tx.req, id)
	if r == nil {
		return false
	}
	if !r.s.inOrder(tx.req) {
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return true
	}
	n, left, refusal := readReport(tx.req)
	if refusal != nil {
		c.refuse(tx, *refusal)
		return true
	}
	tx.reply(sip.StatusOK, "OK", append(c.server(), r.s.ownContact())...)
	if n.over() {
		c.referrals.remove(r)
	}
	c.emit(TransferEvent{Session: r.s, Code: n.code, Reason: n.reason, Over: n.over()})
	c.referrals.heard(r, n, left)
	return true
}

// readReport reads a NOTIFY about a transfer.
func readReport(req *sipmsg.Request) (report, time.Duration, *Refusal) {
	sub, ok := req.Value("subscription-state")
	state, params, _ := sipmsg.Cut(sub, ';')
	state = strings.ToLower(strings.Trim(state, sipmsg.LWS))
	switch {
	case !ok || !isToken(state):
		return report{}, 0, &Refusal{Code: sip.StatusBadRequest, Reason: "No Subscription-State"}
	case req.MediaType() != sipfrag:
		return report{}, 0, &Refusal{Code: sip.StatusUnsupportedMediaType, Headers: []Header{{"Accept", sipfrag}}}
	}
	status, ok := readFragment(req.Body())
	if !ok {
		return report{}, 0, &Refusal{Code: sip.StatusBadRequest, Reason: "Malformed sipfrag"}
	}
	n := report{code: status.Status, reason: status.Reason, state: state}
	n.why, _ = sipmsg.Param(params, "reason")
	left := defaultReferExpires
	if v, has := sipmsg.Param(params, "expires"); has {
		if s, ok := sipmsg.DeltaSeconds(v); ok {
			left = time.Duration(s) * time.Second
		}
	}
	if n.why == "" {
		n.why = terminated
	}
	return n, left, nil
}

// defaultReferExpires is what a subscription lasts from a NOTIFY on that does not say so.
const defaultReferExpires = 3 * time.Minute

// readFragment reads the status line that the body of a NOTIFY begins with (RFC 3515 section
// 2.4.5).
func readFragment(body []byte) (sipmsg.StartLine, bool) {
	line, _, _ := strings.Cut(string(body), "\n")
	status, ok := sipmsg.ParseStartLine(strings.TrimSuffix(line, "\r"))
	return status, ok && status.Status != 0 && strings.EqualFold(status.Version, sipmsg.Version)
}
