package ua

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/inturn"
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// Client is a SIP user agent: one SIP port, any number of profiles and sessions. Make it
// with New; its methods may be called from any goroutine.
type Client struct {
	cfg     Config
	log     *slog.Logger
	ctr     counters
	stack   *sipstack.Stack
	salt    uint64 // of tags
	gate    *gate
	moving  oplock // held by Move
	events  inturn.Queue[Event]
	notices inturn.Queue[*notice]

	ctx    context.Context // of everything that goes on
	cancel func()          // with ErrClosed for its cause
	wg     sync.WaitGroup  // goroutines of profiles and sessions

	sipMu   sync.Mutex
	sips    []*port // the first is the client's own
	dynamic *port   // Asymmetric

	rngMu    sync.Mutex
	rng      *rand.Rand
	nextPair int    // MediaInTurn
	made     uint64 // sessions

	mu           sync.Mutex
	started      bool
	closed       bool
	profiles     []*Profile
	sessions     map[string]*Session      // by sessionKey
	invites      map[string]*Session      // incoming ones, by mergeKey
	subs         map[string]*Subscription // by sessionKey
	subsMade     uint64
	watchers     map[string]*ServerSubscription // by sessionKey
	publications map[*Publication]bool

	referrals referrals
	gone      gone
}

// New makes a client. It opens nothing; Start does.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: cfg.Logger, events: inturn.Queue[Event]{Call: cfg.OnEvent, Stays: true}, sessions: map[string]*Session{}, invites: map[string]*Session{}}
	ctx, cancel := context.WithCancelCause(context.Background())
	c.ctx, c.cancel = ctx, func() { cancel(ErrClosed) }
	c.events.Call, c.notices.Call = guarded(c, cfg.OnEvent), guarded(c, (*notice).start)
	c.gate = newGate(c, cfg.PortManagerTimeout)
	c.stack, c.salt, c.moving = newStack(c), newSalt(), newOplock()
	c.rng = rand.New(rand.NewPCG(cfg.Seed, addrHash(netip.AddrPortFrom(cfg.LocalAddr, cfg.SIPPort))))
	return c, nil
}

// Start opens the SIP port and, with Asymmetric, the port that requests are sent from.
func (c *Client) Start(ctx context.Context) error {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return ErrClosed
	case c.started:
		c.mu.Unlock()
		return ErrAlreadyStarted
	}
	c.started = true
	c.mu.Unlock()
	_, err := c.sipPort(ctx, netip.AddrPortFrom(c.cfg.LocalAddr, c.cfg.SIPPort))
	if err == nil && c.cfg.Asymmetric {
		err = c.startDynamic(ctx)
	}
	if err != nil {
		_ = c.Close()
	}
	return err
}

func (c *Client) startDynamic(ctx context.Context) error {
	p, err := c.openDynamic(ctx, c.internalAddr(netip.AddrPort{}).Addr())
	if err != nil {
		return err
	}
	c.sipMu.Lock()
	defer c.sipMu.Unlock()
	c.dynamic = p
	return nil
}

// Addr is the address of the SIP port; it is not valid before Start.
func (c *Client) Addr() netip.AddrPort {
	c.sipMu.Lock()
	defer c.sipMu.Unlock()
	if len(c.sips) == 0 {
		return netip.AddrPort{}
	}
	return c.sips[0].local
}

// Stats returns the counters of this moment.
func (c *Client) Stats() Stats { return c.ctr.snapshot(c.stack.Stats) }

// Close ends everything at once: calls without a BYE, registrations without a word to the
// registrar. Mappings are released. It returns when nothing of the client runs any more,
// save for a call to a port manager that does not heed its context.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	sessions, profiles := c.listSessions(), slices.Clone(c.profiles)
	subs, watchers, publications := c.listSubscriptions(), c.listWatchers(), c.listPublications()
	c.mu.Unlock()
	c.cancel()
	for _, s := range sessions {
		s.shutdown()
	}
	for _, s := range subs {
		s.shutdown()
	}
	for _, s := range watchers {
		s.shutdown()
	}
	for _, u := range publications {
		u.shutdown()
	}
	for _, p := range profiles {
		p.shutdown()
	}
	c.wg.Wait()
	c.notices.Wait()
	_ = c.stack.Close() // of sockets; there is nothing to be done about an error
	c.events.Wait()
	return nil
}

