package registrar

import (
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

type txState uint8

const (
	proceeding txState = iota // no final response yet
	completed
	confirmed // INVITE, ACK seen
	accepted  // INVITE, 2xx seen (RFC 6026 §7)
)

// A serverTx is a server transaction (RFC 3261 §17.2, RFC 6026 §7.1). It keeps the bytes
// of the last response and lets go of everything else once that is final.
type serverTx struct {
	s        *Server
	key      string
	invite   bool
	state    txState
	to       netip.AddrPort
	by       Cause
	last     []byte
	interval time.Duration // of Timer G
	again    *timer        // Timer G
	end      *timer        // Timer H, I, J or L
	forward  *forward      // the response context while there is one
}

func (s *Server) newServerTx(req *request) *serverTx {
	tx := &serverTx{
		s:      s,
		key:    req.Key(string(req.Method)),
		invite: req.Method == sip.INVITE,
		to:     req.ReplyTo,
		by:     req.replyBy(),
	}
	s.servers[tx.key] = tx
	return tx
}

// respond sends a response the transaction layer will repeat as needed. It owns b.
func (tx *serverTx) respond(code int, b []byte) {
	switch {
	case tx.state == accepted && code/100 == 2: // RFC 6026 §7.1: every 2xx is passed on
		tx.s.send(b, tx.to)
		return
	case tx.state != proceeding:
		return
	}
	tx.last = b
	tx.s.send(b, tx.to)
	switch {
	case code < 200:
	case !tx.invite:
		tx.finish(completed, timeout) // Timer J
	case code < 300:
		tx.last = nil
		tx.finish(accepted, timeout) // Timer L
	default:
		tx.finish(completed, timeout) // Timer H
		tx.interval = t1
		tx.again = tx.s.timers.after(t1, tx.timerG)
	}
}

func (tx *serverTx) finish(state txState, keep time.Duration) {
	tx.state = state
	tx.s.timers.stop(tx.end)
	tx.end = tx.s.timers.after(keep, tx.destroy)
}

func (tx *serverTx) timerG() {
	tx.s.stats.Retransmitted++
	tx.s.send(tx.last, tx.to)
	tx.interval = min(2*tx.interval, t2)
	tx.again = tx.s.timers.after(tx.interval, tx.timerG)
}

// retransmission absorbs a repeated request.
func (tx *serverTx) retransmission() {
	tx.s.stats.Absorbed++
	if tx.last != nil {
		tx.s.stats.Retransmitted++
		tx.s.send(tx.last, tx.to)
	}
}

// acknowledged handles the ACK for a final response other than 2xx.
func (tx *serverTx) acknowledged() {
	tx.s.stats.Absorbed++
	if tx.state == completed {
		tx.s.timers.stop(tx.again)
		tx.last = nil
		tx.finish(confirmed, t4) // Timer I
	}
}

func (tx *serverTx) destroy() {
	tx.s.timers.stop(tx.again)
	tx.s.timers.stop(tx.end)
	tx.forward = nil
	delete(tx.s.servers, tx.key)
}
