package ua

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// ReferPolicy is what a user agent makes of a REFER (RFC 3515), by which its peer asks it to
// call somebody else.
type ReferPolicy uint8

// The policies. The last two refuse a REFER outside of a dialog with 403.
const (
	ReferUnsupported ReferPolicy = iota // 405: the method is unknown
	ReferDecline                        // 603: it is known, and not for us
	ReferAsk                            // a ReferEvent: Reference.Accept or Reject
	ReferFollow                         // a ReferEvent, and the call is made
)

var referPolicyNames = [...]string{"unsupported", "decline", "ask", "follow"}

// String names the policy.
func (p ReferPolicy) String() string { return name(referPolicyNames[:], uint8(p)) }

// referMethods are what a policy adds to Allow.
func (c Config) referMethods() []string {
	switch c.Refer {
	case ReferUnsupported:
		return nil
	case ReferDecline: // and so there is nothing to be notified of
		return []string{"REFER"}
	}
	return []string{"REFER", "NOTIFY"}
}

// referExtensions are what transfers add to Supported.
func (c Config) referExtensions() []string {
	var list []string
	if c.Replaces {
		list = append(list, "replaces")
	}
	if c.Refer >= ReferAsk {
		list = append(list, "norefersub")
	}
	return list
}

// ReferEvent is a REFER that came in a session and may be followed.
type ReferEvent struct {
	Session   *Session
	Reference *Reference
}

func (ReferEvent) event() {}

// referPatience is how long the response to a REFER waits for Accept or Reject. Then it is
// 202, and the decision is told by NOTIFY (RFC 3515 section 2.4.4).
const referPatience = sipstack.T2

// Reference is a REFER in a session: its peer wants us to call somebody.
type Reference struct {
	Target     string    // the URI to be called
	ReferredBy string    // who wants it, as a Referred-By (RFC 3892); empty if that is not said
	Replaces   *Replaces // the dialog whose place the call is to take; nil: none
	Ignored    []string  // names of header fields that Target should have had, and will not

	s  *Session
	tx *serverTx

	mu       sync.Mutex
	decided  bool
	answered bool          // the REFER has its final response
	decision chan struct{} // closed when it is decided
	reports  *reports      // nil: none are wanted (RFC 4488)
}

// gotRefer answers a REFER by policy.
func (c *Client) gotRefer(tx *serverTx) {
	switch {
	case c.cfg.Refer == ReferDecline:
		c.decline(tx, Refusal{Code: sip.StatusGlobalDecline})
		return
	case !tx.inDialog:
		c.decline(tx, Refusal{Code: sip.StatusForbidden})
		return
	}
	s := c.inDialog(tx)
	if s == nil {
		return
	}
	if !s.inOrder(tx.req) {
		tx.reply(sip.StatusInternalServerError, "CSeq Out of Order")
		return
	}
	r, refusal := s.readRefer(tx)
	switch {
	case refusal != nil:
		c.reject(tx, *refusal)
	case !s.isUp():
		c.decline(tx, Refusal{Code: sip.StatusGlobalDecline})
	default:
		s.refreshTarget(tx.req)
		r.begin()
	}
}

// readRefer reads a REFER, or says why it cannot be followed.
func (s *Session) readRefer(tx *serverTx) (*Reference, *Refusal) {
	to, by := tx.req.Values("refer-to"), tx.req.Values("referred-by")
	_, hasContact := firstContact(tx.req)
	switch {
	case len(to) != 1: // RFC 3515 section 2.4.2
		return nil, &Refusal{Code: sip.StatusBadRequest, Reason: "Not One Refer-To"}
	case len(by) > 1:
		return nil, &Refusal{Code: sip.StatusBadRequest, Reason: "Repeated Referred-By"}
	case tx.req.Malformed("referred-by") != "":
		return nil, &Refusal{Code: sip.StatusBadRequest, Reason: "Malformed Referred-By"}
	case !hasContact:
		return nil, &Refusal{Code: sip.StatusBadRequest, Reason: "Missing Contact"}
	}
	target, err := parseReferTo(to[0])
	switch {
	case err != nil:
		return nil, &Refusal{Code: sip.StatusBadRequest, Reason: "Malformed Refer-To"}
	case target.uri.Scheme != "sip":
		return nil, &Refusal{Code: statusUnsupportedURIScheme}
	case target.method != string(sip.INVITE):
		return nil, &Refusal{Code: sip.StatusGlobalDecline, Reason: "Only INVITE Is Followed"}
	case slices.ContainsFunc(target.require, func(tag string) bool { return !strings.EqualFold(tag, "replaces") }):
		return nil, &Refusal{Code: sip.StatusGlobalDecline, Reason: "Unknown Extension in Refer-To"}
	}
	r := &Reference{
		Target: target.uri.String(), Replaces: target.replaces, Ignored: target.ignored,
		s: s, tx: tx, decision: make(chan struct{}),
	}
	if len(by) == 1 {
		r.ReferredBy = by[0]
	}
	if sub, _ := tx.req.Value("refer-sub"); !isFalse(sub) {
		r.reports = newReports(s, tx.req.CSeq.Number)
	}
	return r, nil
}

