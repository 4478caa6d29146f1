package ua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// statusConditionalRequestFailed has no name in sipgo (RFC 3903 section 11.2.1).
const statusConditionalRequestFailed = 412

// PublishConfig says what to publish (RFC 3903). Event, ContentType and Body are required.
type PublishConfig struct {
	Target      string // whose state, a sip: URI; empty is the account's own
	Event       string // the event package, such as "presence"
	ContentType string
	Body        []byte
	// Expires is what is asked for, in whole seconds; 0 is an hour.
	Expires time.Duration
	// NoRetry makes a refresh that fails the end. Otherwise the state is published anew, after
	// the times of the profile's RetryBase and RetryMax.
	NoRetry bool

	to sip.Uri
}

func (c PublishConfig) withDefaults(p *Profile) (PublishConfig, error) {
	c.to = p.aor()
	if c.Target != "" {
		to, err := parseURI(c.Target)
		if err != nil {
			return c, fmt.Errorf("%w: Target: %w", ErrConfig, err)
		}
		c.to = to
	}
	if c.Expires == 0 {
		c.Expires = time.Hour
	}
	switch {
	case !sipmsg.IsToken(c.Event):
		return c, fmt.Errorf("%w: Event %q", ErrConfig, c.Event)
	case c.Expires < time.Second || c.Expires%time.Second != 0:
		return c, fmt.Errorf("%w: Expires %v is not a number of seconds", ErrConfig, c.Expires)
	}
	return c, checkState(c.ContentType, c.Body)
}

// checkState refuses what is no state to publish.
func checkState(contentType string, body []byte) error {
	if contentType == "" || strings.ContainsAny(contentType, "\r\n") || len(body) == 0 {
		return fmt.Errorf("%w: a state needs a content type and a body", ErrConfig)
	}
	return nil
}

// Publication is a state that an event state compositor holds for us (RFC 3903). It
// refreshes itself. Its methods may be called from any goroutine, those of a port manager
// excepted.
type Publication struct {
	c       *Client
	profile *Profile
	made    uint64
	callID  string

	life    context.Context
	stop    context.CancelFunc
	stopped chan struct{} // closed when run has ended
	kick    chan struct{}
	op      oplock // held by Modify, Remove and what run does; guards what follows

	cfg  PublishConfig
	cseq uint32
	etag string // empty: nothing is published
	next time.Time
	over bool
	pace
}

// PublicationEvent is what became of a PUBLISH.
type PublicationEvent struct {
	Publication *Publication
	Published   bool          // whether the compositor has the state, as far as we know
	ETag        string        // by which it knows it
	Expires     time.Duration // Published: how long
	Code        int           // of the response that caused it, or 0
	Err         error         // why it is not
	Retry       time.Duration // when PUBLISH is sent again, if it is for Err
}

func (PublicationEvent) event() {}

// Publish sends a PUBLISH and returns when it was accepted. For each PUBLISH the profile's
// port manager is asked for a SIP mapping, which is released again. After an error nothing is
// published.
func (p *Profile) Publish(ctx context.Context, cfg PublishConfig) (*Publication, error) {
	cfg, err := cfg.withDefaults(p)
	if err != nil {
		return nil, err
	}
	ctx, leave, err := p.c.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	u := &Publication{
		c: p.c, profile: p, callID: token(), cfg: cfg, op: newOplock(), pace: p.newPace(),
		stopped: make(chan struct{}), kick: make(chan struct{}, 1),
	}
	if err := u.publish(ctx, cfg.Body); err != nil {
		u.tell(PublicationEvent{Err: err})
		return nil, err
	}
	u.life, u.stop = context.WithCancel(p.c.ctx)
	p.c.mu.Lock()
	closed := p.c.closed
	if !closed {
		if p.c.publications == nil {
			p.c.publications = map[*Publication]bool{}
		}
		p.c.subsMade++
		u.made = p.c.subsMade
		p.c.publications[u] = true
		p.c.wg.Go(u.run)
	}
	p.c.mu.Unlock()
	if closed {
		u.stop()
		return nil, ErrClosed
	}
	return u, nil
}

// publish sends a PUBLISH: with a body it is a new state, without one a refresh (RFC 3903
// section 4.1). u.op is held, or nobody knows u yet.
func (u *Publication) publish(ctx context.Context, body []byte) error {
	res, err := u.exchange(ctx, body, u.cfg.Expires)
	if err == nil && res.StatusCode == statusConditionalRequestFailed && u.etag != "" { // RFC 3903 section 5: it is no longer there
		u.etag = ""
		res, err = u.exchange(ctx, u.cfg.Body, u.cfg.Expires)
	}
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return responseError(sip.PUBLISH, res)
	}
	etag, ok := res.Value("sip-etag")
	if !ok || !sipmsg.IsToken(etag) { // RFC 3903 section 6: a 200 has one
		return fmt.Errorf("ua: PUBLISH: %d without a SIP-ETag", res.StatusCode)
	}
	granted := u.cfg.Expires
	if n, ok := seconds(res, "expires"); ok && n > 0 {
		granted = min(granted, time.Duration(n)*time.Second)
	}
	u.etag, u.failures = etag, 0
	u.next = time.Now().Add(u.refreshAfter(granted))
	u.tell(PublicationEvent{Published: true, ETag: etag, Expires: granted, Code: res.StatusCode})
	return nil
}

func (u *Publication) tell(e PublicationEvent) {
	e.Publication = u
	u.c.emit(e)
}

