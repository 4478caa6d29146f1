package vnet

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v3"
)

// maxQueue is how many datagrams wait in a socket; pion's queue has this size.
const maxQueue = 1024

// Conn is a UDP socket of a Host. It keeps the promises of a real one where
// pion's does not: a closed socket says net.ErrClosed, a deadline that has
// passed stays passed, a full queue is counted and traced.
type Conn struct {
	host          *Host
	local, remote netip.AddrPort
	addr          *net.UDPAddr // local, for pion
	inner         transport.UDPConn
	closed        atomic.Bool

	mu       sync.Mutex
	queue    []queued // delivered by the core, not yet read
	bytes    int      // in queue
	limit    int      // set by SetReadBuffer; 0 is maxQueue alone
	deadline time.Time
}

// queued is a datagram on its way through pion's queue to the reader.
type queued struct {
	id      uint64
	payload []byte
}

var _ transport.UDPConn = (*Conn)(nil)

// reserve makes room for a datagram, or says why there is none.
func (c *Conn) reserve(p *packet) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) >= maxQueue {
		return fmt.Sprintf("%d datagrams already wait to be read", len(c.queue)), false
	}
	if c.limit > 0 && c.bytes+len(p.payload) > c.limit {
		return fmt.Sprintf("%d bytes already wait in a read buffer of %d", c.bytes, c.limit), false
	}
	c.queue = append(c.queue, queued{id: p.id, payload: p.payload})
	c.bytes += len(p.payload)
	return "", true
}

// unreserve takes back the last reserve.
func (c *Conn) unreserve() {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.queue) - 1
	c.bytes -= len(c.queue[last].payload)
	c.queue = c.queue[:last]
}

// take finds the datagram that pion has just handed over.
func (c *Conn) take(id uint64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, q := range c.queue {
		if q.id == id {
			c.bytes -= len(q.payload)
			copy(c.queue[i:], c.queue[i+1:])
			c.queue[len(c.queue)-1] = queued{}
			c.queue = c.queue[:len(c.queue)-1]
			return q.payload, true
		}
	}
	return nil, false
}

// ReadFrom waits for a datagram. One longer than b is cut off, as on a real socket.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	var header [headerLen]byte
	for {
		if c.closed.Load() {
			return 0, nil, c.opError("read", net.ErrClosed)
		}
		if c.expired() {
			return 0, nil, c.opError("read", os.ErrDeadlineExceeded)
		}
		n, from, err := c.inner.ReadFrom(header[:]) // longer datagrams are cut off here; the payload waits in the queue
		if n < headerLen {
			if c.closed.Load() {
				return 0, nil, c.opError("read", net.ErrClosed)
			}
			if c.expired() {
				// pion's timer fires once; wake the next reader too.
				_ = c.inner.SetReadDeadline(time.Unix(0, 0))
			} else if err != nil && !isTimeout(err) {
				return 0, nil, c.opError("read", err)
			}
			continue
		}
		if payload, ok := c.take(binary.BigEndian.Uint64(header[:])); ok {
			return copy(b, payload), from, nil
		}
	}
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

func (c *Conn) expired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.deadline.IsZero() && !time.Now().Before(c.deadline)
}

// WriteTo sends a datagram. It never blocks.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", fmt.Errorf("%T is not a UDP address", to))
	}
	if c.remote.IsValid() {
		return 0, c.opError("write", net.ErrWriteToConnected)
	}
	return c.send(b, a)
}

func (c *Conn) send(b []byte, to *net.UDPAddr) (int, error) {
	dst := fromUDPAddr(to)
	switch {
	case c.closed.Load():
		return 0, c.opError("write", net.ErrClosed)
	case !dst.Addr().Is4() || dst.Addr().IsUnspecified() || dst.Addr().IsLoopback() || dst.Port() == 0:
		return 0, c.opError("write", fmt.Errorf("cannot send to %v: want an IPv4 address and port of the virtual internet", dst))
	case len(b) > maxDatagram:
		return 0, c.opError("write", fmt.Errorf("%d bytes do not fit a UDP datagram over IPv4 (%d)", len(b), maxDatagram))
	}
	c.host.site.lab.arrive(arrival{
		site: c.host.site, src: c.local, dst: dst, payload: append([]byte(nil), b...), at: time.Now(),
	})
	return len(b), nil
}

// maxDatagram is 65535 less the headers of IPv4 and UDP.
const maxDatagram = 65535 - ipUDPHeader

// Close closes the socket and wakes its readers.
func (c *Conn) Close() error {
	c.host.mu.Lock()
	if c.host.socks[c.local] == c {
		delete(c.host.socks, c.local)
	}
	c.host.mu.Unlock()
	return c.shut()
}

func (c *Conn) shut() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	return c.inner.Close()
}

// LocalAddr is the socket's concrete address and port.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// RemoteAddr is the peer of a connected socket, or nil.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}

// SetDeadline sets the read deadline; writes never block.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline ends reads at t, those waiting and those to come. The zero
// time is no deadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	return c.inner.SetReadDeadline(t)
}

// SetWriteDeadline does nothing that could be seen: writes never block.
func (c *Conn) SetWriteDeadline(time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	return nil
}

// SetReadBuffer bounds the bytes that wait to be read; what does not fit is
// dropped as "queue-full".
func (c *Conn) SetReadBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", fmt.Errorf("read buffer of %d bytes", bytes))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
	return nil
}

// SetWriteBuffer does nothing that could be seen: writes never wait.
func (c *Conn) SetWriteBuffer(bytes int) error {
	if bytes <= 0 {
		return c.opError("set", fmt.Errorf("write buffer of %d bytes", bytes))
	}
	return nil
}

// Read reads a datagram, from the peer if connected.
func (c *Conn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFrom(b)
	return n, err
}

// Write sends a datagram to the peer of a connected socket.
func (c *Conn) Write(b []byte) (int, error) {
	if !c.remote.IsValid() {
		return 0, c.opError("write", fmt.Errorf("the socket is not connected"))
	}
	return c.send(b, net.UDPAddrFromAddrPort(c.remote))
}

// ReadFromUDP is ReadFrom with a typed address.
func (c *Conn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFrom(b)
	a, _ := from.(*net.UDPAddr)
	return n, a, err
}

// WriteToUDP is WriteTo with a typed address.
func (c *Conn) WriteToUDP(b []byte, to *net.UDPAddr) (int, error) { return c.WriteTo(b, to) }

// ReadMsgUDP reads a datagram; there is never out-of-band data.
func (c *Conn) ReadMsgUDP(b, _ []byte) (n, oobn, flags int, from *net.UDPAddr, err error) {
	n, from, err = c.ReadFromUDP(b)
	return n, 0, 0, from, err
}

// WriteMsgUDP sends a datagram; out-of-band data is refused.
func (c *Conn) WriteMsgUDP(b, oob []byte, to *net.UDPAddr) (n, oobn int, err error) {
	if len(oob) > 0 {
		return 0, 0, c.opError("write", errNoOOB)
	}
	if to == nil {
		n, err = c.Write(b)
	} else {
		n, err = c.WriteTo(b, to)
	}
	return n, 0, err
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: net.UDPAddrFromAddrPort(c.local), Err: err}
}
