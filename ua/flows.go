package ua

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A profile with several flows is the first of them; each of the others is a profile of its
// own that nobody but the first knows. One registers without the other, with a Call-ID of its
// own.

// newFlows makes the flows of Outbound.Proxies.
func (p *Profile) newFlows() {
	p.owner, p.flows = p, []*Profile{p}
	if !p.cfg.Outbound.on() {
		return
	}
	p.regID = 1
	p.dice = p.newDice()
	for i, proxy := range p.cfg.Outbound.Proxies {
		if i == 0 {
			p.cfg.Proxy = proxy
			continue
		}
		cfg := p.cfg
		cfg.Proxy = proxy
		f := p.c.newFlow(cfg, p.cred)
		f.owner, f.flows, f.regID = p, []*Profile{f}, i+1
		f.dice = f.newDice()
		p.flows = append(p.flows, f)
	}
}

// jitter is between 0 and d. A flow has dice of its own: what it does must not depend on which
// of two that act at one moment comes first.
func (p *Profile) jitter(d time.Duration) time.Duration {
	if p.dice == nil || d < 1 {
		return p.c.jitter(d)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.dice.Uint64() % uint64(d))
}

// newDice are those of a flow.
func (p *Profile) newDice() *rand.Rand {
	return rand.New(rand.NewPCG(p.c.uint64(), uint64(p.regID)))
}

// each does something to all flows, one by one.
func (p *Profile) each(ctx context.Context, do func(*Profile, context.Context) error) []error {
	if len(p.flows) == 1 {
		return []error{do(p, ctx)}
	}
	errs := make([]error, len(p.flows))
	oneByOne(ctx, len(p.flows), func(ctx context.Context, i int) { errs[i] = do(p.flows[i], ctx) })
	return errs
}

// Enable asks the port manager for the SIP mapping and registers. It returns when the
// registrar has answered, or will not. After an error the profile goes on trying in the
// background, unless it was Rejected or NeverSent, ctx has ended or NoRetry is set: then it is not
// enabled. Of several flows (Outbound.Proxies) each does so, and one that succeeds is enough.
func (p *Profile) Enable(ctx context.Context) error {
	errs := p.each(ctx, (*Profile).enable)
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errs[0]
}

// Disable unregisters (Expires: 0) and releases the mapping. Whatever the registrar says,
// the profile is not registered afterwards as far as it is concerned.
func (p *Profile) Disable(ctx context.Context) error {
	errs := p.each(ctx, (*Profile).disable)
	result := errs[0]
	for _, err := range errs[1:] { // a flow may have been given up before
		if errors.Is(result, ErrState) || result == nil && !errors.Is(err, ErrState) {
			result = err
		}
	}
	return result
}

// shutdown ends the profile without a word to the registrar.
func (p *Profile) shutdown() {
	for _, f := range p.flows {
		f.end()
	}
}

// flow is the one by which requests leave: the first that is up, or the first.
func (p *Profile) flow() *Profile {
	for _, f := range p.flows {
		if f.isUp() {
			return f
		}
	}
	return p
}

func (p *Profile) isUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

func (p *Profile) down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = false
}

// hop is where REGISTER goes.
func (p *Profile) hop() netip.AddrPort {
	if p.cfg.Proxy.IsValid() {
		return p.cfg.Proxy
	}
	return p.cfg.Registrar
}

// nextHop is where requests outside of dialogs go: the proxy of the flow, or else the first of
// the Service-Route, or else the registrar.
func (p *Profile) nextHop() netip.AddrPort { return p.flow().dest() }

func (p *Profile) dest() netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.binding.routes) > 0 && !p.cfg.Proxy.IsValid() {
		if a := sipmsg.Resolve(&p.binding.routes[0]); a.IsValid() {
			return a
		}
	}
	return p.hop()
}

// routes are those of requests outside of dialogs that go to nextHop.
func (p *Profile) routes() []sip.Uri {
	f := p.flow()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.binding.routes
}

// otherFlow says whether a response to a request that went to dst means that it is to be sent
// again, by another flow. The one that failed is registered anew (RFC 5626 section 4.5).
func (p *Profile) otherFlow(a *attempt, dst netip.AddrPort, res *sipmsg.Response) bool {
	if res.StatusCode != statusFlowFailed || a.flows == len(p.flows) {
		return false
	}
	for _, f := range p.flows {
		if f.regID > 0 && f.isUp() && f.dest() == dst {
			a.flows++
			f.down()
			f.emitFlow(res.StatusCode, ErrFlowFailed)
			select {
			case f.lost <- struct{}{}:
			default: // it knows
			}
			return p.flow().isUp() && a.flows < len(p.flows)
		}
	}
	return false
}

// byFlow gives a request that another flow has failed the routes of the one in use.
func (p *Profile) byFlow(req *sip.Request) *sip.Request {
	for req.RemoveHeader("Route") {
	}
	for _, r := range p.routes() {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	return req
}

// exchange sends a request outside of dialogs that is not an INVITE, made with routes, by the
// flow in use, and by another after a 430.
func (p *Profile) exchange(ctx context.Context, at path, req *sip.Request) (*sip.Request, *sipmsg.Response, error) {
	var tries attempt
	for {
		dst := p.nextHop()
		last, res, err := p.c.exchange(ctx, at, dst, req, p.cred)
		if err != nil || !p.otherFlow(&tries, dst, res) {
			return last, res, err
		}
		req = p.byFlow(again(last, at))
	}
}

func (p *Profile) emitFlow(code int, err error) {
	p.c.emit(FlowEvent{Profile: p.owner, Flow: p.regID, Proxy: p.hop(), Code: code, Err: err})
}
