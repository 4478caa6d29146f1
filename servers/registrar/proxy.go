package registrar

import (
	"github.com/emiago/sipgo/sip"
)

// proxy sends a request on statefully (RFC 3261 §16).
func (s *Server) proxy(tx *serverTx, req *request) {
	if f := s.authorizeInvite(req); f != nil {
		s.refuse(tx, req, f)
		return
	}
	targets, f := s.route(req)
	if f != nil {
		s.refuse(tx, req, f)
		return
	}
	if tx.invite {
		s.answer(tx, req, 100, "Trying") // RFC 3261 §16.2: within 200 ms
	}
	tx.forward = &forward{s: s, tx: tx, req: req, targets: targets}
	tx.forward.next()
}

// receiveCancel answers a CANCEL and stops what it is about (RFC 3261 §9.2, §16.10).
func (s *Server) receiveCancel(req *request) {
	if tx := s.servers[req.Key(string(sip.CANCEL))]; tx != nil {
		tx.retransmission()
		return
	}
	tx := s.newServerTx(req)
	invite := s.servers[req.Key(string(sip.INVITE))]
	if invite == nil {
		// §16.10 has a proxy pass such a CANCEL on, in case it forwarded the INVITE
		// statelessly. This one never does.
		s.refuse(tx, req, fail(481, "Call/Transaction Does Not Exist", ""))
		return
	}
	s.answer(tx, req, 200, "OK")
	if f := invite.forward; f != nil && !f.done {
		f.cancel()
	}
}
