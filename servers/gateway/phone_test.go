package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
)

const (
	gwSIP   = "203.0.113.5:5060"
	phoneIP = "198.51.100.7"
	phoneAt = phoneIP + ":5060"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func udp(s string) net.Addr { return net.UDPAddrFromAddrPort(ap(s)) }

// start runs a gateway on n until the test ends.
func start(t *testing.T, n *memnet.Net, cfg gateway.Config) *gateway.Server {
	t.Helper()
	cfg.Listen = func(at netip.AddrPort) (net.PacketConn, error) { return n.Listen(at.String()), nil }
	s, err := gateway.New(n.Listen(gwSIP), cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// phone is a caller that writes its SIP by hand, so that a test decides every
// header field and every moment.
type phone struct {
	t     *testing.T
	conn  *memnet.Conn
	inbox chan got
	// Of the dialog:
	callID, to, from string
	contact          string
	cseq, branch     int
	extra            string // further header lines of every request
	via              string // of the Via, after the branch; ";rport" by default
}

type got struct {
	at  time.Time
	msg sip.Message
}

func newPhone(t *testing.T, n *memnet.Net, at string) *phone {
	p := &phone{
		t: t, conn: n.Listen(at), inbox: make(chan got, 64),
		callID: "call-1@" + at, from: "<sip:alice@example.com>;tag=a1", to: "<sip:1234567@example.com;user=phone>",
		contact: "<sip:alice@" + at + ">", cseq: 1, via: ";rport",
	}
	go func() {
		buf := make([]byte, 65535)
		for {
			n, _, err := p.conn.ReadFrom(buf)
			if err != nil {
				close(p.inbox)
				return
			}
			msg, err := read(buf[:n])
			if err != nil {
				t.Errorf("the gateway sent what does not parse: %v\n%q", err, buf[:n])
				continue
			}
			p.inbox <- got{time.Now(), msg}
		}
	}()
	t.Cleanup(func() { p.conn.Close() })
	return p
}

// read parses what the gateway sent. It repeats fields of the requests it got: those that
// sipgo does not understand must be sound all the same. A refusal repeats them however
// garbled (RFC 3261 §8.2.6.2): of one that does not parse only the first line is used, and no
// line may be broken.
func read(b []byte) (sip.Message, error) {
	m, err := sip.ParseMessage(b)
	if err == nil {
		return m, nil
	}
	switch m, _ := sipmsg.Read(b, ap(gwSIP), false); m := m.(type) {
	case *sipmsg.Response:
		return m.Response, nil
	case *sipmsg.Request:
		if m.Fault == nil {
			return m.Request, nil
		}
	}
	head, _, whole := strings.Cut(string(b), "\r\n\r\n")
	line, fields, _ := strings.Cut(head, "\r\n")
	var code int
	if _, e := fmt.Sscanf(line, "SIP/2.0 %d", &code); e != nil || code < 400 || !whole || strings.ContainsAny(strings.ReplaceAll(fields, "\r\n", ""), "\r\n") {
		return nil, err
	}
	return sip.NewResponse(code, ""), nil
}

func (p *phone) write(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteTo([]byte(text), udp(gwSIP)); err != nil {
		p.t.Error(err)
	}
}

// request writes a request in the state the phone is in. A new branch is a
// new transaction.
func (p *phone) request(method, uri, body string, lines ...string) string {
	method, cseqMethod, _ := strings.Cut(method, "/")
	if cseqMethod == "" {
		cseqMethod = method
	}
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	for _, l := range lines {
		if strings.HasPrefix(l, "Content-Type:") {
			kind = ""
		}
	}
	return fmt.Sprintf("%s %s SIP/2.0\r\n"+
		"Via: SIP/2.0/UDP %s;branch=z9hG4bK-%s-%d%s\r\n"+
		"Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: %s\r\n%s%s%sContent-Length: %d\r\n\r\n%s",
		method, uri, p.conn.LocalAddr(), p.callID, p.branch, p.via, p.from, p.to, p.callID, p.cseq, cseqMethod, p.contact,
		p.extra, joined(lines), kind, len(body), body)
}

func joined(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String()
}

const number = "sip:1234567@example.com;user=phone"

func (p *phone) invite(body string, lines ...string) {
	p.branch++
	p.write(p.request("INVITE", number, body, lines...))
}

// in writes a request in the dialog, with the next CSeq.
func (p *phone) in(method, body string, lines ...string) {
	p.cseq++
	p.branch++
	p.write(p.request(method, "sip:"+gwSIP, body, lines...))
}

func (p *phone) ack(body string) {
	p.branch++
	p.write(p.request("ACK", "sip:"+gwSIP, body))
}

// next is the next message, which must be a response with this status.
func (p *phone) next(status int) *sip.Response {
	p.t.Helper()
	m := p.any()
	res, ok := m.msg.(*sip.Response)
	if !ok || res.StatusCode != status {
		p.t.Fatalf("got %v, want %d", firstLine(m.msg), status)
	}
	if status > 100 && res.To() != nil {
		p.to = res.To().Value()
	}
	return res
}

// nextRequest is the next message, which must be a request.
func (p *phone) nextRequest(method sip.RequestMethod) (*sip.Request, time.Time) {
	p.t.Helper()
	m := p.any()
	req, ok := m.msg.(*sip.Request)
	if !ok || req.Method != method {
		p.t.Fatalf("got %v, want %s", firstLine(m.msg), method)
	}
	return req, m.at
}

func (p *phone) any() got {
	p.t.Helper()
	select {
	case m := <-p.inbox:
		return m
	case <-time.After(5 * time.Minute):
		p.t.Fatal("the gateway said nothing for five minutes")
		return got{}
	}
}

// silence checks that nothing came.
func (p *phone) silence(d time.Duration) {
	p.t.Helper()
	select {
	case m := <-p.inbox:
		p.t.Errorf("unexpected %v", firstLine(m.msg))
	case <-time.After(d):
	}
}

func firstLine(m sip.Message) string {
	line, _, _ := strings.Cut(m.String(), "\r\n")
	return line
}

// answer responds to a request of the gateway.
func (p *phone) answer(req *sip.Request, status int) {
	res := sip.NewResponseFromRequest(req, status, "OK", nil)
	p.write(res.String())
}

// call brings a call up and returns the gateway's session description.
func (p *phone) call(offer string) media.Description {
	p.t.Helper()
	p.invite(offer)
	p.next(100)
	p.next(180)
	res := p.next(200)
	p.ack("")
	d, err := media.Parse(res.Body())
	if err != nil {
		p.t.Fatalf("%v\n%s", err, res.Body())
	}
	return d
}

// offer is a session description of the phone.
func offer(rtp string, lines ...string) string {
	at := ap(rtp)
	return string(sdp(at.Addr().String(), append([]string{fmt.Sprintf("m=audio %d RTP/AVP 0 8 101", at.Port()), "a=rtpmap:101 telephone-event/8000"}, lines...)...))
}

func sdp(c string, lines ...string) []byte {
	return []byte("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 " + c + "\r\nt=0 0\r\n" + joined(lines))
}

// voice is the phone's own media stream.
func voice(t *testing.T, n *memnet.Net, rtp string, to media.Description) *media.Stream {
	t.Helper()
	at := ap(rtp)
	s, err := media.New(media.Config{
		RTP: n.Listen(rtp), RTCP: n.Listen(netip.AddrPortFrom(at.Addr(), at.Port()+1).String()), Seed: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Start(to.RTP, to.RTCP); err != nil {
		t.Fatal(err)
	}
	return s
}

func only(t *testing.T, s *gateway.Server) gateway.Call {
	t.Helper()
	calls := s.Calls()
	if len(calls) != 1 {
		t.Fatalf("%d calls", len(calls))
	}
	return calls[0]
}

var background = context.Background()
