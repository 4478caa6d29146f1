package registrar

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// A hub is a network without delay or loss. It delivers to bound addresses only.
type hub struct {
	mu    sync.Mutex
	ends  map[netip.AddrPort]*end
	lost  []string // destinations nobody was bound to
	fault func(to netip.AddrPort) error
	tap   func(p packet, to netip.AddrPort)
	nat   *nat
}

// A nat is a port forward: what its inner address sends out of its network has the outer
// one as its source, and what is sent to the outer one from without arrives.
type nat struct {
	inner, outer netip.AddrPort
	network      netip.Prefix
}

func (n *nat) translate(from, to netip.AddrPort) (netip.AddrPort, netip.AddrPort) {
	switch {
	case n == nil:
	case from == n.inner && !n.network.Contains(to.Addr()):
		from = n.outer
	case to == n.outer && !n.network.Contains(from.Addr()): // no hairpinning
		to = n.inner
	}
	return from, to
}

type packet struct {
	from netip.AddrPort
	data []byte
}

type end struct {
	hub    *hub
	addr   netip.AddrPort
	in     chan packet
	closed chan struct{}
	once   sync.Once
}

func newHub() *hub { return &hub{ends: make(map[netip.AddrPort]*end)} }

func (h *hub) listen(addr string) *end {
	e := &end{hub: h, addr: netip.MustParseAddrPort(addr), in: make(chan packet, 4096), closed: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends[e.addr] = e
	return e
}

func (e *end) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-e.in:
		return copy(b, p.data), net.UDPAddrFromAddrPort(p.from), nil
	case <-e.closed:
		return 0, nil, net.ErrClosed
	}
}

func (e *end) WriteTo(b []byte, to net.Addr) (int, error) {
	dst := sipmsg.AddrPort(to)
	e.hub.mu.Lock()
	defer e.hub.mu.Unlock()
	if e.hub.fault != nil {
		if err := e.hub.fault(dst); err != nil {
			return 0, err
		}
	}
	if e.hub.tap != nil {
		e.hub.tap(packet{e.addr, append([]byte(nil), b...)}, dst)
	}
	from, at := e.hub.nat.translate(e.addr, dst)
	if d := e.hub.ends[at]; d != nil {
		d.in <- packet{from, append([]byte(nil), b...)}
	} else {
		e.hub.lost = append(e.hub.lost, dst.String())
	}
	return len(b), nil
}

func (e *end) Close() error {
	e.once.Do(func() {
		close(e.closed)
		e.hub.mu.Lock()
		delete(e.hub.ends, e.addr)
		e.hub.mu.Unlock()
	})
	return nil
}

func (e *end) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(e.addr) }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }

const proxyAddr = "203.0.113.5:5060"

// A lab is a server on a hub, within a synctest bubble.
type lab struct {
	*testing.T
	*hub
	srv    *Server
	proxy  string
	mu     sync.Mutex
	events []string
	serial int
}

// inLab runs f in a bubble with a server, and checks that nothing is left running.
func inLab(t *testing.T, cfg Config, f func(l *lab)) {
	t.Helper()
	inLabAt(t, proxyAddr, func(*hub) Config { return cfg }, f)
}

// inLabAt is inLab with a server at another address, and a configuration for this hub.
func inLabAt(t *testing.T, addr string, config func(h *hub) Config, f func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, hub: newHub(), proxy: proxyAddr}
		cfg := config(l.hub)
		if cfg.Domain == "" {
			cfg.Domain = "example.com"
		}
		cfg.Seed = 7
		cfg.OnEvent = func(e Event) {
			l.mu.Lock()
			l.events = append(l.events, e.String())
			l.mu.Unlock()
		}
		srv, err := New(l.listen(addr), cfg)
		if err != nil {
			t.Fatal(err)
		}
		l.srv = srv
		served := make(chan error, 1)
		go func() { served <- srv.Serve() }()
		defer func() {
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		}()
		f(l)
	})
}

// settle waits until nothing moves any more at this instant.
func (l *lab) settle() { synctest.Wait() }