// exchange sends PUBLISH until it is answered other than by a challenge or by 423.
func (u *Publication) exchange(ctx context.Context, body []byte, expires time.Duration) (*sipmsg.Response, error) {
	h, err := u.c.getMapping(ctx, u.profile.manager(), want{typ: SIP, remote: u.profile.nextHop()})
	if err != nil {
		return nil, err
	}
	defer u.c.release(h)
	for try := 0; ; try++ {
		res, err := u.exchangeOnce(ctx, h, body, expires)
		if err != nil || res.StatusCode != sip.StatusIntervalToBrief || try == 2 || expires == 0 {
			return res, err
		}
		least, ok := seconds(res, "min-expires") // RFC 3903 section 5
		if !ok || time.Duration(least)*time.Second <= expires {
			return res, nil
		}
		expires = time.Duration(least) * time.Second
		u.cfg.Expires = expires
	}
}

func (u *Publication) exchangeOnce(ctx context.Context, h *held, body []byte, expires time.Duration) (*sipmsg.Response, error) {
	p := u.c.sendPath(h)
	u.cseq++
	req := newRequest(sip.PUBLISH, u.cfg.to, u.profile.ends(u.callID, u.cfg.to), u.cseq, p, u.profile.routes())
	req.AppendHeader(sip.NewHeader("Event", u.cfg.Event))
	req.AppendHeader(sip.NewHeader("Expires", wholeSeconds(expires)))
	if u.etag != "" {
		req.AppendHeader(sip.NewHeader("SIP-If-Match", u.etag))
	}
	if len(body) > 0 {
		setBody(req, u.cfg.ContentType, body)
	}
	last, res, err := u.profile.exchange(ctx, p, req)
	u.cseq = max(u.cseq, last.CSeq().SeqNo)
	return res, err
}

// run refreshes in time.
func (u *Publication) run() {
	defer close(u.stopped)
	if u.op.lock(u.life) != nil {
		return
	}
	t := time.NewTimer(time.Until(u.next))
	u.op.unlock()
	defer t.Stop()
	for {
		select {
		case <-u.life.Done():
			return
		case <-t.C:
		case <-u.kick:
		}
		if u.op.lock(u.life) != nil {
			return
		}
		if !u.next.After(time.Now()) {
			u.refresh(u.life)
		}
		over, wait := u.over, time.Until(u.next)
		u.op.unlock()
		if over {
			u.c.forgetPublication(u)
			u.stop()
			return
		}
		t.Reset(wait)
	}
}

// refresh keeps the state, or publishes it anew. u.op is held.
func (u *Publication) refresh(ctx context.Context) {
	var body []byte
	if u.etag == "" {
		body = u.cfg.Body
	}
	err := u.publish(ctx, body)
	if err == nil || ctx.Err() != nil {
		return
	}
	e := PublicationEvent{Err: err}
	var r *ResponseError
	refused := errors.As(err, &r)
	if refused {
		e.Code = r.Code
	}
	if u.over = u.cfg.NoRetry || errors.Is(err, ErrAuthentication) || errors.Is(err, ErrMessageTooLarge); !u.over {
		e.Retry = u.backoff()
		if refused {
			e.Retry = max(e.Retry, r.RetryAfter)
		}
		u.next = time.Now().Add(e.Retry)
	}
	u.tell(e)
}

// begin is the beginning of an operation, which done ends.
func (u *Publication) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, leave, err := u.c.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := u.op.lock(ctx); err != nil {
		leave()
		return nil, nil, err
	}
	if u.over {
		u.op.unlock()
		leave()
		return nil, nil, fmt.Errorf("%w: the publication is over", ErrState)
	}
	return ctx, func() { u.op.unlock(); leave() }, nil
}

// Modify publishes another state in place of the one before. After an error the compositor
// may have either; the next refresh is as it would have been.
func (u *Publication) Modify(ctx context.Context, contentType string, body []byte) error {
	if err := checkState(contentType, body); err != nil {
		return err
	}
	ctx, done, err := u.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	u.cfg.ContentType, u.cfg.Body = contentType, body
	err = u.publish(ctx, body)
	if err != nil {
		u.tell(PublicationEvent{Published: u.etag != "", ETag: u.etag, Err: err})
	}
	u.wake()
	return err
}

func (u *Publication) wake() {
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// ETag is by what the compositor knows the state; empty if it has none.
func (u *Publication) ETag() string {
	_ = u.op.lock(context.Background())
	defer u.op.unlock()
	return u.etag
}

// Remove takes the state back (Expires: 0). Afterwards the publication is over, whatever the
// compositor says.
func (u *Publication) Remove(ctx context.Context) error {
	ctx, done, err := u.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	u.stop()
	<-u.stopped
	u.over = true
	u.c.forgetPublication(u)
	if u.etag == "" {
		said(ctx)
		return nil
	}
	res, err := u.exchange(ctx, nil, 0)
	if err == nil && res.StatusCode >= 300 && res.StatusCode != statusConditionalRequestFailed { // it is gone already
		err = responseError(sip.PUBLISH, res)
	}
	u.etag = ""
	u.tell(PublicationEvent{Err: err})
	return err
}

// shutdown ends the publication without a word to the compositor.
func (u *Publication) shutdown() {
	u.stop()
	<-u.stopped
}

func (c *Client) forgetPublication(u *Publication) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.publications, u)
}

// listPublications is in the order in which they were made. c.mu is held.
func (c *Client) listPublications() []*Publication {
	list := make([]*Publication, 0, len(c.publications))
	for u := range c.publications {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b *Publication) int { return cmp.Compare(a.made, b.made) })
	return list
}
