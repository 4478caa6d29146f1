package registrar

import (
	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipstack"
)

// proxy sends a request on statefully (RFC 3261 §16).
func (s *Server) proxy(tx *sipstack.ServerTx, req *request) {
	if f := s.authorizeInvite(req); f != nil {
		s.refuse(tx, req, f)
		return
	}
	targets, f := s.route(req)
	if f != nil {
		s.refuse(tx, req, f)
		return
	}
	ctx := &forward{s: s, tx: tx, by: req.replyBy(), invite: req.Method == sip.INVITE, req: req, targets: targets,
		users: targets[0].user}
	if ctx.invite {
		s.answer(tx, req, 100, "Trying") // RFC 3261 §16.2: within 200 ms
	}
	tx.User = ctx
	ctx.next()
}

// receiveCancel answers a CANCEL and stops what it is about (RFC 3261 §9.2, §16.10).
func (s *Server) receiveCancel(tx *sipstack.ServerTx, req *request) {
	invite := s.stack.Server(req.Key(string(sip.INVITE)))
	if invite == nil {
		// §16.10 has a proxy pass such a CANCEL on, in case it forwarded the INVITE
		// statelessly. This one never does.
		s.refuse(tx, req, fail(481, "Call/Transaction Does Not Exist", ""))
		return
	}
	s.answer(tx, req, 200, "OK")
	if f, ok := invite.User.(*forward); ok && f != nil && !f.done {
		f.cancel()
	}
}
