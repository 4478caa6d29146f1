package sipstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// Sentinel errors, for errors.Is.
var (
	// ErrClosed: the stack is closed.
	ErrClosed = errors.New("sipstack: closed")
	// ErrTimeout: nobody answered in time (timers B and F, and 64*T1 after a CANCEL).
	ErrTimeout = errors.New("sipstack: no response")
	// ErrTooLarge: a request is larger than Config.MaxRequest and was not sent.
	ErrTooLarge = errors.New("sipstack: request is too large")
	// ErrRequest: a request that cannot begin a transaction.
	ErrRequest = errors.New("sipstack: no transaction possible")
)

// User is the transaction user (RFC 3261 §5). See the package for when it is called.
type User interface {
	// Request: a new request and its transaction, CANCEL included.
	Request(tx *ServerTx, req *sipmsg.Request)
	// Ack: an ACK that does not end a transaction here: of a 2xx, or of nothing.
	Ack(req *sipmsg.Request)
	// Response: a response that no transaction waits for.
	Response(res *sipmsg.Response)
	// Foreign: a response whose sent-by is not the one of its request, and which is not
	// used (RFC 3261 §18.1.2).
	Foreign(res *sipmsg.Response, sent sipmsg.Via)
	// Refused: a request with a fault. It was answered, unless it is an ACK.
	Refused(req *sipmsg.Request)
	// Malformed: a datagram that nothing can be done with.
	Malformed(from netip.AddrPort, why error)
	// Unsent: a message that the socket did not take.
	Unsent(b []byte, to netip.AddrPort, err error)
}

// Config configures a Stack. User and Tag are required.
type Config struct {
	User User
	// Tag makes the To tag of all responses to a request, the same each time.
	Tag func(req *sipmsg.Request) string
	// MaxRequest is the size in bytes above which a request is not sent (RFC 3261 §18.1.1);
	// 0 is no limit. Responses have none.
	MaxRequest int
	// MaxDatagram is the size in bytes from which on a datagram is dropped; 0 is 65535,
	// which none reaches. Each socket holds a buffer of that size.
	MaxDatagram int
	// Endpoint drops responses of more than one Via, which are not for a user agent (RFC
	// 3261 §8.1.3.3).
	Endpoint bool
	// IgnoreRport answers by the Via alone (RFC 3261 §18.2.2 without RFC 3581).
	IgnoreRport bool
	// OnSTUN gets STUN messages, with the magic cookie or of RFC 3489. The bytes are only
	// valid during the call. Nil drops them.
	OnSTUN func(k *Socket, b []byte, from netip.AddrPort)
	// OnPanic ends a panic over a datagram or a timer, its own transaction and nothing else:
	// a request is answered 500. It is called while the panic is on the stack, with the
	// datagram, which is nil over a timer. Nil lets it go on, which ends the process.
	OnPanic func(value any, datagram []byte, from netip.AddrPort)
}

// Stack is the sockets and transactions of one SIP element.
type Stack struct {
	cfg Config
	wg  sync.WaitGroup // readers, and the alarm while it rings

	mu      sync.Mutex
	timers  timers
	sockets []*Socket
	servers map[string]*ServerTx
	clients map[string]*ClientTx
	stats   Stats
	closed  bool
	calls   []func() // to the user, in order
	calling bool     // somebody is making them
	subject subject  // of what is handled now, with OnPanic
}

// New makes a stack. It has no goroutine until Serve.
func New(cfg Config) *Stack {
	if cfg.MaxDatagram == 0 {
		cfg.MaxDatagram = maxUDP
	}
	s := &Stack{cfg: cfg, servers: map[string]*ServerTx{}, clients: map[string]*ClientTx{}}
	s.timers = timers{start: time.Now(), wake: s.ring}
	return s
}

// tell lets the user know of something in its turn. s.mu is held.
func (s *Stack) tell(f func()) { s.tellOr(f, nil) }

// release gives the mutex back and makes the calls that have come up meanwhile, unless
// another goroutine is at it: that one will make ours too.
func (s *Stack) release() {
	if s.calling {
		s.mu.Unlock()
		return
	}
	s.calling = true
	for len(s.calls) > 0 {
		f := s.calls[0]
		s.calls[0] = nil
		s.calls = s.calls[1:]
		s.mu.Unlock()
		f()
		s.mu.Lock()
	}
	s.calling, s.calls = false, s.calls[:0]
	s.mu.Unlock()
}

// ring is what the alarm calls.
func (s *Stack) ring() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.wg.Add(1)
	defer s.wg.Done()
	s.fire()
	s.release()
}

// Close closes the sockets, forgets all transactions without a word to anybody, and waits
// for what is under way. The user must not call it in its turn.
func (s *Stack) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.timers.clear()
	clear(s.servers)
	clear(s.clients)
	s.calls = nil
	var errs []error
	for _, k := range s.sockets {
		errs = append(errs, k.conn.Close())
	}
	s.mu.Unlock()
	s.wg.Wait()
	return errors.Join(errs...)
}

