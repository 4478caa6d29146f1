package ua

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// register sends REGISTER until it is answered other than by a challenge or by 423.
func (p *Profile) register(ctx context.Context, h *held, expires time.Duration) (*sipmsg.Response, error) {
	for range 2 {
		res, err := p.registerOnce(ctx, h, expires)
		if err != nil || res.StatusCode != sip.StatusIntervalToBrief {
			return res, err
		}
		least, ok := seconds(res, "min-expires") // RFC 3261 section 10.2.8
		if !ok || time.Duration(least)*time.Second <= expires {
			return res, nil
		}
		expires = time.Duration(least) * time.Second
	}
	return p.registerOnce(ctx, h, expires)
}

// registerLearning registers again when the answer teaches another Contact, or refuses
// outbound.
func (p *Profile) registerLearning(ctx context.Context, h *held) (*sipmsg.Response, error) {
	for {
		res, err := p.register(ctx, h, p.cfg.Expires)
		if err != nil {
			return res, err
		}
		learned := res.StatusCode < 300 && p.learn(p.c.sendPath(h), res)
		if !learned && !p.refused(res) {
			return res, nil
		}
	}
}

func (p *Profile) registerOnce(ctx context.Context, h *held, expires time.Duration) (*sipmsg.Response, error) {
	path := p.c.sendPath(h)
	p.mu.Lock()
	p.cseq++
	cseq := p.cseq
	p.mu.Unlock()
	uri := sip.Uri{Scheme: "sip", Host: p.cfg.Account.uri.Host} // RFC 3261 section 10.2: no user
	req := newRequest(sip.REGISTER, uri, p.ends(p.callID, p.aor()), cseq, path, nil)
	seconds := strconv.Itoa(int(expires / time.Second))
	p.writeContacts(req, path, seconds)
	last, res, err := p.c.exchangeWith(ctx, path, p.hop(), req, p.cred, func(next *sip.Request, challenge *sipmsg.Response) {
		if expires > 0 && p.learn(path, challenge) {
			p.writeContacts(next, path, seconds)
		}
	})
	p.mu.Lock()
	p.cseq = max(p.cseq, last.CSeq().SeqNo)
	if err == nil && res.StatusCode < 300 {
		p.bound = p.bound[len(p.bound)-1:] // the others have been removed
	}
	p.mu.Unlock()
	return res, err
}

// succeeded notes what the registrar granted and says when to refresh.
func (p *Profile) succeeded(h *held, res *sipmsg.Response) time.Duration {
	contact := p.contactAt(p.c.sendPath(h))
	granted := p.granted(res, contact)
	p.agree(res, contact)
	p.mu.Lock()
	p.expires, p.failures, p.seen = granted, 0, res.Top.Seen()
	seen, outbound := p.seen, p.outbound
	p.mu.Unlock()
	p.setState(RegistrationEvent{State: Registered, Code: res.StatusCode, Expires: granted, Contact: contact, Seen: seen, Outbound: outbound})
	return p.refreshAfter(granted)
}

// granted is the expiry of our contact: its parameter, else the Expires header field, else
// what we asked for (RFC 3261 section 10.2.4). If no contact is as we wrote it, somebody on
// the way has rewritten ours: a lone one is ours then, and of several the shortest time is
// safe for any of them.
func (p *Profile) granted(res *sipmsg.Response, contact netip.AddrPort) time.Duration {
	var ours, all []time.Duration
	for _, v := range res.Values("contact") {
		a, ok := sipmsg.ParseAddress(v)
		if !ok {
			continue
		}
		text, _ := a.Param("expires")
		n, ok := sipmsg.DeltaSeconds(text)
		if !ok {
			n, ok = seconds(res, "expires")
		}
		d := time.Duration(n) * time.Second
		if !ok || d == 0 {
			d = p.cfg.Expires
		}
		all = append(all, d)
		if p.isOurs(&a, contact) {
			ours = append(ours, d)
		}
	}
	switch {
	case len(ours) > 0:
		return slices.Min(ours)
	case len(all) > 0:
		return slices.Min(all)
	}
	if n, ok := seconds(res, "expires"); ok && n > 0 {
		return time.Duration(n) * time.Second
	}
	return p.cfg.Expires
}

// refreshAfter leaves time for a REGISTER to fail and be tried again before the binding
// expires, and less than that of a short one; jitter keeps a thousand phones apart.
func (p *Profile) refreshAfter(granted time.Duration) time.Duration {
	return refreshAfter(granted, p.jitter)
}

func refreshAfter(granted time.Duration, jitter func(time.Duration) time.Duration) time.Duration {
	margin := min(granted/2, max(granted/10, sipstack.Timeout+8*time.Second))
	return granted - margin - jitter(margin/4)
}

// jitter is between 0 and d.
func (c *Client) jitter(d time.Duration) time.Duration {
	if d < 1 {
		return 0
	}
	return time.Duration(c.uint64() % uint64(d))
}

// failed sets the state and says when to try again; 0 is never.
func (p *Profile) failed(ctx context.Context, res *sipmsg.Response, err error) time.Duration {
	p.down()
	e := RegistrationEvent{State: Error, Err: err}
	if res != nil {
		e.Code = res.StatusCode
	}
	switch {
	case ctx.Err() != nil:
		p.setState(e)
		return 0
	case errors.Is(err, ErrMessageTooLarge): // trying again would make it no smaller
		e.State = NeverSent
		p.setState(e)
		return 0
	case permanent(res, err):
		e.State = Rejected
		p.setState(e)
		return 0
	case p.cfg.NoRetry:
		p.setState(e)
		return 0
	}
	e.Retry = p.backoff(err)
	p.setState(e)
	return e.Retry
}

// backoff is after RFC 5626 section 4.5, or what the registrar asked for. With outbound it is
// what that says: the first wait has been doubled once, and is three times as long while
// another flow is up.
func (p *Profile) backoff(err error) time.Duration {
	base := p.cfg.RetryBase
	p.mu.Lock()
	p.failures++
	n := min(p.failures-1, 16)
	p.mu.Unlock()
	if p.regID > 0 {
		n++
		if p.owner.flow().isUp() {
			base *= 3
		}
	}
	wait := min(p.cfg.RetryMax, base<<n)
	wait = wait/2 + p.jitter(wait-wait/2)
	if r, ok := err.(*ResponseError); ok && r.RetryAfter > wait {
		return r.RetryAfter
	}
	return max(wait, time.Millisecond)
}
