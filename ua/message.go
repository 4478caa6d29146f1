package ua

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// token is a fresh identifier for tags, branches and Call-IDs. They must be unique among
// all user agents (RFC 3261 section 19.3), so they do not come from Config.Seed.
func token() string { return rand.Text()[:16] }

// newSalt is what makes the tags of one client's responses unlike another's.
func newSalt() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint64(b[:])
}

// path is how requests leave: the socket they are sent from, the address that is
// advertised for it, and whether responses are asked for by rport.
type path struct {
	sock  *port
	via   netip.AddrPort
	rport bool

	dialog   *Session          // whose next CSeq a request gets as it is sent; nil: it has one
	numbered func(cseq uint32) // is told of it before it is sent, if there is one
}

// newVia writes the top Via: its sent-by is the external address, so that without rport
// the response finds the way back too.
func (p path) newVia() *sip.ViaHeader {
	v := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP",
		Host: p.via.Addr().String(), Port: int(p.via.Port()), Params: sip.NewParams(),
	}
	if p.rport {
		v.Params.Add("rport", "") // RFC 3581 section 3
	}
	v.Params.Add("branch", sip.RFC3261BranchMagicCookie+token())
	return v
}

// contact is where in-dialog requests and incoming calls are to be sent.
func (p path) contact(user string) *sip.ContactHeader {
	return &sip.ContactHeader{Address: sip.Uri{
		Scheme: "sip", User: user, Host: p.via.Addr().String(), Port: int(p.via.Port()),
	}}
}

// ends are what identifies a dialog, or a request outside of one.
type ends struct {
	callID     string
	local      sip.Uri
	localName  string
	localTag   string
	remote     sip.Uri
	remoteName string
	remoteTag  string
}

// newRequest builds a request up to its CSeq. Via comes from the path; a second attempt
// gets a new one by replaceVia.
func newRequest(method sip.RequestMethod, uri sip.Uri, e ends, cseq uint32, p path, routes []sip.Uri) *sip.Request {
	req := sip.NewRequest(method, uri)
	req.SetTransport("UDP")
	req.AppendHeader(p.newVia())
	for _, r := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: r})
	}
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	from := &sip.FromHeader{DisplayName: e.localName, Address: e.local}
	from.Params.Add("tag", e.localTag)
	req.AppendHeader(from)
	to := &sip.ToHeader{DisplayName: e.remoteName, Address: e.remote}
	if e.remoteTag != "" {
		to.Params.Add("tag", e.remoteTag)
	}
	req.AppendHeader(to)
	id := sip.CallIDHeader(e.callID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	req.SetBody(nil)
	return req
}

// setBody gives req a body of a type.
func setBody(req *sip.Request, contentType string, body []byte) {
	ct := sip.ContentTypeHeader(contentType)
	req.AppendHeader(&ct)
	req.SetBody(body)
}

// again makes req a new request for another transaction: a new branch and the next CSeq
// (RFC 3261 section 8.1.3.5).
func again(req *sip.Request, p path) *sip.Request {
	next := req.Clone()
	next.RemoveHeader("Via")
	next.PrependHeader(p.newVia())
	next.CSeq().SeqNo++
	return next
}

// resolver turns a URI into the address a request for it is sent to.
type resolver struct {
	lookup func(ctx context.Context, host string, port uint16) (netip.AddrPort, error)
}

// addr finds the address of a URI: an IP address with the port or 5060, or what lookup says.
func (r resolver) addr(ctx context.Context, uri sip.Uri) (netip.AddrPort, error) {
	host, port, ok := sipmsg.Hop(&uri)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("ua: %s: neither scheme, transport nor port may be other than sip, UDP and a port", uri.String())
	}
	if a, literal := sipmsg.HostAddr(host); literal {
		return netip.AddrPortFrom(a, port), nil
	}
	if r.lookup == nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %s", ErrUnresolvable, host)
	}
	said(ctx)
	return r.lookup(ctx, host, port)
}

// parseURI reads a sip: URI.
func parseURI(s string) (sip.Uri, error) {
	u, ok := sipmsg.ParseURI(s)
	if !ok || u.Scheme != "sip" {
		return u, fmt.Errorf("ua: %q is not a sip: URI", s)
	}
	return u, nil
}

// firstContact is the first Contact of a message that is an address; false if there is none.
func firstContact(m interface{ Values(string) []string }) (sip.Uri, bool) {
	for _, v := range m.Values("contact") {
		if a, ok := sipmsg.ParseAddress(v); ok {
			return a.URI, true
		}
	}
	return sip.Uri{}, false
}

// seconds reads a header of delta-seconds such as Expires or Min-Expires.
func seconds(m interface{ Value(string) (string, bool) }, name string) (uint32, bool) {
	v, _ := m.Value(name)
	return sipmsg.DeltaSeconds(v)
}

// reasonOf is a response's reason phrase, or the code if it has none.
func reasonOf(res *sipmsg.Response) string {
	if res.Reason == "" {
		return strconv.Itoa(res.StatusCode)
	}
	return res.Reason
}
