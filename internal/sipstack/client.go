package sipstack

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// Client hears of a client transaction, see the package for when. After a final response
// other than a 2xx to an INVITE, and after Failed, it hears no more.
type Client interface {
	// Response: a response; repetitions of a 2xx to an INVITE too (RFC 6026 §7.2).
	Response(res *sipmsg.Response)
	// Failed: there will be none: ErrTimeout, or why the request could not be repeated
	// (RFC 3261 §17.1.4).
	Failed(err error)
	// Canceled: the CANCEL has left.
	Canceled()
}

// ClientTx is a client transaction (RFC 3261 §17.1, RFC 6026 §7.2).
type ClientTx struct {
	To     netip.AddrPort
	Socket *Socket

	s        *Stack
	key      string
	via      sipmsg.Via
	client   Client       // nil once it hears no more
	sent     *sipmsg.Sent // until a final response
	wire     []byte       // what to repeat: the request, then for an INVITE the ACK
	invite   bool
	state    state
	cancel   bool // to be canceled
	canceled bool // a CANCEL has left
	interval time.Duration
	again    *timer // Timer A or E
	end      *timer // Timer B, D, F, K or M; 64*T1 after a CANCEL
}

// Request sends a request and goes on sending it until something answers. The error says
// why nothing was sent; then there is no transaction. A nil client does not care.
func (s *Stack) Request(k *Socket, to netip.AddrPort, req *sipmsg.Sent, client Client) (*ClientTx, error) {
	s.mu.Lock()
	defer s.release()
	return s.request(k, to, req, client)
}

func (s *Stack) request(k *Socket, to netip.AddrPort, req *sipmsg.Sent, client Client) (*ClientTx, error) {
	via, ok := sipmsg.ParseVia(req.Via)
	if !ok || via.Branch == "" || req.Method == string(sip.ACK) {
		return nil, fmt.Errorf("%w: %s with Via %q", ErrRequest, req.Method, req.Via)
	}
	if err := s.fits(req.Wire); err != nil {
		return nil, err
	}
	if err := s.send(k, req.Wire, to); err != nil {
		return nil, err
	}
	tx := &ClientTx{
		To: to, Socket: k,
		s: s, key: sipmsg.ClientKey(via.Branch, req.Method), via: via, client: client,
		sent: req, wire: req.Wire, invite: req.Method == string(sip.INVITE), interval: T1,
	}
	s.clients[tx.key] = tx
	tx.again = s.timers.after(T1, tx.repeat)
	tx.end = s.timers.after(Timeout, tx.expire)
	return tx, nil
}

// fits says why a request may not be sent (RFC 3261 §18.1.1).
func (s *Stack) fits(b []byte) error {
	if s.cfg.MaxRequest > 0 && len(b) > s.cfg.MaxRequest {
		return fmt.Errorf("%w: %d bytes, %d may be sent over UDP", ErrTooLarge, len(b), s.cfg.MaxRequest)
	}
	return nil
}

// WriteAck sends the ACK of a 2xx, which is a request outside of transactions (§13.2.2.4).
func (s *Stack) WriteAck(k *Socket, b []byte, to netip.AddrPort) error {
	if err := s.fits(b); err != nil {
		return err
	}
	return s.Write(k, b, to)
}

func (tx *ClientTx) repeat() {
	tx.s.stats.Repeated++
	switch {
	case tx.invite:
		tx.interval *= 2 // Timer A
	case tx.state != calling:
		tx.interval = T2 // Timer E in Proceeding
	default:
		tx.interval = min(2*tx.interval, T2)
	}
	if err := tx.s.send(tx.Socket, tx.wire, tx.To); err != nil {
		tx.fail(err)
		return
	}
	tx.again = tx.s.timers.after(tx.interval, tx.repeat)
}

func (tx *ClientTx) expire() { tx.fail(ErrTimeout) }

// fail ends the transaction and says so.
func (tx *ClientTx) fail(err error) {
	if c := tx.client; c != nil {
		tx.s.tell(func() { c.Failed(err) })
	}
	tx.destroy()
}

// Cancel asks for an INVITE to be given up (RFC 3261 §9.1). Before the first provisional
// response that has to wait. Without a final response in 64*T1 the transaction fails with
// ErrTimeout.
func (tx *ClientTx) Cancel() {
	tx.s.mu.Lock()
	defer tx.s.release()
	if tx.invite && tx.sent != nil {
		tx.cancel = true
		tx.sendCancel()
	}
}

func (tx *ClientTx) sendCancel() {
	if !tx.cancel || tx.canceled || tx.state != proceeding {
		return
	}
	tx.canceled = true
	s := tx.s
	tx.end = s.timers.after(Timeout, tx.expire)
	_, _ = s.request(tx.Socket, tx.To, tx.sent.Cancel(), nil) // a failed write is counted, and end covers the rest
	if c := tx.client; c != nil {
		s.tell(c.Canceled)
	}
}

// Terminate ends the transaction without a word to anybody, its client included, unless it
// has had its final response: then it goes on absorbing repetitions. What is told already
// may still come.
func (tx *ClientTx) Terminate() {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.client = nil
	if tx.state < completed {
		tx.destroy()
	}
}

func (tx *ClientTx) destroy() {
	tx.stopTimers()
	tx.client, tx.sent, tx.wire = nil, nil, nil
	if tx.s.clients[tx.key] == tx {
		delete(tx.s.clients, tx.key)
	}
}

func (tx *ClientTx) stopTimers() {
	tx.s.timers.stop(tx.again)
	tx.s.timers.stop(tx.end)
	tx.again, tx.end = nil, nil
}

// receive handles a response. s.mu is held.
func (tx *ClientTx) receive(res *sipmsg.Response) {
	code := res.StatusCode
	switch {
	case tx.state == completed:
		tx.s.stats.Repeats++
		if tx.invite && code >= 300 { // §17.1.1.2
			tx.s.stats.Repeated++
			_ = tx.s.send(tx.Socket, tx.wire, tx.To)
		}
	case tx.state == accepted && code/100 != 2: // RFC 6026 §7.2
		tx.s.stats.Repeats++
	case tx.state == accepted && tx.client == nil: // nobody's any more, but perhaps the user's
		tx.s.stats.Unmatched++
		tx.s.tell(func() { tx.s.cfg.User.Response(res) })
	case code < 200:
		if tx.invite && tx.state == calling { // neither Timer A nor B in Proceeding
			tx.stopTimers()
			tx.wire = nil
		}
		tx.state = proceeding
		tx.hand(res)
		tx.sendCancel()
	default:
		if tx.state != accepted {
			tx.final(res)
		}
		tx.hand(res)
		if tx.state == completed {
			tx.client = nil
		}
	}
}

// hand gives a response to the client.
func (tx *ClientTx) hand(res *sipmsg.Response) {
	tx.s.stats.Responses++
	if c := tx.client; c != nil {
		tx.s.tell(func() { c.Response(res) })
	}
}

func (tx *ClientTx) final(res *sipmsg.Response) {
	tx.stopTimers()
	keep := T4 // Timer K
	sent := tx.sent
	tx.wire, tx.sent = nil, nil
	switch {
	case !tx.invite:
		tx.state = completed
	case res.StatusCode < 300:
		tx.state, keep = accepted, Timeout // Timer M
	default:
		tx.state, keep = completed, timerD
		tx.wire = sent.Ack(res.To)
		_ = tx.s.send(tx.Socket, tx.wire, tx.To)
	}
	tx.end = tx.s.timers.after(keep, tx.destroy)
}
