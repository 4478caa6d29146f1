package world

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// serveEcho runs a phone that answers every call and sends back what it hears.
func (w *World) serveEcho(h *vnet.Host) error {
	ctx, cancel := context.WithCancel(context.Background())
	client, err := ua.New(ua.Config{
		Listen: func(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
			conn, err := h.Listen(at)
			if err != nil || at.Port() == cell.SIPPort {
				return conn, err
			}
			return &echoConn{PacketConn: conn}, nil
		},
		LocalAddr: h.Addr(),
		Options:   ua.Options{Rport: true, Latch: media.LatchAlways},
		OnEvent: func(e ua.Event) {
			if in, ok := e.(ua.SessionEvent); ok && in.State == ua.Incoming {
				go func() { _ = in.Session.Answer(ctx) }()
			}
		},
	})
	if err != nil {
		cancel()
		return err
	}
	w.stops = append(w.stops, func() error {
		cancel()
		return client.Close()
	})
	if err := client.Start(ctx); err != nil {
		return err
	}
	profile, err := client.NewProfile(ua.ProfileConfig{
		Account:   ua.Account{URI: "sip:" + Echo + "@" + cell.Domain, Password: w.cfg.Password},
		Registrar: registrarAt,
	})
	if err != nil {
		return err
	}
	return profile.Enable(ctx)
}

// echoConn is a media socket that says what it has heard: the payload of each RTP packet (RFC 3550) that is sent is that
// of the oldest one received that has the same type and length and has not been sent yet.
type echoConn struct {
	net.PacketConn

	mu    sync.Mutex
	heard [][]byte
}

// echoMost bounds what waits to be sent: a second of 20 ms each.
const echoMost = 50

func (c *echoConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if err == nil && isRTP(b[:n]) {
		c.mu.Lock()
		c.heard = append(c.heard, append([]byte(nil), b[:n]...))
		if len(c.heard) > echoMost {
			c.heard = c.heard[1:]
		}
		c.mu.Unlock()
	}
	return n, from, err
}

func (c *echoConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if isRTP(b) {
		b = c.echo(b)
	}
	return c.PacketConn.WriteTo(b, to)
}

// echo is the packet with what was heard in the place of its payload.
func (c *echoConn) echo(b []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.heard) > 0 {
		h := c.heard[0]
		c.heard = c.heard[1:]
		if len(h) == len(b) && h[1]&0x7f == b[1]&0x7f && h[0] == b[0] {
			return append(append([]byte(nil), b[:rtpHeader]...), h[rtpHeader:]...)
		}
	}
	return b
}

const rtpHeader = 12

// isRTP says whether a packet is RTP without contributors and extensions, and no RTCP (RFC 5761 section 4).
func isRTP(b []byte) bool {
	return len(b) > rtpHeader && b[0] == 0x80 && (b[1] < 192 || b[1] > 223)
}
