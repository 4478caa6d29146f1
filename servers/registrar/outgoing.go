package registrar

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/natproof/natproof/internal/sipmsg"
)

// An outgoing is a request as this server sends it, and where to.
type outgoing struct {
	sipmsg.Sent
	dest netip.AddrPort
	from *side
}

// outgoing rewrites req for a target (RFC 3261 §16.6).
func (s *Server) outgoing(req *request, t *target, branch string) *outgoing {
	from := s.leave(req, t)
	o := &outgoing{dest: t.to, from: from, Sent: sipmsg.Sent{
		Method: string(req.Method), URI: t.uri, Via: "SIP/2.0/UDP " + from.addr.String() + ";branch=" + branch,
		Routes: t.routes, From: req.From, To: req.To, CallID: req.CallID, CSeq: req.CSeq.Number,
	}}
	w := &s.out
	w.Reset()
	w.WriteString(o.Method + " " + o.URI + " SIP/2.0\r\n")
	sipmsg.WriteHeader(w, "Via", o.Via)              // step 8
	for _, r := range s.recordRoutes(req, t, from) { // step 4
		sipmsg.WriteHeader(w, "Record-Route", r)
	}
	for _, r := range o.Routes {
		sipmsg.WriteHeader(w, "Route", r)
	}
	if p := s.edgePath(req, from); p != "" { // RFC 3327 §5.2: on top
		sipmsg.WriteHeader(w, "Path", p)
	}
	hops, seenVia := "70", false // RFC 3261 §16.6 step 3
	for _, h := range req.Headers() {
		name := sipmsg.Canonical(h.Name())
		switch {
		case name == "via" && !seenVia:
			seenVia = true
			sipmsg.WriteHeader(w, "Via", req.Stamped)
			sipmsg.WriteOtherVias(w, h.Value())
		case name == "route":
		case name == "max-forwards":
			n, _ := strconv.Atoi(h.Value())
			hops = strconv.Itoa(n - 1)
		case name == "contact" && s.aliases(req) && !s.isGRUU(h.Value()):
			sipmsg.WriteHeader(w, h.Name(), s.policy.aliased(h.Value(), req.Source))
		case name == "proxy-authorization" && s.auth.ours(h.Value()): // RFC 3261 §22.3
		default:
			sipmsg.WriteHeader(w, h.Name(), h.Value())
		}
	}
	sipmsg.WriteHeader(w, "Max-Forwards", hops)
	w.WriteString("\r\n")
	w.Write(req.Body())
	o.Wire = bytes.Clone(w.Bytes())
	return o
}

// incoming rewrites a response on its way back (RFC 3261 §16.7 step 3): our Via goes.
func (s *Server) incoming(res *response) []byte {
	w := &s.out
	w.Reset()
	fmt.Fprintf(w, "SIP/2.0 %d %s\r\n", res.StatusCode, strings.TrimRight(res.Reason, sipmsg.LWS))
	seenVia := false
	for _, h := range res.Headers() {
		name := sipmsg.Canonical(h.Name())
		switch {
		case name == "via" && !seenVia:
			seenVia = true
			sipmsg.WriteOtherVias(w, h.Value())
		case name == "contact" && s.aliasesResponse(res, h.Value()):
			sipmsg.WriteHeader(w, h.Name(), s.policy.aliased(h.Value(), res.Source))
		default:
			sipmsg.WriteHeader(w, h.Name(), h.Value())
		}
	}
	w.WriteString("\r\n")
	w.Write(res.Body())
	return bytes.Clone(w.Bytes())
}
