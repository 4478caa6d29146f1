// Package memnet is a network of in-memory sockets for tests. Its sockets work in
// a synctest bubble. For anything with a NAT in it, use package vnet; this is for
// packages that vnet's users build on.
package memnet

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Net is the network of one test. Hold its lock to change Route while it runs.
type Net struct {
	sync.Mutex
	// Route may drop a datagram, or change its source as a NAT would.
	Route   func(src, dst netip.AddrPort, b []byte) (netip.AddrPort, bool)
	Latency time.Duration

	conns map[netip.AddrPort]*Conn
	log   []Sent
}

// Sent is one datagram as it left its socket.
type Sent struct {
	At       time.Time
	Src, Dst netip.AddrPort
	B        []byte
}

// New makes a network without sockets.
func New() *Net { return &Net{conns: map[netip.AddrPort]*Conn{}} }

// Listen opens a socket; it takes the place of one that had the address before.
func (n *Net) Listen(addr string) *Conn {
	c := &Conn{net: n, local: netip.MustParseAddrPort(addr), queue: make(chan Sent, 256), done: make(chan struct{})}
	n.Lock()
	defer n.Unlock()
	n.conns[c.local] = c
	return c
}

// From lists what left the socket at addr.
func (n *Net) From(addr string) []Sent {
	n.Lock()
	defer n.Unlock()
	var list []Sent
	for _, p := range n.log {
		if p.Src.String() == addr {
			list = append(list, p)
		}
	}
	return list
}

// Conn is a socket.
type Conn struct {
	Delay atomic.Int64 // of a slow WriteTo, a time.Duration

	net   *Net
	local netip.AddrPort
	queue chan Sent
	done  chan struct{}
	once  sync.Once
}

// ReadFrom waits for a datagram, and for Latency.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-c.done:
		return 0, nil, net.ErrClosed
	case p := <-c.queue:
		time.Sleep(time.Until(p.At.Add(c.net.Latency)))
		return copy(b, p.B), net.UDPAddrFromAddrPort(p.Src), nil
	}
}

// WriteTo sends a datagram; one that finds its queue full is lost.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	if d := time.Duration(c.Delay.Load()); d > 0 {
		time.Sleep(d)
	}
	dst := to.(*net.UDPAddr).AddrPort() // perhaps IPv4 in IPv6
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	p := Sent{At: time.Now(), Src: c.local, Dst: dst, B: append([]byte(nil), b...)}
	c.net.Lock()
	defer c.net.Unlock()
	c.net.log = append(c.net.log, p)
	if c.net.Route != nil {
		src, ok := c.net.Route(p.Src, p.Dst, b)
		if !ok {
			return len(b), nil
		}
		p.Src = src
	}
	if to := c.net.conns[p.Dst]; to != nil {
		select {
		case to.queue <- p:
		default:
		}
	}
	return len(b), nil
}

// Close wakes the reader.
func (c *Conn) Close() error {
	err := error(net.ErrClosed)
	c.once.Do(func() { close(c.done); err = nil })
	return err
}

// LocalAddr is the address given to Listen.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline, and the other two, set nothing: these sockets have no deadlines.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline sets nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline sets nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Socket is the one that listens at addr.
func (n *Net) Socket(addr string) *Conn {
	n.Lock()
	defer n.Unlock()
	return n.conns[netip.MustParseAddrPort(addr)]
}
