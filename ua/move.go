package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Renew asks the port manager anew for every port of a call and tells the peer where they
// are now, in the Contact and the session description of a re-INVITE: after the NAT has
// changed a mapping that nobody noticed, or the client's address. What the manager gives
// stays also if the peer refuses.
func (s *Session) Renew(ctx context.Context) error {
	return s.renew(ctx, reoffer{same: true, anew: true})
}

// renewMappings puts new mappings in the place of those the session holds, all or none. The
// session's lock is held.
func (s *Session) renewMappings(ctx context.Context) error {
	pm := s.manager()
	var fresh []*held
	for _, old := range s.mappings() {
		m := old.mapping()
		w := want{typ: m.Type, remote: m.Remote, changed: s.mappingChanged, instead: old}
		switch {
		case m.Type == AudioRTP:
			w.first = s.firstRTP
		case m.Type == AudioRTCP:
			w.first, w.near = s.firstRTCP, fresh[len(fresh)-1].mapping().Internal
		}
		h, err := s.c.getMapping(ctx, pm, w)
		if err != nil {
			for i, h := range fresh {
				s.c.replace(h, s.mappings()[i])
			}
			return err
		}
		fresh = append(fresh, h)
	}
	for _, h := range fresh {
		s.adopt(h)
	}
	return nil
}

// adopt uses a mapping instead of the one of its type, its socket included.
func (s *Session) adopt(h *held) {
	s.mu.Lock()
	var into **held
	var socket *movable
	switch h.mapping().Type {
	case SIP:
		into = &s.sip
	case AudioRTP:
		into, socket = &s.rtp, s.sockets[0]
	default:
		into, socket = &s.rtcp, s.sockets[1]
	}
	old := *into
	*into = h
	s.mu.Unlock()
	if socket != nil && h.media != old.media {
		socket.move(h.media.take())
	}
	s.c.replace(old, h)
}

// Move tells the client that its host has another address now: its SIP port is bound there,
// the old sockets are closed, profiles ask their port managers and register anew, and calls
// and subscriptions of either kind are renewed, each in the order in which they were made. Calls that are not yet
// established end with ErrMoved: nobody can tell their peers. The address of the present
// moves nothing, and asks all the same. The error is that of whatever failed; profiles go on
// trying.
func (c *Client) Move(ctx context.Context, to netip.Addr) error {
	ctx, leave, err := c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	to = to.Unmap()
	if !to.IsValid() || to.IsUnspecified() || to.IsMulticast() {
		return fmt.Errorf("%w: the client cannot move to %q", ErrConfig, to)
	}
	if err := c.moving.lock(ctx); err != nil {
		return err
	}
	defer c.moving.unlock()
	moved, err := c.rebind(ctx, to)
	if err != nil {
		return err
	}
	c.mu.Lock()
	sessions, subs, watchers := c.listSessions(), c.listSubscriptions(), c.listWatchers()
	var flows []*Profile
	for _, p := range c.profiles {
		flows = append(flows, p.flows...)
	}
	c.mu.Unlock()
	var steps []func(context.Context) error
	for _, p := range flows {
		steps = append(steps, p.renew)
	}
	for _, s := range sessions {
		steps = append(steps, func(ctx context.Context) error { return s.moved(ctx, moved) })
	}
	for _, s := range subs {
		steps = append(steps, s.renew)
	}
	for _, s := range watchers {
		steps = append(steps, s.renew)
	}
	errs := make([]error, len(steps))
	oneByOne(ctx, len(steps), func(ctx context.Context, i int) { errs[i] = steps[i](ctx) })
	return errors.Join(errs...)
}

// rebind opens the SIP sockets on another address and closes those of the present.
func (c *Client) rebind(ctx context.Context, to netip.Addr) (moved bool, err error) {
	c.sipMu.Lock()
	from, old := c.cfg.LocalAddr, c.sips
	if c.dynamic != nil {
		old = append(old[:len(old):len(old)], c.dynamic)
	}
	c.sipMu.Unlock()
	switch {
	case len(old) == 0:
		return false, ErrNotStarted
	case from == to:
		return false, nil
	}
	sip, err := c.openSIP(ctx, netip.AddrPortFrom(to, old[0].local.Port()))
	if err != nil {
		return false, err
	}
	var dynamic *port
	if c.cfg.Asymmetric {
		if dynamic, err = c.openDynamic(ctx, to); err != nil {
			_ = c.stack.Shut(sip.sock)
			return false, err
		}
	}
	c.sipMu.Lock()
	if c.cfg.MediaAddr == from {
		c.cfg.MediaAddr = to
	}
	c.cfg.LocalAddr, c.sips, c.dynamic = to, []*port{sip}, dynamic
	c.sipMu.Unlock()
	for _, p := range old {
		_ = c.stack.Shut(p.sock) // the address is gone, so may be the socket
	}
	return true, nil
}

// moved renews a call that is established and ends another one, if the address is a new one.
func (s *Session) moved(ctx context.Context, isNew bool) error {
	s.mu.Lock()
	up := (s.state == Connected || s.state == Hold) && s.pending == nil
	over := s.ending || s.state == Disconnected
	s.mu.Unlock()
	switch {
	case over:
		return nil
	case up:
		return s.Renew(ctx)
	case !isNew:
		return nil
	}
	return s.end(ctx, ending{reason: Failed, err: ErrMoved})
}

// renew registers a flow again by a mapping that the port manager is asked for anew.
func (p *Profile) renew(ctx context.Context) error {
	ctx, done, err := p.operate(ctx)
	if err != nil {
		return err
	}
	defer done()
	p.mu.Lock()
	if !p.enabled {
		p.mu.Unlock()
		return nil
	}
	p.stop()
	p.mu.Unlock()
	<-p.stopped
	p.mu.Lock()
	if !p.enabled { // it was rejected meanwhile
		p.mu.Unlock()
		return nil
	}
	p.life, p.stop = context.WithCancel(p.c.ctx)
	p.stopped = make(chan struct{})
	p.mu.Unlock()
	wait, err := p.reregister(ctx)
	if ctx.Err() != nil { // the caller has gone, the registration goes on
		wait = max(wait, time.Millisecond)
	}
	if wait == 0 || !p.c.spawn(func(context.Context) { p.run(wait) }) {
		p.disabled()
	}
	return err
}

// reregister is attempt with a new mapping.
func (p *Profile) reregister(ctx context.Context) (time.Duration, error) {
	old := p.held()
	if old == nil {
		return p.attempt(ctx)
	}
	h, err := p.c.getMapping(ctx, p.owner.manager(), want{typ: SIP, remote: p.hop(), changed: p.mappingChanged, instead: old})
	p.mu.Lock()
	p.mapping = h
	p.mu.Unlock()
	if err != nil {
		p.c.release(old)
		return p.failed(ctx, nil, err), err
	}
	p.c.replace(old, h)
	return p.attempt(ctx)
}
