package vnet

import (
	"net/netip"

	"github.com/natproof/natproof/internal/push"
)

// handover is what a socket pushes: a datagram, or an error.
type handover struct {
	conn *Conn
	to   push.Func
	b    []byte
	from netip.AddrPort
	err  error
}

// Push has the socket call a function with each datagram, at the instant of its delivery and on
// the core's goroutine, so that nobody need wait in ReadFrom. The bytes are read only and valid
// during the call, which must not wait for anything: no packet moves meanwhile. The calls of an
// instant are made one after the other; one may be under way when Close returns. Nothing waits in a socket that
// pushes, so no queue of it is ever full. A nil function is back to ReadFrom.
//
// The channel is closed when the socket is. It is false on pion hosts, which have to carry what
// they get, and on the real clock, where whoever sends would have to wait for the receiver.
func (c *Conn) Push(to push.Func) (closed <-chan struct{}, ok bool) {
	if c.host.pion != nil || c.host.site.lab.real {
		return nil, false
	}
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	if c.gone == nil {
		c.gone = make(chan struct{})
		if c.closed.Load() {
			close(c.gone)
		}
	}
	c.push = to
	if to != nil && c.box.waiting() > 0 {
		go c.empty(to)
	}
	return c.gone, true
}

// empty pushes what has come before.
func (c *Conn) empty(to push.Func) {
	for buf := make([]byte, maxDatagram); c.box.waiting() > 0; {
		n, from, err := c.box.read(buf)
		if err != nil {
			return // closed, or told to hurry
		}
		to(buf[:n], from, nil)
	}
}

// handOver has the sockets push what the last step has delivered to them. l.core is not held.
func (l *Lab) handOver() {
	for i := range l.handed {
		h := &l.handed[i]
		if !h.conn.closed.Load() {
			h.to(h.b, h.from, h.err)
		}
		*h = handover{}
	}
	l.handed = l.handed[:0]
}
