package ua

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// maxDatagram bounds a SIP message that is received; each SIP socket holds one
	// buffer of this size. What is larger is dropped and counted.
	maxDatagram = 8 << 10
	// maxRequest is the most that may be sent over UDP (RFC 3261 section 18.1.1).
	maxRequest = 1300
	// maxReadFailures in a row end a reader: the socket is broken.
	maxReadFailures = 16
)

// parser is shared: it is read only.
var parser = sip.NewParser()

// core is what a stack hands messages to. All calls for one socket come from its reader,
// in the order of arrival, and must not block.
type core interface {
	// request: a new request, with its server transaction.
	request(tx *serverTx)
	// ack: an ACK that is not the end of a server transaction.
	ack(req *sip.Request)
	// response: a response that no client transaction waits for.
	response(res *sip.Response)
	// foreign: a response to a client transaction whose sent-by is not the one of the
	// request, and which is not used.
	foreign(res *sip.Response, sent *sip.ViaHeader)
}

// stack is the transport and transaction layer: sipgo's messages, parser and
// transaction state machines over sockets of our own. sipgo's transport layer is not
// used because it would open sockets of the operating system's when one of ours is
// gone, answers from whichever socket last heard of a peer, and handles each message on
// a goroutine of its own, so that two may overtake each other.
type stack struct {
	core core
	log  *slog.Logger
	ctr  *counters

	wg      sync.WaitGroup // readers and transaction pumps
	closing chan struct{}

	mu     sync.Mutex
	closed bool
	socks  []*port
	client map[string]*clientTx
	server map[string]*serverTx
	done   map[string]*completed
}

// completed repeats the ACK to a failed INVITE for as long as the failure may be
// repeated (RFC 3261 section 17.1.1.2, Timer D).
type completed struct {
	conn  *txConn
	timer *time.Timer
}

func newStack(c core, log *slog.Logger, ctr *counters) *stack {
	return &stack{
		core: c, log: log, ctr: ctr, closing: make(chan struct{}),
		client: map[string]*clientTx{}, server: map[string]*serverTx{}, done: map[string]*completed{},
	}
}

// serve reads p until it is closed; the stack owns it now.
func (s *stack) serve(p *port) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.socks = append(s.socks, p)
	s.wg.Add(1)
	go s.read(p)
	return nil
}

// close ends every transaction, closes the sockets and waits for the goroutines.
func (s *stack) close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	close(s.closing)
	for _, p := range s.socks {
		_ = p.conn.Close()
	}
	clients, servers := s.client, s.server
	s.client, s.server = map[string]*clientTx{}, map[string]*serverTx{}
	for _, d := range s.done {
		d.timer.Stop()
	}
	s.done = map[string]*completed{}
	s.mu.Unlock()
	for _, tx := range clients {
		tx.tx.Terminate()
	}
	for _, tx := range servers {
		tx.tx.Terminate()
	}
	s.wg.Wait()
}

func (s *stack) read(p *port) {
	defer s.wg.Done()
	buf := make([]byte, maxDatagram)
	for failures := 0; failures < maxReadFailures; {
		n, from, err := p.conn.ReadFrom(buf)
		switch classify(n, len(buf), err) {
		case readOK:
			failures = 0
			s.datagram(p, buf[:n], from)
		case readOversize:
			s.ctr.oversize.Add(1)
		case readFailed:
			s.ctr.readErrors.Add(1)
			s.log.Warn("read failed", "local", p.local, "error", err)
			failures++
		case readEnded:
			return
		}
	}
}

// flow is a socket and a peer: where a transaction's messages go.
type flow struct {
	sock *port
	peer netip.AddrPort
}

// write sends a message. Requests that are too large are refused.
func (s *stack) write(f flow, msg sip.Message) ([]byte, error) {
	var b bytes.Buffer
	msg.StringWrite(&b)
	if _, ok := msg.(*sip.Request); ok && b.Len() > maxRequest {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessageTooLarge, b.Len())
	}
	return b.Bytes(), s.writeRaw(f, b.Bytes())
}

func (s *stack) writeRaw(f flow, b []byte) error {
	if err := f.sock.send(b, f.peer); err != nil {
		s.ctr.sendErrors.Add(1)
		return fmt.Errorf("ua: send from %s to %s: %w", f.sock.local, f.peer, err)
	}
	s.ctr.sent.Add(1)
	return nil
}

// txConn is the sip.Connection of one transaction. It remembers the last ACK.
type txConn struct {
	s *stack
	flow
	ack []byte // written under the transaction's lock, read after its end
}

func (c *txConn) WriteMsg(msg sip.Message) error {
	b, err := c.s.write(c.flow, msg)
	if r, ok := msg.(*sip.Request); ok && r.IsAck() {
		c.ack = b
	}
	return err
}

