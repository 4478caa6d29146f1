package registrar

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A Server is registrar, location service and stateful proxy on one socket.
type Server struct {
	cfg   Config
	conn  net.PacketConn
	local netip.AddrPort // address of conn
	log   *slog.Logger

	// One datagram or one timer is handled at a time, in order of arrival: two messages
	// that arrive one after the other never overtake each other.
	mu       sync.Mutex
	timers   *timers
	location location
	auth     authenticator
	rng      *mathrand.ChaCha8
	key      [32]byte
	salt     uint64 // of tags
	servers  map[string]*serverTx
	clients  map[string]*clientTx
	stats    Stats
	out      bytes.Buffer // scratch for the message being written
	serving  bool
	closed   bool
	running  sync.WaitGroup // Serve
}

// New prepares a server on conn. It starts nothing and sends nothing; Serve does. The
// server owns conn from then on: Close closes it.
func New(conn net.PacketConn, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults(conn.LocalAddr())
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:     cfg,
		conn:    conn,
		local:   sipmsg.AddrPort(conn.LocalAddr()),
		log:     cfg.Logger,
		timers:  newTimers(),
		key:     cfg.key(),
		servers: make(map[string]*serverTx),
		clients: make(map[string]*clientTx),
	}
	s.rng = mathrand.NewChaCha8(s.key)
	s.salt = s.rng.Uint64()
	s.stats.Rejected = make(map[int]uint64)
	s.location = location{max: cfg.MaxContacts, users: make(map[string]*record)}
	s.auth = newAuthenticator(cfg, s.key, s.isSelf)
	return s, nil
}

// Addr returns the address the server writes into Via and Record-Route.
func (s *Server) Addr() netip.AddrPort { return s.cfg.Advertise }

// ErrServing is returned by a second Serve.
var ErrServing = errors.New("registrar: serve: already serving")

// Serve handles datagrams until Close, then returns nil, or until the connection fails.
// After Close it returns nil at once, so that "go s.Serve()" need not win a race.
func (s *Server) Serve() error {
	s.mu.Lock()
	if s.serving {
		s.mu.Unlock()
		return ErrServing
	}
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.serving = true
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	stopTimers := make(chan struct{})
	var timing sync.WaitGroup
	timing.Go(func() { s.runTimers(stopTimers) })
	defer timing.Wait()
	defer close(stopTimers)

	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, from, err := s.conn.ReadFrom(*buf)
		switch {
		case err == nil:
			s.receive((*buf)[:n], sipmsg.AddrPort(from))
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EMSGSIZE):
			// An ICMP error for something sent earlier, or a datagram that did not fit.
		case s.isClosed():
			return nil
		default:
			return fmt.Errorf("registrar: serve: %w", err)
		}
	}
}

// buffers holds read buffers, each as large as a datagram can be.
var buffers = sync.Pool{New: func() any { b := make([]byte, 65535); return &b }}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close closes the connection, forgets all transactions without a word to anybody, and
// waits for Serve. Bindings and Stats stay readable.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.timers.heap = nil
	clear(s.servers)
	clear(s.clients)
	s.mu.Unlock()
	err := s.conn.Close()
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("registrar: close: %w", err)
	}
	return nil
}

// now is the time bindings are judged by.
func (s *Server) now() time.Time { return time.Now() }

// token returns a short random word.
func (s *Server) token() string { return strconv.FormatUint(s.rng.Uint64(), 36) }

// receive handles one datagram.
func (s *Server) receive(b []byte, from netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.stats.Datagrams++
	switch sipmsg.KindOf(b) {
	case sipmsg.Empty, sipmsg.Keepalive:
		s.stats.Keepalives++
		return
	case sipmsg.STUN, sipmsg.ClassicSTUN:
		if s.cfg.OnSTUN != nil {
			s.cfg.OnSTUN(b, from)
		} else {
			s.stats.NotSIP++
		}
		return
	}
	m, err := sipmsg.Read(b, from, s.cfg.IgnoreRport)
	switch m := m.(type) {
	case *sipmsg.Request:
		s.receiveRequest(newRequest(m))
	case *sipmsg.Response:
		s.receiveResponse(m)
	default:
		s.malformed(from, err)
	}
}

// malformed counts what cannot even be answered.
func (s *Server) malformed(from netip.AddrPort, why error) {
	s.stats.Malformed++
	s.emit(Event{Kind: Dropped, Source: from, Detail: "malformed: " + why.Error()})
}

// receiveRequest finds the transaction of a request.
func (s *Server) receiveRequest(req *request) {
	if req.Fault != nil {
		s.stats.Malformed++
		s.refuseStateless(req)
		return
	}
	switch req.Method {
	case sip.ACK:
		s.receiveAck(req)
	case sip.CANCEL:
		s.receiveCancel(req)
	default:
		if tx := s.servers[req.Key(string(req.Method))]; tx != nil {
			tx.retransmission()
			return
		}
		s.handle(s.newServerTx(req), req)
	}
}

// handle answers a new request or sends it on.
func (s *Server) handle(tx *serverTx, req *request) {
	if fail := s.preprocess(req); fail != nil {
		s.refuse(tx, req, fail)
		return
	}
	switch own := len(req.routes) == 0 && s.isSelf(&req.uri); {
	case own && req.Method == sip.REGISTER:
		s.register(tx, req)
	case own && req.Method == sip.OPTIONS && req.uri.User == "":
		s.answer(tx, req, 200, "OK", // RFC 3261 §11.2
			header("Allow", "INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, REFER, INFO, UPDATE, PRACK, PUBLISH"),
			header("Supported", "path"))
	default:
		s.proxy(tx, req)
	}
}

// send writes one datagram.
func (s *Server) send(b []byte, to netip.AddrPort) error {
	if s.closed {
		return net.ErrClosed
	}
	_, err := s.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	if err != nil {
		s.stats.WriteErrors++
		if s.log != nil {
			s.log.Warn("registrar: send", slog.Any("to", to), slog.Any("error", err))
		}
	}
	return err
}
