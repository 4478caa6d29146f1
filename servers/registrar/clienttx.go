package registrar

import (
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A clientTx is a client transaction (RFC 3261 §17.1, RFC 6026 §7.2).
type clientTx struct {
	s        *Server
	key      string
	sent     *outgoing // until a final response
	to       netip.AddrPort
	invite   bool
	calling  bool // nothing heard yet
	state    txState
	wire     []byte // what to repeat: the request, then for an INVITE the ACK
	interval time.Duration
	again    *timer  // Timer A or E
	end      *timer  // Timer B, D, F, K or M
	branch   *branch // who wants to know; nil for CANCEL
}

// newClientTx sends a request and keeps sending it until something answers.
func (s *Server) newClientTx(o *outgoing, b *branch) (*clientTx, error) {
	wire := o.Wire
	o.Wire = nil
	if err := s.send(wire, o.dest); err != nil {
		return nil, err
	}
	tx := &clientTx{
		s: s, key: sipmsg.ClientKey(o.branch, o.Method), sent: o, to: o.dest, invite: o.Method == string(sip.INVITE),
		calling: true, wire: wire, interval: t1, branch: b,
	}
	s.clients[tx.key] = tx
	tx.again = s.timers.after(t1, tx.repeat)
	tx.end = s.timers.after(timeout, tx.expire)
	return tx, nil
}

func (tx *clientTx) repeat() {
	tx.s.stats.Retransmitted++
	tx.s.send(tx.wire, tx.to)
	switch {
	case tx.invite:
		tx.interval *= 2 // Timer A
	case !tx.calling:
		tx.interval = t2 // Timer E in Proceeding
	default:
		tx.interval = min(2*tx.interval, t2)
	}
	tx.again = tx.s.timers.after(tx.interval, tx.repeat)
}

// expire is Timer B or F.
func (tx *clientTx) expire() {
	b := tx.branch
	tx.destroy()
	if b != nil {
		b.failed(408, "Request Timeout")
	}
}

func (tx *clientTx) destroy() {
	tx.s.timers.stop(tx.again)
	tx.s.timers.stop(tx.end)
	tx.branch = nil
	delete(tx.s.clients, tx.key)
}

func (tx *clientTx) receive(res *response) {
	switch {
	case tx.state == completed:
		tx.s.stats.Absorbed++
		if tx.invite && res.StatusCode >= 300 { // RFC 3261 §17.1.1.2
			tx.s.stats.Retransmitted++
			tx.s.send(tx.wire, tx.to)
		}
	case tx.state == accepted:
		if res.StatusCode/100 == 2 && tx.branch != nil {
			tx.branch.received(res)
		}
	case res.StatusCode < 200:
		tx.calling = false
		if tx.invite {
			tx.s.timers.stop(tx.again)
			tx.s.timers.stop(tx.end)
			tx.wire = nil
		}
		if tx.branch != nil {
			tx.branch.received(res)
		}
	default:
		tx.final(res)
	}
}

func (tx *clientTx) final(res *response) {
	tx.s.timers.stop(tx.again)
	tx.s.timers.stop(tx.end)
	tx.calling = false
	b, sent := tx.branch, tx.sent
	tx.wire, tx.sent = nil, nil
	keep := t4 // Timer K
	switch {
	case !tx.invite:
		tx.state, tx.branch = completed, nil
	case res.StatusCode < 300:
		tx.state, keep = accepted, timeout // Timer M
	default:
		tx.state, tx.branch, keep = completed, nil, timerD
		tx.wire = sent.Ack(res.To)
		tx.s.send(tx.wire, tx.to)
	}
	tx.end = tx.s.timers.after(keep, tx.destroy)
	if b != nil {
		b.received(res)
	}
}

// receiveResponse finds the transaction of a response (RFC 3261 §16.7).
func (s *Server) receiveResponse(res *response) {
	tx := s.clients[sipmsg.ClientKey(res.Top.Branch, res.CSeq.Method)]
	// RFC 3261 §18.1.2: a response whose top Via is not ours is discarded. One that
	// matches no transaction is discarded too (RFC 6026 §7.2).
	if tx == nil || !s.isSelfAddr(res.Top.Host, res.Top.Port) {
		s.stats.ResponsesUnmatched++
		s.emit(Event{Kind: Dropped, Method: res.CSeq.Method, CallID: res.CallID, Code: res.StatusCode, Source: res.Source,
			Detail: "response nobody waits for"})
		return
	}
	tx.receive(res)
}