func (c *txConn) Ref(int) int            { return 1 }
func (c *txConn) TryClose() (int, error) { return 1, nil }
func (c *txConn) Close() error           { return nil }

// clientTx is a client transaction. Its user reads Responses and Done until a final
// response or the end, and then calls finish.
type clientTx struct {
	s     *stack
	key   string
	tx    *sip.ClientTx
	req   *sip.Request
	conn  *txConn
	inbox chan *sip.Response
}

// LocalAddr is of the socket.
func (c *txConn) LocalAddr() net.Addr { return c.sock.addr }

// begin sends a request and starts its transaction (RFC 3261 section 17.1).
func (s *stack) begin(f flow, req *sip.Request) (*clientTx, error) {
	key, ok := clientKey(req)
	if !ok {
		return nil, fmt.Errorf("ua: %s without a branch or CSeq", req.Method)
	}
	conn := &txConn{s: s, flow: f}
	t := &clientTx{
		s: s, key: key, req: req, conn: conn,
		tx: sip.NewClientTx(key, req, conn, s.log), inbox: make(chan *sip.Response, 16),
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	s.client[key] = t
	s.wg.Add(1)
	s.mu.Unlock()
	go t.pump()
	if err := t.tx.Init(); err != nil {
		t.finish(nil)
		return nil, unwrapTransport(err)
	}
	return t, nil
}

// isTimeout knows what sipgo says after Timer B or F.
func isTimeout(err error) bool { return errors.Is(err, sip.ErrTransactionTimeout) }

// unwrapTransport strips sipgo's wrapping where ours says it all.
func unwrapTransport(err error) error {
	if errors.Is(err, ErrMessageTooLarge) {
		return err
	}
	return fmt.Errorf("ua: send: %w", err)
}

// pump passes responses to the state machine, which blocks until they are taken.
func (t *clientTx) pump() {
	defer t.s.wg.Done()
	for {
		select {
		case res := <-t.inbox:
			t.tx.Receive(res)
		case <-t.tx.Done():
			return
		}
	}
}

// finish ends the transaction. After a failed INVITE its ACK is kept for repetitions.
func (t *clientTx) finish(final *sip.Response) {
	t.tx.Terminate()
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client[t.key] == t {
		delete(s.client, t.key)
	}
	if final == nil || !t.req.IsInvite() || final.StatusCode < 300 || s.closed {
		return
	}
	s.done[t.key] = &completed{conn: t.conn, timer: time.AfterFunc(sip.Timer_D, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.done, t.key)
	})}
}

// serverTx is a server transaction and the request that began it.
type serverTx struct {
	s      *stack
	tx     *sip.ServerTx
	req    *sip.Request
	flow   flow
	source netip.AddrPort // where the request came from, whatever its Via says
	// inDialog: the request came with a To tag. Otherwise its To now has the tag that
	// every response will bear.
	inDialog bool
	localTag string
	final    atomic.Int32 // status code of the final response, once there is one
}

// respond answers; extra header fields go into the response.
func (t *serverTx) respond(code int, reason string, body []byte, extra ...sip.Header) (*sip.Response, error) {
	res := sip.NewResponseFromRequest(t.req, code, reason, body)
	for _, h := range extra {
		res.AppendHeader(h)
	}
	if code >= 200 {
		t.final.Store(int32(code))
		t.s.ctr.answered.add(code)
	}
	return res, t.tx.Respond(res)
}

// reply is respond for answers whose loss the peer's retransmission heals.
func (t *serverTx) reply(code int, reason string, extra ...sip.Header) {
	if _, err := t.respond(code, reason, nil, extra...); err != nil {
		t.s.log.Debug("response not sent", "code", code, "error", err)
	}
}

// resend sends a 2xx once more: its repetition is not the transaction's business (RFC
// 6026 section 7.1).
func (t *serverTx) resend(res *sip.Response) error {
	_, err := t.s.write(t.flow, res)
	return err
}

func (s *stack) newServerTx(key string, p *port, req *sip.Request, source netip.AddrPort) (*serverTx, error) {
	t := &serverTx{s: s, req: req, source: source, flow: flow{p, responseAddr(req, source)}}
	// One tag for all responses (RFC 3261 section 8.2.6.2): put it where sipgo copies it from.
	if t.localTag, t.inDialog = req.To().Params.Get("tag"); !t.inDialog {
		t.localTag = token()
		req.To().Params.Add("tag", t.localTag)
	}
	t.tx = sip.NewServerTx(key, req, &txConn{s: s, flow: t.flow}, s.log)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if err := t.tx.Init(); err != nil {
		return nil, err
	}
	s.server[key] = t
	t.tx.OnTerminate(func(string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.server[key] == t {
			delete(s.server, key)
		}
	})
	return t, nil
}
