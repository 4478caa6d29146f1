package stunclient

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// ConnConfig says how a Conn behaves. The zero value will do.
type ConnConfig struct {
	Options

	// ReadSize is the longest datagram that can be read, longer ones are cut
	// off; 0 is 65535, more than any there is. It is what a Conn costs in memory.
	ReadSize int
	// Queue is how many datagrams that are not STUN wait for ReadFrom before
	// the next ones are dropped; 0 is 256.
	Queue int
}

// maxReadErrors is how many reads in a row may fail before the socket is given
// up. Some systems report on a read what happened to an earlier write.
const maxReadErrors = 16

// A Conn owns a socket, reads it, and runs STUN transactions over it. For
// everything that is not STUN it is a net.PacketConn.
type Conn struct {
	pc     net.PacketConn
	client *Client

	queue   chan datagram
	dropped atomic.Uint64
	read    deadline

	closing chan struct{} // closed by Close
	once    sync.Once
	done    chan struct{} // closed when the reader has ended
	failure error         // why the reader ended; read after done
}

type datagram struct {
	b    []byte
	from net.Addr
}

var _ net.PacketConn = (*Conn)(nil)

// NewConn takes over pc and starts reading it.
func NewConn(pc net.PacketConn, cfg ConnConfig) (*Conn, error) {
	if _, err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	if cfg.ReadSize < 0 || cfg.Queue < 0 {
		return nil, fmt.Errorf("stunclient: conn: ReadSize %d, Queue %d: want none negative", cfg.ReadSize, cfg.Queue)
	}
	if cfg.ReadSize == 0 {
		cfg.ReadSize = 65535
	}
	if cfg.Queue == 0 {
		cfg.Queue = 256
	}
	c := &Conn{
		pc:      pc,
		client:  New(pc, cfg.Options),
		queue:   make(chan datagram, cfg.Queue),
		read:    makeDeadline(),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	go c.run(make([]byte, cfg.ReadSize))
	return c, nil
}

// Client runs the STUN transactions of this socket: Binding, Keepalive and so on.
func (c *Conn) Client() *Client { return c.client }

// Dropped is how many datagrams found the queue full.
func (c *Conn) Dropped() uint64 { return c.dropped.Load() }

func (c *Conn) run(buf []byte) {
	defer close(c.done)
	defer c.client.Close()
	failures := 0
	for {
		n, from, err := c.pc.ReadFrom(buf)
		switch {
		case err == nil:
			failures = 0
			c.sort(buf[:n], from)
		case errors.Is(err, net.ErrClosed):
			c.failure = net.ErrClosed
			return
		default:
			if failures++; failures == maxReadErrors {
				c.failure = err
				return
			}
		}
	}
}

// sort hands a datagram to whom it is for.
func (c *Conn) sort(b []byte, from net.Addr) {
	if c.client.Handle(b, from) {
		return
	}
	select {
	case c.queue <- datagram{append([]byte(nil), b...), from}:
	default:
		c.dropped.Add(1)
	}
}

// ReadFrom waits for a datagram that is not STUN.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	switch {
	case isDone(c.closing):
		return 0, nil, c.opError(net.ErrClosed)
	case isDone(c.read.wait()):
		return 0, nil, c.opError(os.ErrDeadlineExceeded)
	}
	select {
	case d := <-c.queue:
		return copy(b, d.b), d.from, nil
	case <-c.closing:
		return 0, nil, c.opError(net.ErrClosed)
	case <-c.read.wait():
		return 0, nil, c.opError(os.ErrDeadlineExceeded)
	case <-c.done:
	}
	select { // what came before the socket failed can still be read
	case d := <-c.queue:
		return copy(b, d.b), d.from, nil
	default:
		return 0, nil, c.opError(c.failure)
	}
}

func (c *Conn) opError(err error) error {
	return &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Err: err}
}

// WriteTo sends a datagram.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) { return c.pc.WriteTo(b, to) }

// Close closes the socket, ends all transactions and reads with net.ErrClosed,
// and waits for the reader.
func (c *Conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		close(c.closing)
		_ = c.client.Close()
		c.read.set(time.Time{})
		err = c.pc.Close()
	})
	<-c.done
	return err
}

// LocalAddr is the socket's own address.
func (c *Conn) LocalAddr() net.Addr { return c.pc.LocalAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// SetReadDeadline ends calls of ReadFrom at t, those that wait and those to
// come. The zero time is no deadline. STUN is not affected.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if isDone(c.closing) {
		return &net.OpError{Op: "set", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Err: net.ErrClosed}
	}
	c.read.set(t)
	return nil
}

// SetWriteDeadline sets the socket's own write deadline, for STUN too.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.pc.SetWriteDeadline(t) }

// A deadline is a moment after which wait's channel is closed.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{}
}

func makeDeadline() deadline { return deadline{expired: make(chan struct{})} }

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.expired // the timer has fired or is about to
	}
	d.timer = nil
	past := isDone(d.expired)
	if t.IsZero() || time.Until(t) > 0 {
		if past {
			d.expired = make(chan struct{})
		}
		if !t.IsZero() {
			expired := d.expired
			d.timer = time.AfterFunc(time.Until(t), func() { close(expired) })
		}
		return
	}
	if !past {
		close(d.expired)
	}
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expired
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
