package ua

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// datagram sorts what arrives on a SIP socket: STUN, keepalives, SIP.
func (s *stack) datagram(p *port, b []byte, from net.Addr) {
	src, ok := addrPortOf(from)
	switch {
	case !ok:
		s.ctr.malformed.Add(1)
	case looksLikeSTUN(b):
		s.ctr.stun.Add(1)
		p.gotSTUN(b, from)
	case isPing(b):
		s.ctr.pings.Add(1)
	default:
		s.message(p, b, src)
	}
}

// isPing knows CRLF (RFC 5626 section 3.5.1; not answered over UDP) and the zero bytes
// of some proxies.
func isPing(b []byte) bool {
	return len(bytes.Trim(b, "\r\n")) == 0 || len(b) <= 4 && len(bytes.Trim(b, "\x00")) == 0
}

func (s *stack) message(p *port, b []byte, src netip.AddrPort) {
	msg, err := parser.ParseSIP(b)
	switch m := msg.(type) {
	case *sip.Request:
		s.ctr.requests.Add(1)
		s.gotRequest(p, m, src, err)
	case *sip.Response:
		if err != nil { // RFC 3261 section 18.3: a response that is cut short is discarded
			s.ctr.malformed.Add(1)
			return
		}
		s.ctr.responses.Add(1)
		s.gotResponse(m)
	default:
		s.ctr.malformed.Add(1)
	}
}

// gotRequest checks what every request must have (RFC 3261 sections 8.1.1 and 18.3) and
// finds or makes its transaction (section 17.2.3).
func (s *stack) gotRequest(p *port, req *sip.Request, src netip.AddrPort, parseErr error) {
	via := req.Via()
	if via == nil || via.Host == "" {
		s.ctr.malformed.Add(1) // nowhere to send an answer
		return
	}
	if via.Params == nil {
		via.Params = sip.NewParams()
	}
	received(via, src)
	if reason := fault(req, parseErr); reason != "" {
		s.refuse(p, req, src, reason)
		return
	}
	if req.To().Params == nil {
		req.To().Params = sip.NewParams()
	}
	req.SetTransport("UDP")
	if req.IsAck() {
		s.gotACK(req)
		return
	}
	key := serverKey(req, req.Method)
	if t := s.serverTx(key); t != nil {
		s.ctr.retransmits.Add(1)
		_ = t.tx.Receive(req)
		return
	}
	t, err := s.newServerTx(key, p, req, src)
	if err != nil {
		return // closing
	}
	s.core.request(t)
}

func (s *stack) serverTx(key string) *serverTx {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server[key]
}

// gotACK: an ACK with the branch of the INVITE ends a failed one's transaction; an ACK of
// a 2xx has a branch of its own and is for the core (RFC 3261 section 17.1.1.3).
func (s *stack) gotACK(req *sip.Request) {
	if t := s.serverTx(serverKey(req, sip.INVITE)); t != nil && t.final.Load() >= 300 {
		_ = t.tx.Receive(req)
		return
	}
	s.core.ack(req)
}

// fault says what is wrong with a request, or nothing.
func fault(req *sip.Request, parseErr error) string {
	cseq := req.CSeq()
	switch {
	case req.CallID() == nil:
		return "Missing Call-ID"
	case req.From() == nil:
		return "Missing From"
	case req.To() == nil:
		return "Missing To"
	case cseq == nil:
		return "Missing CSeq"
	case repeats(req) != "": // RFC 3261 section 7.3.1
		return "Repeated " + repeats(req)
	case parseErr != nil:
		return "Malformed Message"
	case req.SipVersion != "SIP/2.0":
		return "Unknown Version"
	case string(cseq.MethodName) != string(req.Method):
		return "CSeq Mismatch"
	case !req.From().Params.Has("tag"):
		return "Missing From Tag"
	}
	return ""
}

// repeats names a header field that occurs twice and must not, or nothing.
func repeats(req *sip.Request) string {
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		if len(req.GetHeaders(name)) > 1 {
			return name
		}
	}
	return ""
}

