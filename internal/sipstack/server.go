package sipstack

import (
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

type state uint8

const (
	calling    state = iota // client: nothing heard yet
	proceeding              // no final response yet
	completed
	confirmed // INVITE server, ACK seen
	accepted  // INVITE, 2xx seen (RFC 6026 §7)
)

// ServerTx is a server transaction (RFC 3261 §17.2, RFC 6026 §7.1). It keeps the bytes of
// the last response.
type ServerTx struct {
	To     netip.AddrPort // where responses go
	Socket *Socket        // where they leave from
	Tag    string         // the To tag of responses: the one of the request, or a new one
	// User is the user's own.
	User any

	s        *Stack
	key      string
	invite   bool
	state    state
	final    int // code of the final response
	last     []byte
	interval time.Duration // of Timer G
	again    *timer        // 100 Trying, then Timer G
	end      *timer        // Timer H, I, J or L
}

// newServerTx makes the transaction of a request. s.mu is held.
func (s *Stack) newServerTx(k *Socket, key string, req *sipmsg.Request) *ServerTx {
	tx := &ServerTx{
		To: req.ReplyTo, Socket: k, Tag: sipmsg.TagOf(req.To),
		s: s, key: key, invite: req.Method == sip.INVITE, state: proceeding,
	}
	if tx.Tag == "" {
		tx.Tag = s.cfg.Tag(req)
	}
	s.servers[tx.key] = tx
	if tx.invite { // §17.2.1: unless the user is faster
		tx.again = s.timers.after(trying, func() { _ = tx.respond(100, req.Respond(100, "Trying", "", nil)) })
	}
	return tx
}

// Respond sends a response that the transaction repeats as needed, and owns b from now on.
// After the final one nothing is sent any more but further 2xx to an INVITE, which the
// transaction passes on (RFC 6026 §7.1). The error says that this one did not leave; the
// transaction goes on all the same.
func (tx *ServerTx) Respond(code int, b []byte) error {
	tx.s.mu.Lock()
	defer tx.s.release()
	return tx.respond(code, b)
}

func (tx *ServerTx) respond(code int, b []byte) error {
	s := tx.s
	switch {
	case tx.state == accepted && code/100 == 2:
		return s.send(tx.Socket, b, tx.To)
	case tx.state != proceeding:
		return nil
	}
	s.timers.stop(tx.again)
	tx.last, tx.again = b, nil
	err := s.send(tx.Socket, b, tx.To)
	if code < 200 {
		return err
	}
	tx.final = code
	switch {
	case !tx.invite:
		tx.finish(completed, Timeout) // Timer J
	case code < 300:
		tx.last = nil
		tx.finish(accepted, Timeout) // Timer L
	default:
		tx.finish(completed, Timeout) // Timer H
		tx.interval = T1
		tx.again = s.timers.after(T1, tx.timerG)
	}
	return err
}

// Final is the code of the final response, 0 as long as there is none.
func (tx *ServerTx) Final() int {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	return tx.final
}

// Drop ends the transaction without a response (RFC 4320 §4.2).
func (tx *ServerTx) Drop() {
	tx.s.mu.Lock()
	defer tx.s.mu.Unlock()
	tx.destroy()
}

func (tx *ServerTx) finish(state state, keep time.Duration) {
	tx.state = state
	tx.s.timers.stop(tx.end)
	tx.end = tx.s.timers.after(keep, tx.destroy)
}

func (tx *ServerTx) timerG() {
	tx.repeat()
	tx.interval = min(2*tx.interval, T2)
	tx.again = tx.s.timers.after(tx.interval, tx.timerG)
}

func (tx *ServerTx) repeat() {
	tx.s.stats.Repeated++
	_ = tx.s.send(tx.Socket, tx.last, tx.To)
}

// repeated absorbs a repeated request.
func (tx *ServerTx) repeated() {
	if tx.last != nil {
		tx.repeat()
	}
}

// acknowledged handles the ACK for a final response other than 2xx.
func (tx *ServerTx) acknowledged() {
	if tx.state == completed {
		tx.s.timers.stop(tx.again)
		tx.last, tx.again = nil, nil
		tx.finish(confirmed, T4) // Timer I
	}
}

func (tx *ServerTx) destroy() {
	tx.s.timers.stop(tx.again)
	tx.s.timers.stop(tx.end)
	tx.last = nil
	if tx.s.servers[tx.key] == tx {
		delete(tx.s.servers, tx.key)
	}
}
