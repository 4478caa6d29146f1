package gateway

import (
	"bytes"
	"net"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// filter sees every datagram before sipgo does. sipgo drops what does not
// parse and only logs it; here a request is answered 400 if its sender can be
// told, and everything else is counted and dropped.
func (s *Server) filter(from sip.TransportReadProps, data []byte) ([]byte, error) {
	if len(bytes.Trim(data, "\r\n\x00")) == 0 {
		s.count(func(st *Stats) { st.Keepalives++ })
		return nil, nil
	}
	s.sources[from.RemoteAddr.String()] = struct{}{}
	msg, err := s.parser.ParseSIP(data)
	switch msg := msg.(type) {
	case *sip.Response:
		if err == nil && msg.Via() != nil && msg.CSeq() != nil {
			return data, nil
		}
	case *sip.Request:
		fault := ""
		if err != nil || strayLineEnd(data) {
			fault = faultOf(err)
			msg = salvage(msg, data)
		} else {
			fault = missing(msg)
		}
		if fault == "" {
			return s.tagged(msg, data), nil
		}
		if s.reject(msg, fault, from.RemoteAddr) {
			return nil, nil
		}
	}
	s.count(func(st *Stats) { st.Malformed++ })
	return nil, nil
}

// tagged puts into a To without a tag the tag that all responses will have.
// sipgo answers some requests by itself (487 and the 200 for a CANCEL), each
// with a tag of its own making; RFC 3261 §8.2.6.2 and §9.2 want one.
func (s *Server) tagged(req *sip.Request, data []byte) []byte {
	if tagOf(req.To().Params) != "" {
		return data
	}
	end := endOfTo(data)
	if end < 0 {
		return data
	}
	return slices.Concat(data[:end], []byte(";tag="+s.tag(req)), data[end:])
}

// endOfTo is where the value of the To header field ends, -1 if it is not
// found: its line is over when the next one does not go on with a space.
func endOfTo(data []byte) int {
	inTo := false
	for at := 0; at < len(data); {
		n := bytes.Index(data[at:], []byte("\r\n"))
		if n < 0 {
			return -1
		}
		line := data[at : at+n]
		if folded := n > 0 && (line[0] == ' ' || line[0] == '\t'); inTo && !folded {
			return at - len("\r\n")
		} else if !folded {
			name, _, _ := bytes.Cut(line, []byte(":"))
			name = bytes.TrimSpace(name)
			inTo = bytes.EqualFold(name, []byte("to")) || bytes.EqualFold(name, []byte("t"))
		}
		if n == 0 {
			return -1
		}
		at += n + len("\r\n")
	}
	return -1
}

func faultOf(err error) string {
	if err == sip.ErrParseReadBodyIncomplete { // RFC 3261 §18.3
		return "Body Shorter Than Content-Length"
	}
	return "Bad Request"
}

// strayLineEnd finds a CR or LF that is not part of a CRLF before the body:
// sipgo lets a lone LF through, and a response would carry it on.
func strayLineEnd(data []byte) bool {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	return bytes.ContainsAny(bytes.ReplaceAll(head, []byte("\r\n"), nil), "\r\n")
}

// missing names what RFC 3261 §8.1.1 demands and the request lacks, or has
// twice. A missing Max-Forwards harms nobody at the last hop.
func missing(req *sip.Request) string {
	switch {
	case req.Via() == nil || req.Via().Host == "":
		return "Missing Via header field"
	case req.From() == nil:
		return "Missing From header field"
	case req.To() == nil:
		return "Missing To header field"
	case req.CallID() == nil || req.CallID().Value() == "":
		return "Missing Call-ID header field"
	case req.CSeq() == nil:
		return "Missing CSeq header field"
	case req.CSeq().MethodName != req.Method:
		return "CSeq method does not match"
	case !strings.HasPrefix(req.Via().Params.GetOr("branch", ""), sip.RFC3261BranchMagicCookie) && tagOf(req.From().Params) == "":
		return "Neither branch nor From tag" // nothing to match a transaction by, RFC 3261 §17.2.3
	}
	for _, name := range []string{"from", "to", "call-id", "cseq"} {
		if len(req.GetHeaders(name)) > 1 { // RFC 3261 §7.3.1: only lists may be repeated
			return "Repeated " + name + " header field"
		}
	}
	return ""
}

// salvage collects the header fields that can be read of a message that as a
// whole cannot, so that the 400 finds its transaction.
func salvage(req *sip.Request, data []byte) *sip.Request {
	fresh := sip.NewRequest(req.Method, req.Recipient)
	_, rest, _ := bytes.Cut(data, []byte("\r\n"))
	for {
		line, more, found := bytes.Cut(rest, []byte("\r\n"))
		if !found || len(line) == 0 {
			return fresh
		}
		rest = more
		if bytes.ContainsAny(line, "\r\n") {
			continue
		}
		headers, err := sip.HeadersParser(sip.DefaultHeadersParser()).ParseHeader(nil, line)
		if err != nil {
			continue
		}
		for _, h := range headers {
			fresh.AppendHeader(h)
		}
	}
}

// reject answers 400 without a transaction (RFC 3261 §8.2.7), as far as that
// is possible: never to an ACK, and not without a Via to send it by.
func (s *Server) reject(req *sip.Request, fault string, source net.Addr) bool {
	from, ok := source.(*net.UDPAddr)
	via := req.Via()
	if req.IsAck() || via == nil || via.Host == "" || !ok {
		return false
	}
	req.SetTransport("UDP")
	req.SetSource(from.String())
	res := sip.NewResponseFromRequest(req, sip.StatusBadRequest, fault, nil)
	res.SipVersion = sipVersion
	if to := res.To(); to != nil && tagOf(req.To().Params) == "" {
		to.Params.Add("tag", s.tag(req))
	}
	to := *from
	if !via.Params.Has("rport") { // RFC 3261 §18.2.2; with rport RFC 3581 §4
		to.Port = sip.DefaultUdpPort
		if via.Port > 0 {
			to.Port = via.Port
		}
		if trimBrackets(via.Host) != from.IP.String() {
			res.Via().Params.Add("received", from.IP.String())
		}
	}
	s.count(func(st *Stats) { st.BadRequests++ })
	if _, err := s.conn.WriteTo([]byte(res.String()), &to); err != nil {
		s.log.Warn("response not sent", "response", res.StartLine(), "error", err)
	}
	return true
}
