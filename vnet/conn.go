package vnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/transport/v3"

	"github.com/natproof/natproof/internal/push"
)

// Conn is a UDP socket of a Host. It keeps the promises of a real one: a closed socket says
// net.ErrClosed, a deadline that has passed stays passed, a full queue is counted and traced.
type Conn struct {
	host          *Host
	local, remote netip.AddrPort
	addr          *net.UDPAddr // local, as package net has it
	box           mailbox
	closed        atomic.Bool
	writeBy       atomic.Pointer[time.Time] // the write deadline; nil is none
	push          push.Func                 // nil: it is read; host.mu guards it
	gone          chan struct{}             // closed with the socket; made with the first push
}

var _ transport.UDPConn = (*Conn)(nil)

// ReadFromUDPAddrPort waits for a datagram. One longer than b is cut off, as on a real socket.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.box.read(b)
	if err != nil {
		return 0, netip.AddrPort{}, c.opError("read", err)
	}
	return n, from, nil
}

// ReadFrom is ReadFromUDPAddrPort with an address as package net has them.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo sends a datagram. It never blocks.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", fmt.Errorf("%T is not a UDP address", to))
	}
	return c.WriteToUDPAddrPort(b, fromUDPAddr(a))
}

// WriteToUDPAddrPort is WriteTo with another type of address.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.remote.IsValid() {
		return 0, c.opError("write", net.ErrWriteToConnected)
	}
	return c.send(b, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
}

func (c *Conn) send(b []byte, dst netip.AddrPort) (int, error) {
	switch {
	case c.closed.Load():
		return 0, c.opError("write", net.ErrClosed)
	case c.late():
		return 0, c.opError("write", os.ErrDeadlineExceeded)
	case dst.Addr().Is4() != c.local.Addr().Is4() || !dst.IsValid() || dst.Addr().IsUnspecified() || dst.Addr().IsLoopback() || dst.Port() == 0:
		return 0, c.opError("write", fmt.Errorf("cannot send to %v: want an address, of the family of %v, and port of the virtual internet: %w", dst, c.local.Addr(), syscall.EINVAL))
	case len(b) > maxDatagram:
		return 0, c.opError("write", fmt.Errorf("%d bytes do not fit a UDP datagram (%d): %w", len(b), maxDatagram, syscall.EMSGSIZE))
	}
	if c.remote.IsValid() {
		if err := c.box.failed(); err != nil {
			return 0, c.opError("write", err)
		}
	}
	c.host.site.lab.arrive(arrival{
		site: c.host.site, host: c.host, src: c.local, dst: dst, payload: append([]byte(nil), b...), at: time.Now(),
	})
	return len(b), nil
}

// maxDatagram is 65535 less the headers of IPv4 and UDP.
const maxDatagram = 65535 - headerIPv4 - headerUDP

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
	c.host.mu.Lock()
	if c.gone != nil {
		close(c.gone)
	}
	c.host.mu.Unlock()
	return c.box.close()
}

// LocalAddr is the socket's concrete address and port.
func (c *Conn) LocalAddr() net.Addr { return c.addr }

// LocalAddrPort is LocalAddr as another type.
func (c *Conn) LocalAddrPort() netip.AddrPort { return c.local }

// RemoteAddr is the peer of a connected socket, or nil.
func (c *Conn) RemoteAddr() net.Addr {
	if !c.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(c.remote)
}

// SetDeadline sets the deadlines of reads and writes.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetReadDeadline ends reads at t, those waiting and those to come. The zero
// time is no deadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.box.setDeadline(t)
	return nil
}

// SetWriteDeadline ends writes from t on. Those before never wait. The zero time is no deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	if t.IsZero() {
		c.writeBy.Store(nil)
	} else {
		c.writeBy.Store(&t)
	}
	return nil
}

// late says whether the write deadline has passed.
func (c *Conn) late() bool {
	by := c.writeBy.Load()
	return by != nil && !time.Now().Before(*by)
}

// SetReadBuffer bounds the bytes that wait to be read; what does not fit is
// dropped as "queue-full".
func (c *Conn) SetReadBuffer(bytes int) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	if bytes <= 0 {
		return c.opError("set", fmt.Errorf("read buffer of %d bytes", bytes))
	}
	c.box.setLimit(bytes)
	return nil
}

// SetWriteBuffer does nothing that could be seen: writes never wait.
func (c *Conn) SetWriteBuffer(bytes int) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
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
		return 0, c.opError("write", syscall.EDESTADDRREQ)
	}
	return c.send(b, c.remote)
}

// ReadFromUDP is ReadFrom with a typed address.
func (c *Conn) ReadFromUDP(b []byte) (int, *net.UDPAddr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
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
	return &net.OpError{Op: op, Net: "udp", Source: c.addr, Err: err}
}
