package registrar

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// A Server is registrar, location service and stateful proxy on one socket, or two.
type Server struct {
	cfg    Config
	policy *rules
	sides  sides
	log    *slog.Logger

	// The stack tells of one datagram or timer at a time, in order of arrival. mu is for
	// those who look on from outside.
	stack    *sipstack.Stack
	socket   *sipstack.Socket // that user agents register at
	mu       sync.Mutex
	location location
	pings    map[bindingKey]*pinged
	flows    flows
	auth     authenticator
	agents   agents
	rng      *mathrand.ChaCha8
	key      [32]byte
	markKey  []byte
	mark     hash.Hash // of dialogs, with markKey
	salt     uint64    // of tags
	stats    Stats
	out      bytes.Buffer // scratch for the message being written
	serving  bool
	drain    drain
	closed   bool
}

// New prepares a server on conn. It starts nothing and sends nothing; Serve does. The
// server owns conn from then on: Close closes it.
func New(conn net.PacketConn, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults(conn.LocalAddr())
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, policy: &policies[cfg.Policy], log: cfg.Logger, key: cfg.key()}
	s.markKey = s.key[:]
	s.mark = hmac.New(sha256.New, s.markKey)
	s.rng = mathrand.NewChaCha8(s.key)
	s.salt = s.rng.Uint64()
	s.stats.Rejected = make(map[int]uint64)
	s.location = location{max: cfg.MaxContacts, users: make(map[string]*record)}
	s.pings = make(map[bindingKey]*pinged)
	s.flows = newFlows(&cfg)
	s.auth = newAuthenticator(cfg, s.key, s.isSelf)
	stack := sipstack.Config{User: user{s}, Tag: func(req *sipmsg.Request) string { return req.Tag(s.salt) }, IgnoreRport: cfg.IgnoreRport, OnPanic: cfg.OnPanic}
	if stack.OnSTUN, err = s.stunHandler(); err != nil {
		return nil, fmt.Errorf("registrar: new: %w", err)
	}
	s.stack = sipstack.New(stack)
	s.agents = s.newAgents()
	if err := s.load(); err != nil {
		return nil, err
	}
	if s.socket, err = s.stack.Open(conn); err != nil {
		return nil, fmt.Errorf("registrar: new: %w", err)
	}
	if s.sides, err = s.open(conn.LocalAddr()); err != nil {
		return nil, fmt.Errorf("registrar: new: %w", err)
	}
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
	s.pingAll()
	s.mu.Unlock()
	s.resume()
	if err := s.serve(); err != nil {
		return fmt.Errorf("registrar: serve: %w", err)
	}
	return nil
}

// Close closes the connection, forgets all transactions without a word to anybody, and
// waits for Serve. Bindings and Stats stay readable. See Shutdown.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if err := s.stack.Close(); err != nil {
		return fmt.Errorf("registrar: close: %w", err)
	}
	return nil
}

// now is the time bindings are judged by.
func (s *Server) now() time.Time { return time.Now() }

// token returns a short random word.
func (s *Server) token() string { return sipmsg.Fixed(s.rng.Uint64()) }

// extensions are the option tags this server supports in a REGISTER.
func (s *Server) extensions() []string {
	list := []string{"path"}
	if s.cfg.Outbound {
		list = append(list, "outbound")
	}
	if s.cfg.GRUU {
		list = append(list, "gruu")
	}
	return list
}

func (s *Server) supported() string { return strings.Join(s.extensions(), ", ") }

// handle answers a new request or sends it on.
func (s *Server) handle(tx *sipstack.ServerTx, req *request) {
	if fail := s.preprocess(req); fail != nil {
		s.refuse(tx, req, fail)
		return
	}
	if s.agentsServe(req) {
		s.serveAgents(tx, req)
		return
	}
	switch own := len(req.routes) == 0 && s.isSelf(&req.uri); {
	case own && req.Method == sip.REGISTER:
		s.register(tx, req)
	case own && req.Method == sip.OPTIONS && req.uri.User == "":
		s.answer(tx, req, 200, "OK", s.capabilities()...) // RFC 3261 §11.2
	default:
		s.proxy(tx, req)
	}
}

// capabilities are what an OPTIONS for the server itself is answered with.
func (s *Server) capabilities() []sipmsg.Header {
	h := []sipmsg.Header{
		header("Allow", "INVITE, ACK, CANCEL, BYE, REGISTER, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, REFER, INFO, UPDATE, PRACK, PUBLISH"),
		header("Supported", s.supported()),
	}
	if s.agents.allow != "" {
		h = append(h, header("Allow-Events", s.agents.allow))
	}
	return h
}
