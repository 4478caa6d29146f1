package ua

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/natproof/natproof/internal/sipstack"
)

// binder is MappingRequest.Bind for one request.
type binder struct {
	c    *Client
	ctx  context.Context
	want want

	mu    sync.Mutex
	over  bool
	sips  []*port
	bound []*mediaPort
	sip   *port      // chosen
	media *mediaPort // chosen
}

var errBindOver = errors.New("ua: Bind may be called until GetMapping returns")

func (b *binder) bind(ctx context.Context, internal netip.AddrPort) (Socket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil, errBindOver
	}
	if b.want.typ == SIP {
		p, err := b.c.sipPort(ctx, internal)
		if err != nil {
			return nil, err
		}
		b.sips = append(b.sips, p)
		return p, nil
	}
	m := b.present(internal)
	if m == nil {
		var err error
		if m, err = b.c.openMedia(ctx, internal, b.want); err != nil {
			return nil, err
		}
	}
	b.bound = append(b.bound, m)
	return m, nil
}

// present is the media socket of the mapping that is to be replaced, if it is as good as a
// new one: bound to that address, or to the client's where the choice is left to it.
func (b *binder) present(internal netip.AddrPort) *mediaPort {
	if b.want.instead == nil {
		return nil
	}
	m := b.want.instead.media
	at := b.c.mediaAddr(internal)
	if at.Addr() == m.local.Addr() && (at.Port() == 0 || at == m.local) {
		return m
	}
	return nil
}

// choose settles on the socket with the given internal address, binding it if GetMapping
// did not; the zero address is what was bound last.
func (b *binder) choose(internal netip.AddrPort) error {
	b.mu.Lock()
	none := len(b.sips)+len(b.bound) == 0
	b.mu.Unlock()
	if none {
		if _, err := b.bind(b.ctx, internal); err != nil {
			return err
		}
		internal = netip.AddrPort{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	for _, p := range b.sips {
		if p.local == internal || !internal.IsValid() {
			b.sip = p
		}
	}
	for _, m := range b.bound {
		if m.local == internal || !internal.IsValid() {
			b.media = m
		}
	}
	if b.sip == nil && b.media == nil {
		return fmt.Errorf("internal address %s is not what was bound", internal)
	}
	return nil
}

// discard closes the media sockets that are not kept. SIP sockets are the client's.
func (b *binder) discard(keep *mediaPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	for _, m := range b.bound {
		if m != keep && (b.want.instead == nil || m != b.want.instead.media) {
			m.close()
		}
	}
	b.bound = nil
}

// internalAddr fills the client's address in.
func (c *Client) internalAddr(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsValid() || a.Addr().IsUnspecified() {
		c.sipMu.Lock()
		defer c.sipMu.Unlock()
		return netip.AddrPortFrom(c.cfg.LocalAddr, a.Port())
	}
	return a
}

// mediaAddr fills the address of the client's media in.
func (c *Client) mediaAddr(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsValid() || a.Addr().IsUnspecified() {
		c.sipMu.Lock()
		defer c.sipMu.Unlock()
		return netip.AddrPortFrom(c.cfg.MediaAddr, a.Port())
	}
	return a
}

// sipPort returns the SIP socket on an address; port 0 means the client's first.
func (c *Client) sipPort(ctx context.Context, internal netip.AddrPort) (*port, error) {
	internal = c.internalAddr(internal)
	c.sipMu.Lock()
	defer c.sipMu.Unlock()
	if len(c.sips) > 0 && internal.Port() == 0 {
		return c.sips[0], nil
	}
	if i := slices.IndexFunc(c.sips, func(p *port) bool { return p.local == internal }); i >= 0 {
		return c.sips[i], nil
	}
	p, err := c.openSIP(ctx, internal)
	if err != nil {
		return nil, err
	}
	c.sips = append(c.sips, p)
	return p, nil
}

func (c *Client) openSIP(ctx context.Context, internal netip.AddrPort) (*port, error) {
	conn, err := c.cfg.Listen(ctx, internal)
	if err != nil {
		return nil, fmt.Errorf("ua: listen on %s: %w", internal, err)
	}
	p, err := newPort(conn)
	if err == nil {
		p.sock, err = c.stack.Open(conn)
	}
	if err != nil {
		_ = conn.Close()
		if errors.Is(err, sipstack.ErrClosed) {
			err = ErrClosed
		}
		return nil, fmt.Errorf("ua: listen on %s: %w", internal, err)
	}
	p.sock.User = p
	go c.serve(p)
	return p, nil
}

// serve reads a SIP socket until it is closed or broken.
func (c *Client) serve(p *port) {
	if err := c.stack.Serve(p.sock); err != nil {
		c.log.Warn("SIP socket", "error", err)
		if c.ctx.Err() == nil {
			c.emit(SocketEvent{Local: p.local, Err: err})
		}
	}
}

// dynamicPorts is IANA's range (RFC 6335 section 6).
const firstDynamicPort, lastDynamicPort = 49152, 65535

// openDynamic opens the socket of asymmetric signalling on a port of the seed's choice.
func (c *Client) openDynamic(ctx context.Context, at netip.Addr) (*port, error) {
	var last error
	for range 64 {
		n := uint16(firstDynamicPort + c.intN(lastDynamicPort-firstDynamicPort+1))
		p, err := c.openSIP(ctx, netip.AddrPortFrom(at, n))
		if err == nil {
			return p, nil
		}
		last = err
	}
	return nil, last
}

// openMedia binds a media port: the one asked for, or one of the configured range, even
// for RTP and the next one up for RTCP (RFC 3550 section 11) where that is free.
func (c *Client) openMedia(ctx context.Context, internal netip.AddrPort, w want) (*mediaPort, error) {
	internal = c.mediaAddr(internal)
	if internal.Port() != 0 {
		return c.listenMedia(ctx, internal)
	}
	odd := uint16(0)
	if w.typ == AudioRTCP {
		odd = 1
		if w.near.IsValid() && w.near.Port() < 65535 {
			if m, err := c.listenMedia(ctx, netip.AddrPortFrom(internal.Addr(), w.near.Port()+1)); err == nil {
				return m, nil
			}
		}
	}
	pairs := c.mediaPairs()
	var last error
	for i := range pairs {
		n := c.cfg.MediaPortMin + 2*uint16((w.first+i)%pairs) + odd
		m, err := c.listenMedia(ctx, netip.AddrPortFrom(internal.Addr(), n))
		if err == nil {
			return m, nil
		}
		if last = err; errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("ua: no free media port in %d-%d: %w", c.cfg.MediaPortMin, c.cfg.MediaPortMax, last)
}

// mediaPairs is how many pairs of ports the range has; it begins with an even port.
func (c *Client) mediaPairs() int {
	return (int(c.cfg.MediaPortMax) - int(c.cfg.MediaPortMin) + 1) / 2
}

func (c *Client) listenMedia(ctx context.Context, internal netip.AddrPort) (*mediaPort, error) {
	conn, err := c.cfg.Listen(ctx, internal)
	if err != nil {
		return nil, fmt.Errorf("ua: listen on %s: %w", internal, err)
	}
	m, err := newMediaPort(conn, &c.ctr)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ua: listen on %s: %w", internal, err)
	}
	return m, nil
}
