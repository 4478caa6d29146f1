package ua

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/natproof/natproof/internal/push"
	"github.com/natproof/natproof/internal/sipmsg"
)

// movable is a media stream's socket that can become another one while the stream uses it.
type movable struct {
	conn   atomic.Pointer[net.PacketConn]
	mu     sync.Mutex // of move, Push and Close
	pushed push.Func  // what the present socket pushes to; nil: somebody reads
	closed atomic.Bool
}

func newMovable(conn net.PacketConn) *movable {
	m := &movable{}
	m.conn.Store(&conn)
	return m
}

func (m *movable) now() net.PacketConn { return *m.conn.Load() }

// move puts another socket in the place of the present one, which it closes.
func (m *movable) move(to net.PacketConn) {
	m.mu.Lock()
	old := m.now()
	if m.closed.Load() {
		old = to
	} else {
		m.conn.Store(&to)
		if m.pushed != nil {
			pushFrom(to, m.pushed)
		}
	}
	m.mu.Unlock()
	_ = old.Close()
}

// Push hands over what comes, from the sockets to come as well (see package push).
func (m *movable) Push(to push.Func) (closed <-chan struct{}, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if closed, ok = push.To(m.now(), to); ok {
		m.pushed = to
	}
	return closed, ok
}

// maxReadErrors in a row end a reader: the socket is broken.
const maxReadErrors = 16

// pushFrom has a socket push, or reads it, since nobody else does.
func pushFrom(conn net.PacketConn, to push.Func) {
	if _, ok := push.To(conn, to); ok {
		return
	}
	go func() {
		buf := make([]byte, maxMediaDatagram)
		for failures := 0; failures < maxReadErrors; failures++ {
			n, from, err := conn.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				failures = -1
			}
			to(buf[:n], sipmsg.AddrPort(from), err)
		}
	}()
}

// ReadFrom goes on with the next socket where one is closed under it.
func (m *movable) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		conn := m.now()
		n, from, err := conn.ReadFrom(b)
		if err == nil || m.closed.Load() || m.now() == conn || !errors.Is(err, net.ErrClosed) {
			return n, from, err
		}
	}
}

func (m *movable) WriteTo(b []byte, to net.Addr) (int, error) { return m.now().WriteTo(b, to) }

func (m *movable) Close() error {
	m.mu.Lock()
	m.closed.Store(true)
	m.mu.Unlock()
	return m.now().Close()
}

func (m *movable) LocalAddr() net.Addr                { return m.now().LocalAddr() }
func (m *movable) SetDeadline(t time.Time) error      { return m.now().SetDeadline(t) }
func (m *movable) SetReadDeadline(t time.Time) error  { return m.now().SetReadDeadline(t) }
func (m *movable) SetWriteDeadline(t time.Time) error { return m.now().SetWriteDeadline(t) }