// refuse answers 400 without a transaction, so that a sender who can be told stops.
func (s *stack) refuse(p *port, req *sip.Request, src netip.AddrPort, reason string) {
	s.ctr.badRequests.Add(1)
	if req.IsAck() { // never answered (RFC 3261 section 17)
		return
	}
	code := sip.StatusBadRequest
	if reason == "Unknown Version" {
		code, reason = sip.StatusVersionNotSupported, "Version Not Supported"
	}
	req.SipVersion = "SIP/2.0" // ours, not one to be repeated (RFC 3261 section 7.2)
	if to := req.To(); to != nil && !to.Params.Has("tag") {
		if to.Params == nil {
			to.Params = sip.NewParams()
		}
		to.Params.Add("tag", token())
	}
	s.ctr.answered.add(code)
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	if _, err := s.write(flow{p, responseAddr(req, src)}, res); err != nil {
		s.log.Debug("response not sent", "code", code, "error", err)
	}
}

func (s *stack) gotResponse(res *sip.Response) {
	key, ok := clientKey(res)
	// One Via (RFC 3261 section 8.1.3.3) and what every message has (section 8.1.1).
	if !ok || len(res.GetHeaders("via")) != 1 || res.To() == nil || res.From() == nil || res.CallID() == nil {
		s.ctr.malformed.Add(1)
		return
	}
	s.mu.Lock()
	t, d := s.client[key], s.done[key]
	s.mu.Unlock()
	switch {
	case t != nil && !t.ours(res):
		s.ctr.foreignVia.Add(1)
		s.core.foreign(res, t.req.Via())
	case t != nil:
		select {
		case t.inbox <- res:
		default:
			s.ctr.unmatched.Add(1) // more than anybody sends before one is read
		}
	case d != nil && res.StatusCode >= 300:
		s.ctr.retransmits.Add(1)
		_ = s.writeRaw(d.conn.flow, d.conn.ack)
	default:
		s.core.response(res)
	}
}

// ours: the response bears the sent-by we wrote (RFC 3261 section 18.1.2).
func (t *clientTx) ours(res *sip.Response) bool {
	sent, got := t.req.Via(), res.Via()
	return strings.EqualFold(unbracket(sent.Host), unbracket(got.Host)) && portOr(sent.Port) == portOr(got.Port)
}

// clientKey is branch and method (RFC 3261 section 17.1.3).
func clientKey(m sip.Message) (string, bool) {
	via, cseq := m.Via(), m.CSeq()
	if via == nil || cseq == nil {
		return "", false
	}
	branch, _ := via.Params.Get("branch")
	return branch + " " + string(cseq.MethodName), branch != ""
}

// serverKey is branch, sent-by and method; without RFC 3261's branch it is made of what
// a retransmission repeats (section 17.2.3).
func serverKey(req *sip.Request, method sip.RequestMethod) string {
	via := req.Via()
	branch, _ := via.Params.Get("branch")
	if strings.HasPrefix(branch, sip.RFC3261BranchMagicCookie) && len(branch) > len(sip.RFC3261BranchMagicCookie) {
		return branch + " " + strings.ToLower(via.Host) + " " + strconv.Itoa(portOr(via.Port)) + " " + string(method)
	}
	from, _ := req.From().Params.Get("tag")
	return strings.Join([]string{
		req.CallID().Value(), from, strconv.FormatUint(uint64(req.CSeq().SeqNo), 10), via.Value(), string(method),
	}, " ")
}

// received notes in the top Via where a request came from (RFC 3261 section 18.2.1, RFC
// 3581 section 4).
func received(via *sip.ViaHeader, src netip.AddrPort) {
	wantsPort := false
	if v, ok := via.Params.Get("rport"); ok && v == "" {
		wantsPort = true
		via.Params.Add("rport", strconv.Itoa(int(src.Port())))
	}
	if host, err := netip.ParseAddr(unbracket(via.Host)); wantsPort || err != nil || host.Unmap() != src.Addr() {
		via.Params.Add("received", src.Addr().String())
	}
}

// responseAddr is where responses go: to the source address, and to its port if the top
// Via has rport (RFC 3581 section 4), else to the port of the Via (RFC 3261 section 18.2.2).
func responseAddr(req *sip.Request, src netip.AddrPort) netip.AddrPort {
	via := req.Via()
	if via.Params.Has("rport") {
		return src
	}
	return netip.AddrPortFrom(src.Addr(), uint16(portOr(via.Port)))
}

func portOr(p int) int {
	if p <= 0 || p > 65535 {
		return sip.DefaultUdpPort
	}
	return p
}

func unbracket(host string) string { return strings.Trim(host, "[]") }