// wantEvent fails unless some event so far contains every part.
func (l *lab) wantEvent(parts ...string) {
	l.Helper()
	l.settle()
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for _, e := range l.events {
		for _, p := range parts {
			if !strings.Contains(e, p) {
				continue next
			}
		}
		return
	}
	l.Errorf("no event with %q in\n%s", parts, strings.Join(l.events, "\n"))
}

// wantLost fails unless exactly these destinations were sent to in vain.
func (l *lab) wantLost(want ...string) {
	l.Helper()
	l.settle()
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if fmt.Sprint(l.lost) != fmt.Sprint(want) {
		l.Errorf("lost datagrams to %v, want %v", l.lost, want)
	}
	l.lost = nil
}

// A phone speaks SIP by hand from one address.
type phone struct {
	*lab
	*end
	name    string
	proxy   string // where it sends
	contact string
	cseq    int
}

func (l *lab) phone(name, addr string) *phone {
	return &phone{lab: l, end: l.listen(addr), name: name, proxy: l.proxy, contact: "sip:" + name + "@" + addr}
}

// A message is one that was received, raw and parsed.
type message struct {
	t    *testing.T
	raw  string
	from netip.AddrPort
	req  *sip.Request
	res  *sip.Response
}

func (m *message) short() string {
	line, _, _ := strings.Cut(m.raw, "\r\n")
	return line
}

