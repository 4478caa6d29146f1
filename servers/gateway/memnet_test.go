package gateway_test

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// memNet is a network of in-memory sockets for one test. Its sockets work in a
// synctest bubble, and route may drop a datagram or change its source, as a
// NAT would.
type memNet struct {
	mu    sync.Mutex
	conns map[netip.AddrPort]*memConn
	route func(src, dst netip.AddrPort, b []byte) (netip.AddrPort, bool)
	log   []sent

	latency time.Duration
}

// sent is one datagram as it left its socket.
type sent struct {
	at       time.Time
	src, dst netip.AddrPort
	b        []byte
}

func newMemNet() *memNet { return &memNet{conns: map[netip.AddrPort]*memConn{}} }

func (n *memNet) listen(addr string) *memConn {
	c := &memConn{net: n, local: netip.MustParseAddrPort(addr), queue: make(chan sent, 256), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[c.local] = c
	return c
}

// from lists what left the socket at addr.
func (n *memNet) from(addr string) []sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []sent
	for _, p := range n.log {
		if p.src.String() == addr {
			list = append(list, p)
		}
	}
	return list
}

type memConn struct {
	net   *memNet
	local netip.AddrPort
	queue chan sent
	done  chan struct{}
	once  sync.Once
	delay atomic.Int64 // of a slow WriteTo, a time.Duration
}

func (c *memConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-c.done:
		return 0, nil, net.ErrClosed
	case p := <-c.queue:
		time.Sleep(time.Until(p.at.Add(c.net.latency)))
		return copy(b, p.b), net.UDPAddrFromAddrPort(p.src), nil
	}
}

func (c *memConn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.done:
		return 0, net.ErrClosed
	default:
	}
	if d := time.Duration(c.delay.Load()); d > 0 {
		time.Sleep(d)
	}
	dst := to.(*net.UDPAddr).AddrPort() // perhaps IPv4 in IPv6
	dst = netip.AddrPortFrom(dst.Addr().Unmap(), dst.Port())
	p := sent{at: time.Now(), src: c.local, dst: dst, b: append([]byte(nil), b...)}
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.net.log = append(c.net.log, p)
	if c.net.route != nil {
		src, ok := c.net.route(p.src, p.dst, b)
		if !ok {
			return len(b), nil
		}
		p.src = src
	}
	if to := c.net.conns[p.dst]; to != nil {
		select {
		case to.queue <- p:
		default:
		}
	}
	return len(b), nil
}

func (c *memConn) Close() error {
	err := error(net.ErrClosed)
	c.once.Do(func() { close(c.done); err = nil })
	return err
}

func (c *memConn) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(c.local) }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
