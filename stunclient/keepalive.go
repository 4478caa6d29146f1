package stunclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// ErrMappingChanged means that a server sees the socket at another address
// than before: what was learnt and told to others is void.
var ErrMappingChanged = errors.New("mapping changed")

// A Keepalive says how a mapping is kept alive.
type Keepalive struct {
	// Server is sent Binding requests, or Binding indications if Indications is
	// set: those cost no answer and detect nothing.
	Server      netip.AddrPort
	Indications bool

	// Min and Max bound the time between two of them, drawn anew each time from
	// the client's source of randomness. Both 0 are 24 s and 29 s (RFC 5626
	// section 4.4.2).
	Min, Max time.Duration

	// Mapped is what the mapping should be; the zero value is what the first
	// response says.
	Mapped netip.AddrPort
}

// Keepalive keeps the socket's mapping alive until the context ends, and then
// returns its cause, or until it is lost: ErrMappingChanged, or the error of a
// Binding. It runs on the caller's goroutine and sends at once.
func (c *Client) Keepalive(ctx context.Context, k Keepalive) error {
	if k.Min == 0 && k.Max == 0 {
		k.Min, k.Max = 24*time.Second, 29*time.Second
	}
	if k.Min <= 0 || k.Max < k.Min {
		return fmt.Errorf("stunclient: keepalive: every %v to %v: want 0 < Min <= Max", k.Min, k.Max)
	}
	for {
		if err := c.keepaliveOnce(ctx, &k); err != nil {
			return err
		}
		pause, err := c.between(k.Min, k.Max)
		if err != nil {
			return fmt.Errorf("stunclient: keepalive: %w", err)
		}
		if err := c.sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (c *Client) keepaliveOnce(ctx context.Context, k *Keepalive) error {
	if k.Indications {
		return c.Indication(k.Server)
	}
	r, err := c.Binding(ctx, k.Server)
	if err != nil {
		return err
	}
	if k.Mapped.IsValid() && r.Address() != k.Mapped {
		return fmt.Errorf("stunclient: keepalive: %w from %v to %v", ErrMappingChanged, k.Mapped, r.Address())
	}
	k.Mapped = r.Address()
	return nil
}

// between draws a duration.
func (c *Client) between(least, most time.Duration) (time.Duration, error) {
	if least == most {
		return least, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var b [8]byte
	if _, err := io.ReadFull(c.opts.Rand, b[:]); err != nil {
		return 0, err
	}
	return least + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(most-least+1)), nil
}

// sleep waits, unless the context ends or the client is closed first.
func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stunclient: keepalive: %w", context.Cause(ctx))
	case <-c.closed:
		return fmt.Errorf("stunclient: keepalive: %w", net.ErrClosed)
	}
}