// all returns the values of a header field, one per line.
func (m *message) all(name string) []string {
	var values []string
	head, _, _ := strings.Cut(m.raw, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

// one returns the only value of a header field.
func (m *message) one(name string) string {
	m.t.Helper()
	v := m.all(name)
	if len(v) != 1 {
		m.t.Fatalf("%d %s in\n%s", len(v), name, m.raw)
	}
	return v[0]
}

// send writes a message with LF line ends, indentation removed.
func (p *phone) send(text string) { p.sendTo(p.proxy, text) }

func (p *phone) sendTo(to, text string) {
	p.Helper()
	if _, err := p.end.WriteTo([]byte(crlf(text)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); err != nil {
		p.Fatal(err)
	}
}

// parse reads what the server sends by sipgo alone, header fields as text.
func parse(b []byte) (sip.Message, error) {
	return sip.NewParser(sip.WithHeadersParsers(map[string]sip.HeaderParser{
		"content-length": sip.DefaultHeadersParser()["content-length"],
	})).ParseSIP(b)
}

func crlf(text string) string {
	text = strings.TrimLeft(text, "\n\t")
	head, body, _ := strings.Cut(text, "\n\n")
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(head, "\n\t "), "\n") {
		b.WriteString(strings.TrimLeft(line, "\t") + "\r\n")
	}
	return b.String() + "\r\n" + strings.TrimLeft(body, "\t")
}

// recv returns the next message within d of virtual time.
func (p *phone) recvWithin(d time.Duration) *message {
	p.Helper()
	select {
	case pkt := <-p.in:
		m, err := parse(pkt.data)
		if err != nil {
			p.Fatalf("%s got an unparsable message: %v\n%s", p.name, err, pkt.data)
		}
		msg := &message{t: p.T, raw: string(pkt.data), from: pkt.from}
		switch m := m.(type) {
		case *sip.Request:
			msg.req = m
		case *sip.Response:
			msg.res = m
		}
		return msg
	case <-time.After(d):
		p.Fatalf("%s waited %v in vain; events:\n%s", p.name, d, strings.Join(p.events, "\n"))
		return nil
	}
}

// request receives a request with this method.
func (p *phone) request(method string) *message {
	p.Helper()
	m := p.recvWithin(time.Second)
	if m.req == nil || string(m.req.Method) != method {
		p.Fatalf("%s got %q, want %s", p.name, m.short(), method)
	}
	return m
}

// response receives a response with this code.
func (p *phone) response(code int) *message {
	p.Helper()
	m := p.recvWithin(time.Second)
	if m.res == nil || m.res.StatusCode != code {
		p.Fatalf("%s got %q, want %d\n%s", p.name, m.short(), code, m.raw)
	}
	return m
}

// quiet fails if anything has arrived.
func (p *phone) quiet() {
	p.Helper()
	p.settle()
	select {
	case pkt := <-p.in:
		p.Fatalf("%s got an unexpected message:\n%s", p.name, pkt.data)
	default:
	}
}

// opts changes a generated request: "Name: value" replaces or adds a field, "-Name"
// removes it, "uri=..." sets the Request-URI.
func (p *phone) build(method, uri, to string, opts ...string) string {
	p.serial++
	p.cseq++
	lines := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport", p.addr, p.name, p.serial),
		"Max-Forwards: 70",
		fmt.Sprintf("From: <sip:%s@example.com>;tag=f-%s", p.name, p.name),
		"To: " + to,
		"Call-ID: " + p.name + "-call",
		fmt.Sprintf("CSeq: %d %s", p.cseq, method),
	}
	if method == "INVITE" || method == "SUBSCRIBE" {
		lines = append(lines, "Contact: <"+p.contact+">")
	}
	body := ""
	for _, o := range opts {
		if b, ok := strings.CutPrefix(o, "body="); ok {
			body = b
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(o, "-"), ":")
		kept := lines[:0]
		for _, l := range lines {
			if !strings.HasPrefix(l, name+":") {
				kept = append(kept, l)
			}
		}
		lines = kept
		if !strings.HasPrefix(o, "-") {
			lines = append(lines, o)
		}
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	return method + " " + uri + " SIP/2.0\n" + strings.Join(lines, "\n") + "\n\n" + body
}

// ask sends a new request.
func (p *phone) ask(method, uri string, opts ...string) {
	p.send(p.build(method, uri, "<"+uri+">", opts...))
}

// register registers the phone's contact.
func (p *phone) register(opts ...string) *message {
	p.Helper()
	p.sendRegister(append([]string{"Contact: <" + p.contact + ">"}, opts...)...)
	return p.response(200)
}

func (p *phone) sendRegister(opts ...string) {
	aor := "<sip:" + p.name + "@example.com>"
	p.send(p.build("REGISTER", "sip:example.com", aor, append([]string{"Call-ID: reg-" + p.name}, opts...)...))
}

// reply answers a request as a user agent server does.
func (p *phone) reply(m *message, code int, reason string, opts ...string) {
	lines := []string{}
	for _, n := range []string{"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"} {
		for _, v := range m.all(n) {
			if n == "To" && code > 100 && !strings.Contains(v, "tag=") {
				v += ";tag=t-" + p.name
			}
			lines = append(lines, n+": "+v)
		}
	}
	lines = append(lines, opts...)
	p.sendTo(m.from.String(), fmt.Sprintf("SIP/2.0 %d %s\n%s\nContent-Length: 0\n\n", code, reason, strings.Join(lines, "\n")))
}

// ok answers 200 with the phone's Contact.
func (p *phone) ok(m *message) { p.reply(m, 200, "OK", "Contact: <"+p.contact+">") }

// within sends a request inside the dialog a 2xx made, as the caller.
func (p *phone) within(method string, ok *message, opts ...string) {
	p.Helper()
	p.inDialog(method, ok, false, opts...)
}

func (p *phone) inDialog(method string, m *message, callee bool, opts ...string) {
	p.Helper()
	routes := m.all("Record-Route")
	from, to := m.one("From"), m.one("To")
	if callee {
		from, to = to, from
		if !strings.Contains(from, "tag=") {
			from += ";tag=t-" + p.name
		}
	}
	all := []string{"From: " + from, "Call-ID: " + m.one("Call-ID")}
	if !callee { // RFC 3261 §12.1.2: the caller turns the route set around
		slices.Reverse(routes)
	}
	if len(routes) > 0 {
		all = append(all, "Route: "+strings.Join(routes, ", "))
	}
	target, _, _, _ := sipmsg.SplitAddress(m.one("Contact"))
	if method == "ACK" {
		num, _, _ := strings.Cut(m.one("CSeq"), " ")
		all = append(all, "CSeq: "+num+" ACK")
	}
	p.send(p.build(method, target, to, append(all, opts...)...))
}