// isFalse reads a Refer-Sub (RFC 4488).
func isFalse(referSub string) bool {
	v, _, _ := strings.Cut(referSub, ";")
	return strings.EqualFold(strings.Trim(v, sipmsg.LWS), "false")
}

// isUp says whether the call is up and not about to end.
func (s *Session) isUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ending && (s.state == Connected || s.state == Hold || s.state == Answering && s.pending != nil)
}

// begin tells the user, or follows.
func (r *Reference) begin() {
	c := r.s.c
	c.emit(ReferEvent{Session: r.s, Reference: r})
	if c.cfg.Refer == ReferFollow {
		_ = r.decide()
		c.spawn(func(ctx context.Context) { _, _ = r.follow(ctx) })
		return
	}
	c.spawn(func(ctx context.Context) {
		t := time.NewTimer(referPatience)
		defer t.Stop()
		select {
		case <-t.C:
			if r.isDecided() {
				return
			}
			r.report(report{code: sip.StatusTrying, state: pending})
			r.acknowledge()
		case <-r.decision:
		case <-ctx.Done():
		}
	})
}

// decide takes the decision; only the first counts.
func (r *Reference) decide() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided {
		return fmt.Errorf("%w: the REFER has been decided about", ErrState)
	}
	r.decided = true
	close(r.decision)
	return nil
}

func (r *Reference) isDecided() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decided
}

// takeAnswer says whether the caller may send the response to the REFER.
func (r *Reference) takeAnswer() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.answered
	r.answered = true
	return first
}

// acknowledge accepts the REFER, unless that is done, and lets reports go out.
func (r *Reference) acknowledge() {
	if !r.takeAnswer() {
		return
	}
	c := r.s.c
	extra := append(c.server(), r.s.ownContact())
	if r.reports == nil {
		extra = append(extra, sip.NewHeader("Refer-Sub", "false")) // RFC 4488
	}
	r.tx.reply(sip.StatusAccepted, "Accepted", extra...)
	if r.reports != nil {
		c.spawn(r.reports.run)
	}
}

func (r *Reference) report(n report) {
	if r.reports != nil {
		r.reports.add(n)
	}
}

// await waits for what the peer is told to have left, which is to be the same order each time.
func (r *Reference) await(ctx context.Context, left func(*reports) <-chan struct{}) {
	if r.reports == nil {
		return
	}
	select {
	case <-left(r.reports):
	case <-ctx.Done():
	}
}

// Reject refuses to call. The code is from 300 to 699; when the peer has been told already
// that it would take a while, which is after 4 s, it hears of it by NOTIFY.
func (r *Reference) Reject(ctx context.Context, code int, reason string) error {
	_, leave, err := r.s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	refusal := Refusal{Code: code, Reason: reason}
	if code < 300 || code > 699 {
		return fmt.Errorf("%w: %d refuses nothing", ErrConfig, code)
	}
	if err := r.decide(); err != nil {
		return err
	}
	if r.takeAnswer() {
		r.s.c.decline(r.tx, refusal)
	} else {
		r.report(report{code: code, reason: refusal.reason(), state: terminated, why: "rejected"})
	}
	return nil
}

// Accept calls whom the peer wants us to call, and returns when that call is Connected or has
// failed. The session is as the new call begins; what becomes of it is reported to the peer.
// The old call is put on hold unless it is, stays until the peer hangs up, and is resumed if
// the new one fails (RFC 5589).
func (r *Reference) Accept(ctx context.Context) (*Session, error) {
	ctx, leave, err := r.s.c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := r.decide(); err != nil {
		return nil, err
	}
	return r.follow(ctx)
}

func (r *Reference) follow(ctx context.Context) (*Session, error) {
	r.report(report{code: sip.StatusTrying, state: active})
	r.acknowledge()
	r.await(ctx, func(n *reports) <-chan struct{} { return n.began })
	old := r.s
	held := old.State() == Connected && old.Hold(ctx) == nil
	s, err := old.c.NewSession(old.profile)
	if err == nil {
		old.mu.Lock()
		s.pm = old.pm
		old.mu.Unlock()
		s.asked, s.replaces = r, r.Replaces
		err = s.Call(ctx, r.Target)
	}
	if err == nil {
		r.report(report{code: sip.StatusOK, reason: "OK", state: terminated, why: "noresource"})
		return s, nil
	}
	code, reason := outcomeOf(err)
	r.report(report{code: code, reason: reason, state: terminated, why: "noresource"})
	if held {
		r.await(ctx, func(n *reports) <-chan struct{} { return n.ended })
		if err := old.Resume(ctx); err != nil {
			old.c.log.Warn("resume after REFER", "error", err)
		}
	}
	return s, err
}
