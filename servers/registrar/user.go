package registrar

import (
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// user is the server as its stack sees it.
type user struct{ s *Server }

// Request answers a new request or sends it on.
func (u user) Request(tx *sipstack.ServerTx, m *sipmsg.Request) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.flows.hear(m.Source, u.s.now())
	req := newRequest(m)
	req.in = u.s.sides.of(tx.Socket, m.Source)
	if m.Method == sip.CANCEL {
		u.s.receiveCancel(tx, req)
	} else {
		u.s.handle(tx, req)
	}
}

func (u user) Ack(m *sipmsg.Request) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.flows.hear(m.Source, u.s.now())
	u.s.receiveAck(newRequest(m))
}

// Response discards what matches no transaction (RFC 6026 §7.2).
func (u user) Response(res *sipmsg.Response) { u.discard(res, "response nobody waits for") }

// Foreign discards what bears another Via than ours (RFC 3261 §18.1.2).
func (u user) Foreign(res *sipmsg.Response, _ sipmsg.Via) {
	u.discard(res, "response to the Via of somebody else")
}

func (u user) discard(res *sipmsg.Response, why string) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.emit(Event{Kind: Dropped, Method: res.CSeq.Method, CallID: res.CallID, Code: res.StatusCode, Source: res.Source, Detail: why})
}

// Refused tells of a request that is not fit to make a transaction of.
func (u user) Refused(m *sipmsg.Request) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	req := newRequest(m)
	if !req.Answerable() {
		u.s.emit(Event{Kind: Dropped, Method: "ACK", CallID: req.CallID, Source: req.Source, Detail: req.Fault.Reason})
		return
	}
	u.s.stats.Rejected[req.Fault.Code]++
	u.s.answered(req, req.Fault.Code, req.Fault.Reason)
}

// Malformed tells of what cannot even be answered.
func (u user) Malformed(from netip.AddrPort, why error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	u.s.emit(Event{Kind: Dropped, Source: from, Detail: "malformed: " + why.Error()})
}

// Unsent tells of a message that did not leave.
func (u user) Unsent(b []byte, to netip.AddrPort, err error) {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	m, _ := sipmsg.Peek(b)
	u.s.emit(Event{Kind: Dropped, Method: m.Names(), CallID: m.CallID, Code: m.Status,
		Detail: fmt.Sprintf("not sent to %v: %v", to, err)})
	if u.s.log != nil {
		u.s.log.Warn("registrar: send", slog.Any("to", to), slog.Any("error", err))
	}
}