// Shutdown hangs up, ends subscriptions, unregisters and closes: sessions, publications,
// subscriptions of others, our own, and then profiles, each in the order in which they were
// made, without waiting for one's answer before the next is told. It takes as long as the
// peers take, or until ctx ends.
func (c *Client) Shutdown(ctx context.Context) error {
	if c.gate.inside(ctx) {
		return ErrReentrant
	}
	c.mu.Lock()
	sessions, profiles := c.listSessions(), slices.Clone(c.profiles)
	subs, watchers, publications := c.listSubscriptions(), c.listWatchers(), c.listPublications()
	c.mu.Unlock()
	oneByOne(ctx, len(sessions), func(ctx context.Context, i int) { _ = sessions[i].Hangup(ctx) })
	oneByOne(ctx, len(publications), func(ctx context.Context, i int) { _ = publications[i].Remove(ctx) })
	oneByOne(ctx, len(watchers), func(ctx context.Context, i int) { _ = watchers[i].Terminate(ctx, "probation", 0) })
	oneByOne(ctx, len(subs), func(ctx context.Context, i int) { _ = subs[i].Unsubscribe(ctx) })
	oneByOne(ctx, len(profiles), func(ctx context.Context, i int) { _ = profiles[i].Disable(ctx) }) // an error if it is not enabled
	return c.Close()
}

// listSessions is in the order in which they were made. c.mu is held.
func (c *Client) listSessions() []*Session {
	list := make([]*Session, 0, len(c.sessions))
	for _, s := range c.sessions {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Session) int { return cmp.Compare(a.made, b.made) })
	return list
}

// enter is the beginning of every operation: it refuses what cannot be, and gives a
// context that ends with the client.
func (c *Client) enter(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if c.gate.inside(ctx) {
		return nil, nil, ErrReentrant
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, nil, ErrClosed
	case !c.started:
		return nil, nil, ErrNotStarted
	}
	c.wg.Add(1)
	if ctx == context.Background() {
		return c.ctx, c.wg.Done, nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
		c.wg.Done()
	}, nil
}

// spawn runs f on a goroutine that Close waits for; the context ends with the client.
func (c *Client) spawn(f func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	f = guarded(c, f)
	c.wg.Go(func() { f(c.ctx) })
	return true
}

func (c *Client) emit(e Event) {
	c.events.Put(e)
	if _, ok := e.(SessionEvent); ok && len(c.cfg.Notifier.Packages) > 0 {
		c.callsChanged()
	}
}

// sendPath is how requests with the mapping's address leave.
func (c *Client) sendPath(h *held) path {
	p := path{sock: h.sip, via: h.mapping().External, rport: c.cfg.Rport}
	c.sipMu.Lock()
	defer c.sipMu.Unlock()
	if c.dynamic != nil {
		p.sock = c.dynamic
	}
	return p
}

// exchange sends a request that is not an INVITE, answers challenges and returns the
// final response. Other than 2xx is not an error here.
func (c *Client) exchange(ctx context.Context, p path, dst netip.AddrPort, req *sip.Request, cred *credentials) (*sip.Request, *sipmsg.Response, error) {
	return c.exchangeWith(ctx, p, dst, req, cred, func(*sip.Request, *sipmsg.Response) {})
}

// exchangeWith is exchange, and lets amend change the request that answers a challenge.
func (c *Client) exchangeWith(ctx context.Context, p path, dst netip.AddrPort, req *sip.Request, cred *credentials, amend func(next *sip.Request, challenge *sipmsg.Response)) (*sip.Request, *sipmsg.Response, error) {
	var tries attempt
	for {
		if err := cred.authorize(req); err != nil {
			return req, nil, err
		}
		res, err := c.transact(ctx, p, dst, req)
		if err == nil {
			cred.heard(res)
		}
		if err != nil || !isChallenge(res) || cred == nil {
			return req, res, err
		}
		if err := cred.learn(&tries, req, res); err != nil {
			return req, res, err
		}
		req = again(req, p)
		amend(req, res)
	}
}

// transact is one transaction that is not an INVITE's.
func (c *Client) transact(ctx context.Context, p path, dst netip.AddrPort, req *sip.Request) (*sipmsg.Response, error) {
	c.stamp(req)
	tx, err := c.beginOn(p, dst, req)
	said(ctx)
	if err != nil {
		return nil, err
	}
	return c.await(ctx, tx)
}

// await waits for the final response of a transaction that is not an INVITE's.
func (c *Client) await(ctx context.Context, tx *clientTx) (*sipmsg.Response, error) {
	defer tx.finish()
	for {
		select {
		case res := <-tx.responses:
			if res.StatusCode >= 200 {
				return res, nil
			}
		case err := <-tx.ended:
			return nil, tx.failure(err)
		case <-ctx.Done():
			return nil, fmt.Errorf("ua: %s to %s: %w", tx.req.Method, tx.flow.peer, context.Cause(ctx))
		}
	}
}

// stamp adds User-Agent.
func (c *Client) stamp(req *sip.Request) {
	if c.cfg.UserAgent != "" && req.GetHeader("User-Agent") == nil {
		req.AppendHeader(sip.NewHeader("User-Agent", c.cfg.UserAgent))
	}
}
