package gateway

import (
	"net"
	"strings"

	"github.com/emiago/sipgo/sip"
)

const (
	allow   = "INVITE, ACK, CANCEL, BYE, OPTIONS"
	sdpType = "application/sdp"

	sipVersion = "SIP/2.0"
)

func header(name, value string) sip.Header { return sip.NewHeader(name, value) }

// response builds a response. sipgo copies what RFC 3261 §8.2.6 asks for and
// routes it by RFC 3261 §18.2.2 and RFC 3581 §4; it adds received= only beside
// an empty rport, so the rest of §18.2.1 is done here.
func (s *Server) response(req *sip.Request, status int, reason string, body []byte, headers ...sip.Header) *sip.Response {
	res := sip.NewResponseFromRequest(req, status, reason, body)
	res.SipVersion = sipVersion // not the request's, which may be another (RFC 3261 §7.2)
	if via, source := res.Via(), sourceHost(req); via != nil && source != "" && trimBrackets(via.Host) != source {
		via.Params.Add("received", source)
	}
	for _, h := range headers {
		res.AppendHeader(h)
	}
	return res
}

func sourceHost(req *sip.Request) string {
	host, _, err := net.SplitHostPort(req.Source())
	if err != nil {
		return ""
	}
	return host
}

// refuse sends a final response other than 2xx.
func (s *Server) refuse(req *sip.Request, tx sip.ServerTransaction, status int, reason string, headers ...sip.Header) {
	s.count(func(st *Stats) { st.Refused[status]++ })
	s.send(tx, s.response(req, status, reason, nil, headers...))
}

func (s *Server) send(tx sip.ServerTransaction, res *sip.Response) bool {
	err := tx.Respond(res)
	if err != nil {
		s.log.Warn("response not sent", "response", res.StartLine(), "error", err)
	}
	return err == nil
}

// contact is our Contact: every request in a dialog comes to the one socket.
func (s *Server) contact() sip.Header {
	return header("Contact", "<sip:"+s.local.String()+">")
}

// handler wraps what every request has in common.
func (s *Server) handler(f func(*sip.Request, sip.ServerTransaction)) func(*sip.Request, sip.ServerTransaction) {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		if !s.enter() {
			return
		}
		defer s.wg.Done()
		if req.IsAck() || s.acceptable(req, tx) {
			f(req, tx)
		}
	}
}

// acceptable does the inspection that is the same for every method: the
// version, then Require (RFC 3261 §8.2.2.3), unless the method is refused
// anyhow (§8.2.1 comes first). False means the request has been answered.
func (s *Server) acceptable(req *sip.Request, tx sip.ServerTransaction) bool {
	if !strings.EqualFold(req.SipVersion, sipVersion) {
		s.refuse(req, tx, sip.StatusVersionNotSupported, "Version Not Supported")
		return false
	}
	switch req.Method {
	case sip.INVITE, sip.BYE, sip.OPTIONS:
	default:
		return true
	}
	if unsupported := required(req); unsupported != "" {
		s.refuse(req, tx, sip.StatusBadExtension, "Bad Extension", header("Unsupported", unsupported))
		return false
	}
	return true
}

// required lists the option tags of Require. None is supported.
func required(req *sip.Request) string {
	var tags []string
	for _, h := range req.GetHeaders("require") {
		for tag := range strings.SplitSeq(h.Value(), ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				tags = append(tags, tag)
			}
		}
	}
	return strings.Join(tags, ", ")
}

// body is the session description of a request, nil if it has none; false
// means the body is of a kind we do not read, and has been answered.
func (s *Server) body(req *sip.Request, tx sip.ServerTransaction) ([]byte, bool) {
	if len(req.Body()) == 0 {
		return nil, true
	}
	if h := req.GetHeader("content-encoding"); h != nil && !strings.EqualFold(strings.TrimSpace(h.Value()), "identity") {
		s.refuse(req, tx, sip.StatusUnsupportedMediaType, "Unsupported Media Type", header("Accept-Encoding", "identity"))
		return nil, false
	}
	if !isSDP(req.ContentType()) {
		s.refuse(req, tx, sip.StatusUnsupportedMediaType, "Unsupported Media Type", header("Accept", sdpType))
		return nil, false
	}
	return req.Body(), true
}

func isSDP(h *sip.ContentTypeHeader) bool {
	if h == nil {
		return false
	}
	kind, _, _ := strings.Cut(h.Value(), ";")
	return strings.EqualFold(strings.TrimSpace(kind), sdpType)
}
