package ua

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/stunclient/attr"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// bubble runs f in virtual time on a network in memory.
func bubble(t *testing.T, f func(t *testing.T, n *memnet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newMemnet(t)
		f(t, n)
	})
}

// agent is a client with its events.
type agent struct {
	*Client
	t       testing.TB
	virtual bool // in a bubble
	mu      sync.Mutex
	es      []Event
	// onIncoming is what to do with a call; nil lets it ring.
	onIncoming func(*Session)
}

func newAgent(t testing.TB, n *memnet, at string, change ...func(*Config)) *agent {
	t.Helper()
	a := &agent{t: t, virtual: n != nil}
	ap := addr(at)
	cfg := Config{LocalAddr: ap.Addr(), SIPPort: ap.Port(), MediaPortMin: 40000, MediaPortMax: 40099, Seed: 1, OnEvent: a.event}
	if n != nil {
		cfg.Listen = n.listen
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.Client = c
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return a
}

func (a *agent) event(e Event) {
	a.mu.Lock()
	a.es = append(a.es, e)
	f := a.onIncoming
	a.mu.Unlock()
	if s, ok := e.(SessionEvent); ok && s.State == Incoming && f != nil {
		f(s.Session)
	}
}

func (a *agent) events() []Event {
	if a.virtual {
		synctest.Wait() // events are delivered on a goroutine of their own
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Event(nil), a.es...)
}

// states lists the session states seen, and reasons of the end.
func (a *agent) states() string {
	var list []string
	for _, e := range a.events() {
		if s, ok := e.(SessionEvent); ok {
			text := s.State.String()
			if s.State == Disconnected {
				text += "(" + s.Reason.String() + ")"
			}
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// registrations lists the registration states seen.
func (a *agent) registrations() string {
	var list []string
	for _, e := range a.events() {
		if r, ok := e.(RegistrationEvent); ok {
			list = append(list, r.State.String())
		}
	}
	return strings.Join(list, ", ")
}

func (a *agent) call(t testing.TB, p *Profile, target string, pm PortManager) (*Session, error) {
	t.Helper()
	s := must(a.NewSession(p))(t)
	if pm != nil {
		check(t, s.SetPortManager(pm))
	}
	return s, s.Call(t.Context(), target)
}

// lastSession is that of the last session event.
func (a *agent) lastSession() *Session {
	es := a.events()
	for i := len(es) - 1; i >= 0; i-- {
		if s, ok := es[i].(SessionEvent); ok {
			return s.Session
		}
	}
	a.t.Fatal("no session")
	return nil
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// answerNow answers every call from a goroutine.
func answerNow(s *Session) {
	go func() { _ = s.Answer(context.Background()) }()
}

// sipText matches datagrams that begin with a text.
func sipText(prefix string) func(datagram) bool {
	return func(d datagram) bool { return strings.HasPrefix(string(d.data), prefix) }
}

// peer is a scripted SIP endpoint.
type peer struct {
	t testing.TB
	*memConn
}

func newPeer(t testing.TB, n *memnet, at string) *peer { return &peer{t, n.mustListen(at)} }

// recv waits up to a minute for a message; "" if none came.
func (p *peer) recv() (sip.Message, netip.AddrPort) {
	_ = p.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, 65536)
	n, from, err := p.ReadFrom(buf)
	if err != nil {
		return nil, netip.AddrPort{}
	}
	m, err := sip.ParseMessage(buf[:n])
	if err != nil {
		p.t.Errorf("peer got %q: %v", buf[:n], err)
		return nil, netip.AddrPort{}
	}
	src := sipmsg.AddrPort(from)
	return m, src
}

// request waits for a request of a method, skipping others.
func (p *peer) request(method sip.RequestMethod) *sip.Request {
	p.t.Helper()
	for {
		m, src := p.recv()
		if m == nil {
			p.t.Fatalf("no %s came", method)
		}
		if r, ok := m.(*sip.Request); ok && r.Method == method {
			r.SetSource(src.String())
			return r
		}
	}
}

// response waits for a response with a code, skipping others.
func (p *peer) response(code int) *sip.Response {
	p.t.Helper()
	for {
		m, _ := p.recv()
		if m == nil {
			p.t.Fatalf("no %d came", code)
		}
		if r, ok := m.(*sip.Response); ok && r.StatusCode == code {
			return r
		}
	}
}

func (p *peer) send(m sip.Message, to string) {
	_, _ = p.WriteTo([]byte(m.String()), netUDP(to))
}

func (p *peer) sendText(to, text string) {
	_, _ = p.WriteTo([]byte(strings.ReplaceAll(text, "\n", "\r\n")), netUDP(to))
}

// reply answers a request to its source.
func (p *peer) reply(req *sip.Request, code int, tag string, extra ...sip.Header) *sip.Response {
	res := sip.NewResponseFromRequest(req, code, reasonPhrase(code), nil)
	if code > 100 && tag != "" {
		res.To().Params.Add("tag", tag)
	}
	for _, h := range extra {
		res.AppendHeader(h)
	}
	p.send(res, req.Source())
	return res
}

// accept answers an INVITE with 200 and a description.
func (p *peer) accept(req *sip.Request, tag, sdp string) *sip.Response {
	res := sip.NewResponseFromRequest(req, 200, "OK", []byte(sdp))
	res.To().Params.Add("tag", tag)
	res.AppendHeader(sip.NewHeader("Contact", "<sip:peer@"+p.at.String()+">"))
	res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	p.send(res, req.Source())
	return res
}

// sdpAt is a description with PCMU at an address.
func sdpAt(at string, attributes ...string) string {
	a := addr(at)
	lines := []string{
		"v=0", "o=- 1 1 IN IP4 " + a.Addr().String(), "s=-", "c=IN IP4 " + a.Addr().String(), "t=0 0",
		fmt.Sprintf("m=audio %d RTP/AVP 0", a.Port()),
	}
	for _, x := range attributes {
		lines = append(lines, "a="+x)
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// invite is an INVITE from the peer.
func (p *peer) invite(to, callID, sdp string) string {
	return fmt.Sprintf(`INVITE sip:bob@%[1]s SIP/2.0
Via: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]s
Max-Forwards: 70
From: <sip:peer@example.net>;tag=p%[3]s
To: <sip:bob@example.com>
Call-ID: %[3]s
CSeq: 1 INVITE
Contact: <sip:peer@%[2]s>
Content-Type: application/sdp
Content-Length: %[4]d

%[5]s`, to, p.at, callID, len(sdp), strings.ReplaceAll(sdp, "\r\n", "\n"))
}

// inDialog is a request of the peer within a dialog it began by invite.
func (p *peer) inDialog(method, to, callID, toTag string, cseq int, sdp string) string {
	ct := ""
	if sdp != "" {
		ct = "Content-Type: application/sdp\n"
	}
	return fmt.Sprintf(`%[1]s sip:bob@%[2]s SIP/2.0
Via: SIP/2.0/UDP %[3]s;branch=z9hG4bK%[4]s%[1]s%[6]d
Max-Forwards: 70
From: <sip:peer@example.net>;tag=p%[4]s
To: <sip:bob@example.com>;tag=%[5]s
Call-ID: %[4]s
CSeq: %[6]d %[1]s
Contact: <sip:peer@%[3]s>
%[7]sContent-Length: %[8]d

%[9]s`, method, to, p.at, callID, toTag, cseq, ct, len(sdp), strings.ReplaceAll(sdp, "\r\n", "\n"))
}

// stunServer answers Binding requests on a memnet address.
func stunServer(n *memnet, at string) {
	c := n.mustListen(at)
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			answerSTUN(c, buf[:size], from)
		}
	}()
}

// answerSTUN answers a Binding request; false if it is none.
func answerSTUN(c *memConn, b []byte, from net.Addr) bool {
	var m pion.Message
	if _, err := m.Write(b); err != nil || m.Type != pion.BindingRequest {
		return false
	}
	res := pion.MustBuild(pion.NewTransactionIDSetter(m.TransactionID), pion.BindingSuccess, attr.XORMapped{AddrPort: sipmsg.AddrPort(from)})
	_, _ = c.WriteTo(res.Raw, from)
	return true
}

// proxy is a registrar and a stateless proxy with Record-Route for example.com.
type proxy struct {
	t *testing.T
	*memConn
	mu        sync.Mutex
	contacts  map[string]string // user: URI
	password  string            // of every user; "" asks nobody
	minimum   int               // Expires below are answered 423
	failures  []int             // codes for the next REGISTERs
	silent    bool
	registers []*sip.Request
	nonce     int
}

func newProxy(t *testing.T, n *memnet, at string) *proxy {
	p := &proxy{t: t, memConn: n.mustListen(at), contacts: map[string]string{}}
	go p.run()
	return p
}

func (p *proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *proxy) seenRegisters() []*sip.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*sip.Request(nil), p.registers...)
}

func (p *proxy) run() {
	buf := make([]byte, 65536)
	for {
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			return
		}
		src := sipmsg.AddrPort(from)
		if answerSTUN(p.memConn, buf[:n], from) {
			continue
		}
		m, err := sip.ParseMessage(buf[:n])
		if err != nil {
			continue // keepalives
		}
		p.mu.Lock()
		switch m := m.(type) {
		case *sip.Request:
			received(m.Via(), src)
			switch {
			case p.silent:
			case m.Method == sip.REGISTER:
				p.register(m, src)
			case m.Method == sip.OPTIONS:
				p.respond(m, src, 200)
			default:
				p.forward(m, src)
			}
		case *sip.Response:
			p.back(m)
		}
		p.mu.Unlock()
	}
}

func (p *proxy) respond(req *sip.Request, src netip.AddrPort, code int, extra ...sip.Header) {
	res := sip.NewResponseFromRequest(req, code, reasonPhrase(code), nil)
	for _, h := range extra {
		res.AppendHeader(h)
	}
	_, _ = p.WriteTo([]byte(res.String()), netUDP(responseAddr(req, src).String()))
}

// authorized checks digest credentials, or asks for them.
func (p *proxy) authorized(req *sip.Request, src netip.AddrPort, code int) bool {
	if p.password == "" {
		return true
	}
	ask, header := "WWW-Authenticate", "Authorization"
	if code == 407 {
		ask, header = "Proxy-Authenticate", "Proxy-Authorization"
	}
	chal := digest.Challenge{Realm: "example.com", Nonce: fmt.Sprint("nonce", p.nonce), QOP: []string{"auth"}, Algorithm: "MD5"}
	if h := req.GetHeader(header); h != nil {
		cred, err := digest.ParseCredentials(h.Value())
		if err == nil && cred.Nonce == chal.Nonce {
			want, _ := digest.Digest(&chal, digest.Options{
				Method: string(req.Method), URI: cred.URI, Username: cred.Username, Password: p.password, Count: cred.Nc, Cnonce: cred.Cnonce,
			})
			if want.Response == cred.Response {
				return true
			}
		}
	}
	p.respond(req, src, code, sip.NewHeader(ask, chal.String()))
	return false
}

func (p *proxy) register(req *sip.Request, src netip.AddrPort) {
	p.registers = append(p.registers, req)
	if len(p.failures) > 0 {
		code := p.failures[0]
		p.failures = p.failures[1:]
		p.respond(req, src, code)
		return
	}
	if !p.authorized(req, src, 401) {
		return
	}
	user := req.To().Address.User
	var out []sip.Header
	for _, h := range req.GetHeaders("contact") {
		c := h.(*sip.ContactHeader)
		expires, _ := strconv.Atoi(c.Params.GetOr("expires", "3600"))
		if expires > 0 && expires < p.minimum {
			p.respond(req, src, 423, sip.NewHeader("Min-Expires", strconv.Itoa(p.minimum)))
			return
		}
		uri := c.Address.String()
		if expires > 0 {
			p.contacts[user] = uri
			out = append(out, sip.NewHeader("Contact", fmt.Sprintf("<%s>;expires=%d", uri, expires)))
		} else if p.contacts[user] == uri {
			delete(p.contacts, user)
		}
	}
	p.respond(req, src, 200, out...)
}

// forward is RFC 3261 section 16.11 with a Record-Route.
func (p *proxy) forward(req *sip.Request, src netip.AddrPort) {
	if _, inDialog := req.To().Params.Get("tag"); !inDialog && req.Method == sip.INVITE && !p.authorized(req, src, 407) {
		return
	}
	next := req.Recipient
	if r := req.Route(); r != nil && r.Address.Host == p.at.Addr().String() {
		req.RemoveHeader("Route")
	}
	if r := req.Route(); r != nil {
		next = r.Address
	}
	if next.Host == "example.com" {
		uri, ok := p.contacts[next.User]
		if !ok {
			if req.Method != sip.ACK {
				p.respond(req, src, 404)
			}
			return
		}
		_ = sip.ParseUri(uri, &req.Recipient)
		next = req.Recipient
	}
	branch, _ := req.Via().Params.Get("branch")
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: p.at.Addr().String(), Port: int(p.at.Port())}
	via.Params.Add("branch", branch+"p")
	req.PrependHeader(via)
	if req.Method == sip.INVITE {
		rr := &sip.RecordRouteHeader{Address: sip.Uri{Scheme: "sip", Host: p.at.Addr().String(), Port: int(p.at.Port())}}
		rr.Address.UriParams.Add("lr", "")
		req.PrependHeader(rr)
	}
	dst, err := resolver{}.addr(context.Background(), next)
	if err != nil {
		p.t.Errorf("proxy: %v", err)
		return
	}
	_, _ = p.WriteTo([]byte(req.String()), netUDP(dst.String()))
}

