package vnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// mailbox is what a socket reads from. The core puts datagrams in, readers take them out.
type mailbox interface {
	// put takes a datagram, or says why there is no room for it.
	put(p *packet) (why string, ok bool)
	// fail has the next read or write end with the error; failed takes it.
	fail(error)
	failed() error
	// read waits for a datagram; one longer than b is cut off. The error is net.ErrClosed,
	// os.ErrDeadlineExceeded or what fail was given.
	read(b []byte) (int, netip.AddrPort, error)
	// waiting is how many can be read at once.
	waiting() int
	setDeadline(time.Time)
	setLimit(bytes int)
	close() error
}

// maxQueue is how many datagrams wait in a socket; pion's queue has this size.
const maxQueue = 1024

// room bounds what waits in a mailbox.
type room struct {
	datagrams, bytes int
	limit            int // set by SetReadBuffer; 0 is maxQueue alone
}

func (r *room) take(size int) (string, bool) {
	if r.datagrams >= maxQueue {
		return fmt.Sprintf("%d datagrams already wait to be read", r.datagrams), false
	}
	if r.limit > 0 && r.bytes+size > r.limit {
		return fmt.Sprintf("%d bytes already wait in a read buffer of %d", r.bytes, r.limit), false
	}
	r.datagrams++
	r.bytes += size
	return "", true
}

func (r *room) leave(size int) {
	r.datagrams--
	r.bytes -= size
}

// inbox is the mailbox of a native socket: a ring of datagrams.
type inbox struct {
	mu       sync.Mutex
	readable sync.Cond // something to read, or the end of a wait
	ring     []datagram
	first    int
	room
	deadline time.Time
	alarm    *time.Timer // ends waits at the deadline; made when one is set
	err      error
	closed   bool
}

type datagram struct {
	from    netip.AddrPort
	payload []byte
}

func newInbox() *inbox {
	b := &inbox{}
	b.readable.L = &b.mu
	return b
}

func (b *inbox) put(p *packet) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why, ok := b.take(len(p.payload)); !ok {
		return why, false
	}
	if b.datagrams > len(b.ring) {
		b.grow()
	}
	b.ring[(b.first+b.datagrams-1)%len(b.ring)] = datagram{p.np.Src, p.payload}
	b.readable.Signal()
	return "", true
}

func (b *inbox) grow() {
	ring := make([]datagram, max(4, 2*len(b.ring)))
	n := copy(ring, b.ring[b.first:])
	copy(ring[n:], b.ring[:b.first])
	b.ring, b.first = ring, 0
}

func (b *inbox) read(to []byte) (int, netip.AddrPort, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.closed:
			return 0, netip.AddrPort{}, net.ErrClosed
		case b.err != nil:
			return 0, netip.AddrPort{}, b.pending()
		case !b.deadline.IsZero() && !time.Now().Before(b.deadline):
			return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
		case b.datagrams > 0:
			d := b.ring[b.first]
			b.ring[b.first] = datagram{}
			b.first = (b.first + 1) % len(b.ring)
			b.leave(len(d.payload))
			return copy(to, d.payload), d.from, nil
		}
		b.readable.Wait()
	}
}

func (b *inbox) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.datagrams
}

func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.readable.Signal()
}

func (b *inbox) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending()
}

// pending takes the error that waits, if one does. b.mu is held.
func (b *inbox) pending() error {
	err := b.err
	b.err = nil
	return err
}

func (b *inbox) setLimit(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = bytes
}

func (b *inbox) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = t
	switch {
	case t.IsZero():
		if b.alarm != nil {
			b.alarm.Stop()
		}
	case b.alarm == nil:
		b.alarm = time.AfterFunc(time.Until(t), b.wake)
	default:
		b.alarm.Reset(time.Until(t))
	}
}

// wake has those who wait look at the deadline.
func (b *inbox) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readable.Broadcast()
}

func (b *inbox) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.ring, b.room = nil, room{limit: b.limit}
	if b.alarm != nil {
		b.alarm.Stop()
	}
	b.readable.Broadcast()
	return nil
}
