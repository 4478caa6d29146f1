package sipprobe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipprobe"
)

// Config says what answers tell.
type Config struct {
	// Other is another address and port where questions are answered, if there is one.
	Other netip.AddrPort
}

// Stats counts datagrams: each question, and what came to a socket of Serve, has one outcome.
type Stats struct {
	Answered uint64
	Acks     uint64 // of refused INVITEs, which have no answer
	TooLong  uint64 // dropped: the answer would be longer than the question
	Other    uint64 // dropped: no question
	NoSource uint64 // dropped: no address to answer to

	ReadErrors, WriteErrors uint64
}

// A Server answers questions, on any number of sockets.
type Server struct {
	cfg                                                               Config
	answered, acks, tooLong, other, noSource, readErrors, writeErrors atomic.Uint64

	mu     sync.Mutex
	conns  []net.PacketConn // of Serve
	closed bool
}

// New makes one.
func New(cfg Config) *Server { return &Server{cfg: cfg} }

// Stats returns the counters of this moment.
func (s *Server) Stats() Stats {
	return Stats{
		Answered: s.answered.Load(), Acks: s.acks.Load(), TooLong: s.tooLong.Load(), Other: s.other.Load(), NoSource: s.noSource.Load(),
		ReadErrors: s.readErrors.Load(), WriteErrors: s.writeErrors.Load(),
	}
}

// Beside is a socket of which questions are answered and all else is read. Answers name the
// address self as the server's; without one, that of the socket.
func (s *Server) Beside(conn net.PacketConn, self netip.AddrPort) net.PacketConn {
	if !self.IsValid() {
		self = sipmsg.AddrPort(conn.LocalAddr())
	}
	return beside{conn, s, self}
}

type beside struct {
	net.PacketConn
	s    *Server
	self netip.AddrPort
}

func (c beside) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || !sipprobe.Is(b[:n]) {
			return n, from, err
		}
		c.s.answer(c.PacketConn, b[:n], from, c.self)
	}
}

func (s *Server) answer(conn net.PacketConn, b []byte, from net.Addr, self netip.AddrPort) {
	source := sipmsg.Unmap(sipmsg.AddrPort(from))
	if !source.IsValid() {
		s.noSource.Add(1)
		return
	}
	if sipprobe.IsAck(b) {
		s.acks.Add(1)
		return
	}
	answer, err := sipprobe.Answer(b, sipprobe.Seen{Source: source, Server: self, Other: s.cfg.Other})
	if err != nil {
		s.tooLong.Add(1)
		return
	}
	s.answered.Add(1)
	if _, err := conn.WriteTo(answer, from); err != nil {
		s.writeErrors.Add(1)
	}
}

// maxFailures in a row end a reader: the socket is broken.
const maxFailures = 16

// Serve answers what comes to a socket until Close, then returns nil, or until the socket is
// broken. Close closes it.
func (s *Server) Serve(conn net.PacketConn) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return conn.Close()
	}
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	self := sipmsg.AddrPort(conn.LocalAddr())
	b := make([]byte, 65536)
	for failures := 0; ; {
		n, from, err := conn.ReadFrom(b)
		switch {
		case err == nil:
			failures = 0
			if sipprobe.Is(b[:n]) {
				s.answer(conn, b[:n], from, self)
			} else {
				s.other.Add(1)
			}
		case errors.Is(err, net.ErrClosed):
			return nil
		default:
			s.readErrors.Add(1)
			if failures++; failures == maxFailures {
				return fmt.Errorf("sipprobe: serve: %w", err)
			}
		}
	}
}

// Close closes the sockets of Serve.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, c := range s.conns {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.conns = nil
	return errors.Join(errs...)
}
