package sipstack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/natproof/natproof/internal/push"
	"github.com/natproof/natproof/internal/readbuf"
	"github.com/natproof/natproof/internal/roomy"
	"github.com/natproof/natproof/internal/sipmsg"
)

// Socket is a bound socket of a stack.
type Socket struct {
	Local netip.AddrPort
	// User is the user's own, to be set before Serve.
	User any
	conn net.PacketConn
	shut bool // by Shut
}

// Open makes a socket of the stack's of conn, which the stack closes. It returns ErrClosed
// if the stack is closed; conn is then the caller's.
func (s *Stack) Open(conn net.PacketConn) (*Socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	k := &Socket{Local: sipmsg.AddrPort(conn.LocalAddr()), conn: conn}
	s.sockets = append(s.sockets, k)
	return k, nil
}

const (
	maxUDP = 65535
	// maxFailures in a row end a reader: the socket is broken.
	maxFailures = 16
)

// Serve handles what arrives on a socket until Close, then returns nil, or until the
// socket is broken.
func (s *Stack) Serve(k *Socket) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	closed, ok := push.To(k.conn, func(b []byte, from netip.AddrPort, err error) { s.pushed(k, b, from, err) })
	if !ok {
		return s.read(k)
	}
	if <-closed; s.isClosed(k) {
		return nil
	}
	s.count(func(st *Stats) { st.ReadErrors++ })
	return fmt.Errorf("sipstack: read on %s: %w", k.Local, net.ErrClosed)
}

// pushed handles what a socket pushes.
func (s *Stack) pushed(k *Socket, b []byte, from netip.AddrPort, err error) {
	s.mu.Lock()
	switch {
	case s.closed || k.shut:
		s.mu.Unlock()
	case err != nil:
		s.stats.ReadErrors++
		s.mu.Unlock()
	case len(b) >= s.cfg.MaxDatagram:
		s.stats.Datagrams++
		s.stats.Oversize++
		s.mu.Unlock()
	default:
		s.wg.Add(1)
		defer s.wg.Done()
		s.receive(k, b, from)
	}
}

// read reads a socket.
func (s *Stack) read(k *Socket) error {
	roomy.Stack()
	lent := readbuf.Get(s.cfg.MaxDatagram)
	defer readbuf.Put(lent)
	buf := *lent
	for failures := 0; ; {
		n, from, err := k.conn.ReadFrom(buf)
		switch {
		case err == nil && n < len(buf):
			failures = 0
			s.Receive(k, buf[:n], sipmsg.AddrPort(from))
		case err == nil, errors.Is(err, io.ErrShortBuffer), errors.Is(err, syscall.EMSGSIZE): // cut off, or it might have been
			s.count(func(st *Stats) { st.Datagrams++; st.Oversize++ })
		case s.isClosed(k):
			return nil
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET): // ICMP for something sent earlier
			s.count(func(st *Stats) { st.ReadErrors++ })
		default:
			s.count(func(st *Stats) { st.ReadErrors++ })
			if failures++; failures == maxFailures || errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("sipstack: read on %s: %w", k.Local, err)
			}
		}
	}
}

func (s *Stack) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func (s *Stack) isClosed(k *Socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || k.shut
}

// Shut closes a socket and leaves the others; its Serve returns nil. What its transactions
// still send does not leave, and they end for that.
func (s *Stack) Shut(k *Socket) error {
	s.mu.Lock()
	i := slices.Index(s.sockets, k)
	if i < 0 {
		s.mu.Unlock()
		return nil
	}
	k.shut = true
	s.sockets = slices.Delete(s.sockets, i, i+1)
	s.mu.Unlock()
	return k.conn.Close()
}
