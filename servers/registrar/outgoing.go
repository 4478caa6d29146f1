package registrar

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// An outgoing is a request as this server sends it: the bytes, and what a CANCEL or an
// ACK for it must repeat.
type outgoing struct {
	method, uri      string
	dest             netip.AddrPort
	branch, via      string
	routes           []string
	from, to, callID string
	seq              uint32
	wire             []byte
}

// ack acknowledges a final response other than 2xx (RFC 3261 §17.1.1.3).
func (o *outgoing) ack(to string) []byte { return o.follow("ACK", to) }

// cancel returns the CANCEL for this request (RFC 3261 §9.1).
func (o *outgoing) cancel() *outgoing {
	c := *o
	c.method = string(sip.CANCEL)
	c.wire = o.follow("CANCEL", o.to)
	return &c
}

func (o *outgoing) follow(method, to string) []byte {
	w := &bytes.Buffer{}
	w.Grow(384)
	fmt.Fprintf(w, "%s %s SIP/2.0\r\n", method, o.uri)
	writeHeader(w, "Via", o.via)
	for _, r := range o.routes {
		writeHeader(w, "Route", r)
	}
	writeHeader(w, "Max-Forwards", "70")
	writeHeader(w, "From", o.from)
	writeHeader(w, "To", to)
	writeHeader(w, "Call-ID", o.callID)
	writeHeader(w, "CSeq", strconv.Itoa(int(o.seq))+" "+method)
	w.WriteString("Content-Length: 0\r\n\r\n")
	return w.Bytes()
}

// outgoing rewrites req for a target (RFC 3261 §16.6).
func (s *Server) outgoing(req *request, t *target, branch string) *outgoing {
	o := &outgoing{
		method: string(req.Method), uri: t.uri, dest: t.to,
		branch: branch, via: "SIP/2.0/UDP " + s.cfg.Advertise.String() + ";branch=" + branch,
		routes: t.routes, from: req.from, to: req.to, callID: req.callID, seq: req.seq,
	}
	w := &s.out
	w.Reset()
	w.WriteString(o.method + " " + o.uri + " SIP/2.0\r\n")
	writeHeader(w, "Via", o.via)           // step 8
	for _, r := range s.recordRoute(req) { // step 4
		writeHeader(w, "Record-Route", r)
	}
	for _, r := range o.routes {
		writeHeader(w, "Route", r)
	}
	hops, seenVia := "70", false // RFC 3261 §16.6 step 3
	for _, h := range req.Headers() {
		name := canonical(h.Name())
		switch {
		case name == "via" && !seenVia:
			seenVia = true
			writeHeader(w, "Via", req.stamped)
			otherVias(w, h.Value())
		case name == "route":
		case name == "max-forwards":
			n, _ := strconv.Atoi(h.Value())
			hops = strconv.Itoa(n - 1)
		case name == "contact" && s.aliases(req):
			writeHeader(w, h.Name(), aliased(h.Value(), req.source))
		case name == "proxy-authorization" && s.auth.ours(h.Value()): // RFC 3261 §22.3
		default:
			writeHeader(w, h.Name(), h.Value())
		}
	}
	writeHeader(w, "Max-Forwards", hops)
	w.WriteString("\r\n")
	w.Write(req.Body())
	o.wire = bytes.Clone(w.Bytes())
	return o
}

// recordRoute returns the value to add so that later requests of the dialog come this
// way. The d parameter proves that this server put itself there, see preprocess.
func (s *Server) recordRoute(req *request) []string {
	switch req.Method {
	case sip.INVITE, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER:
		return []string{"<sip:" + s.cfg.Advertise.String() + ";lr;d=" + s.dialogMark(req.callID) + ">"}
	}
	return nil
}

// incoming rewrites a response on its way back (RFC 3261 §16.7 step 3): our Via goes.
func (s *Server) incoming(res *response) []byte {
	w := &s.out
	w.Reset()
	fmt.Fprintf(w, "SIP/2.0 %d %s\r\n", res.StatusCode, strings.TrimRight(res.Reason, lws))
	seenVia := false
	for _, h := range res.Headers() {
		name := canonical(h.Name())
		switch {
		case name == "via" && !seenVia:
			seenVia = true
			otherVias(w, h.Value())
		case name == "contact" && s.aliasesResponse(res, h.Value()):
			writeHeader(w, h.Name(), aliased(h.Value(), res.source))
		default:
			writeHeader(w, h.Name(), h.Value())
		}
	}
	w.WriteString("\r\n")
	w.Write(res.Body())
	return bytes.Clone(w.Bytes())
}
