package registrar

import (
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// A failure is a request this server will not serve.
type failure struct {
	code    int
	reason  string
	headers []sipmsg.Header
	detail  string // for the event
}

func fail(code int, reason, detail string, headers ...sipmsg.Header) *failure {
	return &failure{code: code, reason: reason, headers: headers, detail: detail}
}

// response builds a response of our own (RFC 3261 §8.2.6).
func (s *Server) response(req *request, code int, reason string, headers ...sipmsg.Header) []byte {
	return req.Respond(code, reason, req.Tag(s.salt), nil, headers...)
}

// answer responds to req within tx.
func (s *Server) answer(tx *sipstack.ServerTx, req *request, code int, reason string, headers ...sipmsg.Header) {
	s.answered(req, code, "")
	tx.Respond(code, s.response(req, code, reason, headers...))
}

// refuse answers with a failure.
func (s *Server) refuse(tx *sipstack.ServerTx, req *request, f *failure) {
	s.stats.Rejected[f.code]++
	s.answered(req, f.code, f.detail)
	tx.Respond(f.code, s.response(req, f.code, f.reason, f.headers...))
}

func (s *Server) answered(req *request, code int, detail string) {
	if code == 100 {
		return
	}
	s.emit(Event{Kind: Answered, Method: string(req.Method), CallID: req.CallID, Code: code, User: req.uri.User,
		Source: req.Source, Target: req.ReplyTo, By: req.replyBy(), Detail: detail})
}
