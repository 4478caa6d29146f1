package ua

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// memnet is a network in memory: every datagram takes a millisecond, in order.
type memnet struct {
	t  testing.TB
	mu sync.Mutex

	conns map[netip.AddrPort]*memConn
	nats  []*memNAT
	seq   time.Duration
	seen  []datagram
	// drop, if set, loses what it returns true for.
	drop func(d datagram) bool
}

type datagram struct {
	at       time.Time
	src, dst netip.AddrPort // as sent
	data     []byte
}

func (d datagram) String() string {
	return fmt.Sprintf("%s > %s %.40q", d.src, d.dst, d.data)
}

func newMemnet(t testing.TB) *memnet {
	return &memnet{t: t, conns: map[netip.AddrPort]*memConn{}}
}

func (n *memnet) listen(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[at] != nil {
		return nil, fmt.Errorf("%s: address in use", at)
	}
	c := &memConn{n: n, at: at, ready: make(chan struct{}, 1), closed: make(chan struct{})}
	n.conns[at] = c
	return c, nil
}

func (n *memnet) mustListen(at string) *memConn {
	c, err := n.listen(context.Background(), netip.MustParseAddrPort(at))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	return c.(*memConn)
}

func (n *memnet) send(src, dst netip.AddrPort, b []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := datagram{time.Now(), src, dst, append([]byte(nil), b...)}
	n.seen = append(n.seen, d)
	if n.drop != nil && n.drop(d) {
		return
	}
	n.seq++
	time.AfterFunc(time.Millisecond+n.seq%1000, func() { n.deliver(d) })
}

func (n *memnet) deliver(d datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	src, dst := d.src, d.dst
	for _, t := range n.nats {
		if t.inside.Contains(src.Addr()) && !t.inside.Contains(dst.Addr()) {
			src = t.out(src, dst)
		}
	}
	for _, t := range n.nats {
		if dst.Addr() == t.external {
			var ok bool
			if dst, ok = t.in(src, dst); !ok {
				return
			}
		}
	}
	if c := n.conns[dst]; c != nil {
		c.put(packet{src, d.data})
	}
}

// packets are those sent so far for which f is true.
func (n *memnet) packets(f func(datagram) bool) []datagram {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []datagram
	for _, d := range n.seen {
		if f(d) {
			list = append(list, d)
		}
	}
	return list
}

func (n *memnet) setDrop(f func(datagram) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = f
}

func (n *memnet) open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

// memNAT rewrites addresses: the same external port for all peers, or with perPeer a
// new one for each; with filter only peers that were sent to are let in.
type memNAT struct {
	inside          netip.Prefix
	external        netip.Addr
	perPeer, filter bool
	next            uint16
	out_            map[[2]netip.AddrPort]netip.AddrPort
	in_             map[netip.AddrPort]netip.AddrPort
	sent            map[[2]netip.AddrPort]bool
}

func (n *memnet) addNAT(inside, external string) *memNAT {
	t := &memNAT{
		inside: netip.MustParsePrefix(inside), external: netip.MustParseAddr(external), next: 61000,
		out_: map[[2]netip.AddrPort]netip.AddrPort{}, in_: map[netip.AddrPort]netip.AddrPort{}, sent: map[[2]netip.AddrPort]bool{},
	}
	n.nats = append(n.nats, t)
	return t
}

func (t *memNAT) out(src, dst netip.AddrPort) netip.AddrPort {
	key := [2]netip.AddrPort{src}
	if t.perPeer {
		key[1] = dst
	}
	ext, ok := t.out_[key]
	if !ok {
		t.next++
		ext = netip.AddrPortFrom(t.external, t.next)
		t.out_[key], t.in_[ext] = ext, src
	}
	t.sent[[2]netip.AddrPort{ext, dst}] = true
	return ext
}

func (t *memNAT) in(src, dst netip.AddrPort) (netip.AddrPort, bool) {
	if t.filter && !t.sent[[2]netip.AddrPort{dst, src}] {
		return netip.AddrPort{}, false
	}
	to, ok := t.in_[dst]
	return to, ok
}

// flush forgets every mapping.
func (n *memnet) flush(t *memNAT) {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(t.out_)
	clear(t.in_)
	clear(t.sent)
}

type packet struct {
	from netip.AddrPort
	data []byte
}

// memConn is a socket of a memnet.
type memConn struct {
	n  *memnet
	at netip.AddrPort

	mu       sync.Mutex
	queue    []packet
	deadline time.Time
	ready    chan struct{} // a packet came, or the deadline changed
	closed   chan struct{}
	once     sync.Once
}

func (c *memConn) put(p packet) {
	c.mu.Lock()
	c.queue = append(c.queue, p)
	c.mu.Unlock()
	c.wake()
}

func (c *memConn) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *memConn) take() (packet, time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		return packet{}, c.deadline, false
	}
	p := c.queue[0]
	c.queue = c.queue[1:]
	return p, c.deadline, true
}

func (c *memConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		select {
		case <-c.closed:
			return 0, nil, net.ErrClosed
		default:
		}
		p, deadline, ok := c.take()
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return 0, nil, os.ErrDeadlineExceeded
		}
		if ok {
			return copy(b, p.data), net.UDPAddrFromAddrPort(p.from), nil
		}
		var timeout <-chan time.Time
		if !deadline.IsZero() {
			timeout = time.After(time.Until(deadline))
		}
		select {
		case <-c.ready:
		case <-timeout:
		case <-c.closed:
		}
	}
}

func (c *memConn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	dst := sipmsg.AddrPort(to)
	c.n.send(c.at, dst, b)
	return len(b), nil
}

func (c *memConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.n.mu.Lock()
		defer c.n.mu.Unlock()
		delete(c.n.conns, c.at)
	})
	return nil
}

func (c *memConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.at) }

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	c.wake()
	return nil
}

func (c *memConn) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// waiting is how many packets nobody has read.
func (c *memConn) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}
