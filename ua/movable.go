package ua

import (
	"errors"
	"net"
	"sync"
	"time"
)

// movable is a media stream's socket that can become another one while the stream uses it.
type movable struct {
	mu     sync.Mutex
	conn   net.PacketConn
	closed bool
}

func newMovable(conn net.PacketConn) *movable { return &movable{conn: conn} }

func (m *movable) now() (net.PacketConn, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conn, m.closed
}

// move puts another socket in the place of the present one, which it closes.
func (m *movable) move(to net.PacketConn) {
	m.mu.Lock()
	old := m.conn
	if m.closed {
		old = to
	} else {
		m.conn = to
	}
	m.mu.Unlock()
	_ = old.Close()
}

// ReadFrom goes on with the next socket where one is closed under it.
func (m *movable) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		conn, _ := m.now()
		n, from, err := conn.ReadFrom(b)
		if now, closed := m.now(); err == nil || closed || now == conn || !errors.Is(err, net.ErrClosed) {
			return n, from, err
		}
	}
}

func (m *movable) WriteTo(b []byte, to net.Addr) (int, error) {
	conn, _ := m.now()
	return conn.WriteTo(b, to)
}

func (m *movable) Close() error {
	m.mu.Lock()
	m.closed = true
	conn := m.conn
	m.mu.Unlock()
	return conn.Close()
}

func (m *movable) LocalAddr() net.Addr {
	conn, _ := m.now()
	return conn.LocalAddr()
}

func (m *movable) SetDeadline(t time.Time) error {
	conn, _ := m.now()
	return conn.SetDeadline(t)
}

func (m *movable) SetReadDeadline(t time.Time) error {
	conn, _ := m.now()
	return conn.SetReadDeadline(t)
}

func (m *movable) SetWriteDeadline(t time.Time) error {
	conn, _ := m.now()
	return conn.SetWriteDeadline(t)
}
