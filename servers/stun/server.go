package stun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/natproof/natproof/internal/push"
	"github.com/natproof/natproof/internal/readbuf"
	"github.com/natproof/natproof/internal/text"
	"github.com/natproof/natproof/stunclient/attr"
)

// DefaultMTU is the MTU assumed when Config.MTU is zero: Ethernet's.
const DefaultMTU = 1500

// Bounds of Config.MTU: the least IPv4 allows (RFC 791), and what leaves room
// for the rest of the answer in a UDP datagram.
const (
	minMTU = 68
	maxMTU = 64000
)

// Config says on which sockets a server runs. Conns is all it needs.
type Config struct {
	// Conns are one socket, or four: two addresses times the same two ports, in
	// any order, as Listen makes them. Each must be bound to a concrete address,
	// because the server tells its clients. The server owns them: Close closes them.
	Conns []net.PacketConn

	// MTU is that of the outgoing interface in bytes, which is how long PADDING
	// in an answer is; 0 is DefaultMTU.
	MTU int

	// ResponseAddress makes the server honour RESPONSE-ADDRESS of RFC 3489
	// clients: it sends the answer to any address the request names. That is
	// needed for the binding lifetime test of RFC 3489 and a means to attack
	// third parties, so it is off by default and such requests get 420.
	ResponseAddress bool

	// Software, if not empty, is the SOFTWARE attribute of every answer to an
	// RFC 8489 client: at most 127 characters of UTF-8 (RFC 8489 section 14.14)
	// and no control characters.
	Software string

	// OnPanic ends a panic over a datagram, which is then counted and dropped. It is called
	// while the panic is on the stack. Nil lets it go on, which ends the process.
	OnPanic func(value any, datagram []byte, from netip.AddrPort)
}

// ErrServing is returned by a second Serve.
var ErrServing = errors.New("stun: serve: already serving")

// maxReadErrors is how many reads in a row may fail before a socket is given
// up. Some systems report on a read what happened to an earlier write.
const maxReadErrors = 16

// A Server answers STUN requests on its sockets.
type Server struct {
	cfg      Config
	grid     grid
	counts   [outcomes]atomic.Uint64
	readErr  atomic.Uint64
	writeErr atomic.Uint64

	mu      sync.Mutex
	serving bool
	closed  bool
	done    chan struct{} // closed by Close
	running sync.WaitGroup
}

// New prepares a server. It starts nothing; Serve does. If it fails the sockets
// stay open and the caller's.
func New(cfg Config) (*Server, error) {
	g, err := newGrid(cfg.Conns)
	if err != nil {
		return nil, fmt.Errorf("stun: new: %w", err)
	}
	if cfg.MTU == 0 {
		cfg.MTU = DefaultMTU
	}
	if cfg.MTU < minMTU || cfg.MTU > maxMTU {
		return nil, fmt.Errorf("stun: new: MTU of %d bytes: want %d to %d", cfg.MTU, minMTU, maxMTU)
	}
	if err := checkSoftware(cfg.Software); err != nil {
		return nil, fmt.Errorf("stun: new: SOFTWARE: %w", err)
	}
	return &Server{cfg: cfg, grid: g, done: make(chan struct{})}, nil
}

// checkSoftware holds a value to RFC 8489 section 14.14, "a UTF-8-encoded sequence of
// fewer than 128 characters", and to the rule for control characters.
func checkSoftware(v string) error {
	if n := utf8.RuneCountInString(v); n > 127 {
		return fmt.Errorf("%d characters, want at most 127", n)
	}
	if !utf8.ValidString(v) {
		return fmt.Errorf("%q: not UTF-8", v)
	}
	return text.Value(v)
}

// Serve answers requests until Close and then returns nil, at once if Close came
// first, or until a socket fails for good; then it closes the others and returns
// that error.
func (s *Server) Serve() error {
	s.mu.Lock()
	if s.serving || s.closed {
		defer s.mu.Unlock()
		if s.serving {
			return ErrServing
		}
		return nil
	}
	s.serving = true
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	errs := make([]error, len(s.grid.conns))
	var readers sync.WaitGroup
	var pushing []<-chan struct{}
	for i, conn := range s.grid.conns {
		if closed, ok := push.To(conn, s.pushed(i)); ok {
			pushing = append(pushing, closed)
			continue
		}
		readers.Go(func() {
			if errs[i] = s.read(i); errs[i] != nil {
				_ = s.closeConns()
			}
		})
	}
	readers.Wait()
	for _, closed := range pushing {
		<-closed
	}
	if s.isClosed() {
		return nil
	}
	return errors.Join(errs...)
}

// Close closes the sockets and waits until Serve has returned. Stats stay readable.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		close(s.done)
	}
	s.mu.Unlock()
	var err error
	if first {
		if err = s.closeConns(); err != nil {
			err = fmt.Errorf("stun: close: %w", err)
		}
	}
	s.running.Wait()
	return err
}

func (s *Server) isClosed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *Server) closeConns() error {
	var errs []error
	for _, c := range s.grid.conns {
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// size is how much of a datagram is looked at. A request is a few dozen bytes, or with PADDING
// about as long as the MTU; what is longer is cut off here and fails the length check.
func (s *Server) size() int { return max(2048, s.cfg.MTU+512) }

// pushed serves a socket that pushes.
func (s *Server) pushed(i int) push.Func {
	return func(b []byte, from netip.AddrPort, err error) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		s.running.Add(1)
		s.mu.Unlock()
		defer s.running.Done()
		if err != nil {
			s.readErr.Add(1)
			return
		}
		s.handle(i, b[:min(len(b), s.size())], from)
	}
}

// read serves one socket. It returns nil if the socket was closed.
func (s *Server) read(i int) error {
	conn := s.grid.conns[i]
	lent := readbuf.Get(s.size())
	defer readbuf.Put(lent)
	buf := *lent
	failures := 0
	for {
		n, from, err := conn.ReadFrom(buf)
		switch {
		case err == nil:
			failures = 0
			if src, ok := attr.FromNet(from); ok {
				s.handle(i, buf[:n], src)
			} else {
				s.count(BadSource)
			}
		case errors.Is(err, net.ErrClosed) || s.isClosed():
			return nil
		default:
			s.readErr.Add(1)
			if failures++; failures == maxReadErrors {
				return fmt.Errorf("stun: serve: %v: %w", s.grid.addrs[i], err)
			}
		}
	}
}
