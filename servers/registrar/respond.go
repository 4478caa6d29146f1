package registrar

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"github.com/emiago/sipgo/sip"
)

type header struct{ name, value string }

// A failure is a request this server will not serve.
type failure struct {
	code    int
	reason  string
	headers []header
	detail  string // for the event
}

func fail(code int, reason, detail string, headers ...header) *failure {
	return &failure{code: code, reason: reason, headers: headers, detail: detail}
}

// response builds a response of our own (RFC 3261 §8.2.6).
func (s *Server) response(req *request, code int, reason string, headers ...header) []byte {
	w := &bytes.Buffer{}
	w.Grow(512)
	fmt.Fprintf(w, "SIP/2.0 %d %s\r\n", code, reason)
	for i, v := range req.via {
		if i == 0 {
			v = req.stamped
		}
		writeHeader(w, "Via", v)
	}
	to := req.to
	if to != "" && code > 100 && tagOf(to) == "" {
		to += ";tag=" + s.localTag(req)
	}
	for _, h := range []header{{"From", req.from}, {"To", to}, {"Call-ID", req.callID}, {"CSeq", req.cseq}} {
		if h.value != "" {
			writeHeader(w, h.name, h.value)
		}
	}
	if code == 100 { // RFC 3261 §8.2.6.1
		if ts, ok := req.value("timestamp"); ok {
			writeHeader(w, "Timestamp", ts)
		}
	}
	for _, h := range headers {
		writeHeader(w, h.name, h.value)
	}
	w.WriteString("Content-Length: 0\r\n\r\n")
	return w.Bytes()
}

// localTag is the same for every response to one request, also when no transaction
// remembers it (RFC 3261 §8.2.7).
func (s *Server) localTag(req *request) string {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64(nil, s.salt))
	for _, p := range []string{req.top.branch, req.callID, req.cseq, req.from} {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return fixed(h.Sum64())
}

// answer responds to req within tx.
func (s *Server) answer(tx *serverTx, req *request, code int, reason string, headers ...header) {
	s.answered(req, code, "")
	tx.respond(code, s.response(req, code, reason, headers...))
}

// refuse answers with a failure.
func (s *Server) refuse(tx *serverTx, req *request, f *failure) {
	s.stats.Rejected[f.code]++
	s.answered(req, f.code, f.detail)
	tx.respond(f.code, s.response(req, f.code, f.reason, f.headers...))
}

// refuseStateless answers 400 to a request that is not fit to make a transaction of.
func (s *Server) refuseStateless(req *request, why string) {
	if req.Method == sip.ACK { // RFC 3261 §17: an ACK is never answered
		s.emit(Event{Kind: Dropped, Method: "ACK", CallID: req.callID, Source: req.source, Detail: why})
		return
	}
	s.stats.Rejected[400]++
	s.answered(req, 400, why)
	s.send(s.response(req, 400, why), req.replyTo)
}

func (s *Server) answered(req *request, code int, detail string) {
	if code == 100 {
		return
	}
	s.emit(Event{Kind: Answered, Method: string(req.Method), CallID: req.callID, Code: code, User: req.uri.User,
		Source: req.source, Target: req.replyTo, By: req.replyBy, Detail: detail})
}
