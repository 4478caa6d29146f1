package ua

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// movable is a media stream's socket that can become another one while the stream uses it.
type movable struct {
	conn   atomic.Pointer[net.PacketConn]
	mu     sync.Mutex // of move and Close
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
	}
	m.mu.Unlock()
	_ = old.Close()
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