// Receive handles one datagram, as Serve does with those of a socket. b may be used again
// afterwards.
func (s *Stack) Receive(k *Socket, b []byte, from netip.AddrPort) {
	s.mu.Lock()
	s.receive(k, b, from)
}

// receive is Receive. s.mu is held, and given back.
func (s *Stack) receive(k *Socket, b []byte, from netip.AddrPort) {
	defer s.release()
	if s.closed {
		return
	}
	s.stats.Datagrams++
	s.sort(k, b, from)
}

// take is what becomes of a datagram. s.mu is held.
func (s *Stack) take(k *Socket, b []byte, from netip.AddrPort) {
	switch kind := sipmsg.KindOf(b); kind {
	case sipmsg.Empty, sipmsg.Keepalive:
		s.stats.Keepalives++
		return
	case sipmsg.STUN, sipmsg.ClassicSTUN:
		s.stats.STUN++
		if s.cfg.OnSTUN != nil {
			s.stun(k, b, from)
		}
		return
	}
	m, err := sipmsg.Read(b, from, s.cfg.IgnoreRport)
	switch m := m.(type) {
	case *sipmsg.Request:
		s.receiveRequest(k, m)
	case *sipmsg.Response:
		if s.cfg.Endpoint && len(m.Vias) > 1 {
			s.malformed(from, errVias)
			return
		}
		s.receiveResponse(m)
	default:
		s.malformed(from, err)
	}
}

var errVias = errors.New("sipstack: a response of several Vias for a user agent")

func (s *Stack) malformed(from netip.AddrPort, why error) {
	s.stats.Malformed++
	s.tell(func() { s.cfg.User.Malformed(from, why) })
}

// receiveRequest finds or makes the transaction of a request (RFC 3261 §17.2.3).
func (s *Stack) receiveRequest(k *Socket, req *sipmsg.Request) {
	if req.Fault != nil {
		s.stats.Faulty++
		if req.Answerable() { // without a transaction (§8.2.7)
			_ = s.send(k, req.Respond(req.Fault.Code, req.Fault.Reason, s.cfg.Tag(req), nil), req.ReplyTo)
		}
		s.tell(func() { s.cfg.User.Refused(req) })
		return
	}
	if req.IsAck() {
		// One with the branch of the INVITE ends a refused one's transaction; the ACK of a
		// 2xx has a branch of its own (§17.1.1.3).
		if tx := s.servers[req.Key("INVITE")]; tx != nil && tx.state != accepted {
			s.stats.Absorbed++
			tx.acknowledged()
			return
		}
		s.stats.Acks++
		s.tell(func() { s.cfg.User.Ack(req) })
		return
	}
	key := req.Key(string(req.Method))
	if tx := s.servers[key]; tx != nil {
		s.stats.Absorbed++
		tx.repeated()
		return
	}
	s.stats.Requests++
	tx := s.newServerTx(k, key, req)
	s.tellOr(func() { s.cfg.User.Request(tx, req) }, func() { tx.unserved(req) })
}

// receiveResponse finds the transaction of a response (RFC 3261 §17.1.3, §18.1.2).
func (s *Stack) receiveResponse(res *sipmsg.Response) {
	tx := s.clients[sipmsg.ClientKey(res.Top.Branch, res.CSeq.Method)]
	switch {
	case tx == nil:
		s.stats.Unmatched++
		s.tell(func() { s.cfg.User.Response(res) })
	case !tx.via.SameSentBy(&res.Top):
		s.stats.Foreign++
		s.tell(func() { s.cfg.User.Foreign(res, tx.via) })
	default:
		tx.receive(res)
	}
}

// Server finds the server transaction with a key, see sipmsg.Request.Key; nil if there is
// none.
func (s *Stack) Server(key string) *ServerTx {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers[key]
}

// Write sends a message outside of any transaction: the ACK of a 2xx, or a 2xx again.
func (s *Stack) Write(k *Socket, b []byte, to netip.AddrPort) error {
	s.mu.Lock()
	defer s.release()
	return s.send(k, b, to)
}

// send writes one datagram. s.mu is held.
func (s *Stack) send(k *Socket, b []byte, to netip.AddrPort) error {
	if s.closed {
		return ErrClosed
	}
	if _, err := k.conn.WriteTo(b, net.UDPAddrFromAddrPort(to)); err != nil {
		s.stats.SendErrors++
		s.tell(func() { s.cfg.User.Unsent(b, to, err) })
		return fmt.Errorf("sipstack: send from %s to %s: %w", k.Local, to, err)
	}
	s.stats.Sent++
	return nil
}