// back passes a response on along the Vias.
func (p *proxy) back(res *sip.Response) {
	res.RemoveHeader("Via")
	via := res.Via()
	if via == nil {
		return
	}
	host, port := via.Host, strconv.Itoa(int(sipmsg.PortOr(via.Port)))
	host = via.Params.GetOr("received", host)
	port = via.Params.GetOr("rport", port)
	_, _ = p.WriteTo([]byte(res.String()), netUDP(host+":"+port))
}

// contact is what a user registered.
func (p *proxy) contact(user string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.contacts[user]
}

// count is how many are registered.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.contacts)
}

// received notes in the top Via where a request came from (RFC 3261 section 18.2.1, RFC
// 3581 section 4).
func received(via *sip.ViaHeader, src netip.AddrPort) {
	if v, ok := via.Params.Get("rport"); ok && v == "" {
		via.Params.Add("rport", strconv.Itoa(int(src.Port())))
	}
	via.Params.Add("received", src.Addr().String())
}

// responseAddr is where responses go (RFC 3261 section 18.2.2, RFC 3581 section 4).
func responseAddr(req *sip.Request, src netip.AddrPort) netip.AddrPort {
	if req.Via().Params.Has("rport") {
		return src
	}
	return netip.AddrPortFrom(src.Addr(), sipmsg.PortOr(req.Via().Port))
}

// outcomes adds up what Stats says became of the datagrams.
func outcomes(s Stats) uint64 {
	return s.Pings + s.STUN + s.Oversize + s.Malformed + s.BadRequests + s.Served + s.Retransmits + s.ACKs + s.StrayACKs +
		s.Answers + s.Unmatched + s.ForeignVia
}
