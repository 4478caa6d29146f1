package registrar

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// still fails unless the server serves.
func (p *phone) still() {
	p.Helper()
	for len(p.in) > 0 {
		<-p.in
	}
	p.ask("OPTIONS", "sip:example.com")
	p.response(200)
}

func (p *phone) raw(data string) {
	p.Helper()
	if _, err := p.end.WriteTo([]byte(data), net.UDPAddrFromAddrPort(ap(proxyAddr))); err != nil {
		p.Fatal(err)
	}
	p.settle()
}

func TestBadDatagrams(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		for _, ping := range []string{"", "\r\n\r\n", "\x00\x00\x00\x00", "\r\n"} {
			alice.raw(ping)
		}
		alice.raw("\x00\x01\x00\x00\x21\x12\xa4\x42............")
		if st := l.srv.Stats(); st.Keepalives != 4 || st.NotSIP != 1 || st.Malformed != 0 {
			t.Errorf("%+v", st)
		}
		whole := crlf(alice.build("MESSAGE", "sip:bob@example.com", "<sip:bob@example.com>", "body=hello"))
		for i := range whole {
			alice.raw(whole[:i])
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 500 {
			b := []byte(whole)
			for range 1 + rng.IntN(8) {
				b[rng.IntN(len(b))] = byte(rng.Uint32())
			}
			alice.raw(string(b))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			alice.raw(string(b[:rng.IntN(len(b))]))
		}
		alice.still()
		if st := l.srv.Stats(); st.Malformed < 600 {
			t.Errorf("%+v", st)
		}
	})
}

func TestContentLength(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		send := func(length string) {
			text := crlf(alice.build("MESSAGE", "sip:bob@example.com", "<sip:bob@example.com>", "body=hello"))
			alice.raw(strings.Replace(text, "Content-Length: 5\r\n", length, 1))
		}
		for _, bad := range []string{"6", "65535", "99999999999", "-1", "five", "5\r\nContent-Length: 4"} {
			send("Content-Length: " + bad + "\r\n")
			alice.response(400)
			bob.quiet()
		}
		for length, body := range map[string]string{"Content-Length: 2\r\n": "he", "l: 5\r\n": "hello", "": "hello"} {
			send(length)
			if m := bob.request("MESSAGE"); !strings.HasSuffix(m.raw, "\r\n\r\n"+body) {
				t.Errorf("with %q: %q", length, m.raw)
			}
		}
		if st := l.srv.Stats(); st.Malformed != 6 || st.Rejected[400] != 6 {
			t.Errorf("%+v", st)
		}
	})
}

func TestMissingFields(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
			for _, method := range []string{"INVITE", "MESSAGE", "REGISTER"} {
				alice.ask(method, "sip:bob@example.com", "-"+name)
				if m := alice.response(400); m.res.Reason != "Missing "+name {
					t.Error(m.short())
				}
			}
			alice.ask("ACK", "sip:bob@example.com", "-"+name)
		}
		alice.raw("MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKlf\r\nFrom: <sip:a@b>;tag=1\r\n" +
			"To: <sip:bob@example.com>\r\nCall-ID: x\nRoute: <sip:198.51.100.9>\r\nCSeq: 1 MESSAGE\r\n\r\n")
		alice.response(400)
		alice.ask("MESSAGE", "sip:bob@example.com", "-Via")
		alice.ask("MESSAGE", "sip:bob@example.com", "Via: nonsense")
		alice.ask("MESSAGE", "sip:bob@example.com", "From: <sip:a@b>\nFrom: <sip:a@b>")
		alice.response(400)
		alice.quiet()
		bob.quiet()
		if st := l.srv.Stats(); st.Malformed != 20 || st.Transactions != 1 {
			t.Errorf("%+v", st)
		}
		alice.still()
	})
}

// Methods are case-sensitive (RFC 3261 §7.1): one is passed on as it was written, and is
// another one in small letters.
func TestMethodsAsWritten(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		for _, method := range []string{"Foo", "options", "a.b-c%1"} {
			alice.ask(method, "sip:bob@example.com")
			m := bob.recvWithin(time.Second)
			if !strings.HasPrefix(m.raw, method+" sip:bob@198.51.100.2:5060 SIP/2.0\r\n") || m.one("CSeq") != "1 "+method && !strings.HasSuffix(m.one("CSeq"), " "+method) {
				t.Errorf("%s\n%s", method, m.raw)
			}
			bob.reply(m, 200, "OK")
			alice.response(200)
		}
		alice.ask("register", "sip:example.com")
		alice.response(404) // no REGISTER, so no business of the registrar's
		if st := l.srv.Stats(); st.Bindings != 1 || st.Malformed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// What does not leave is counted and told.
func TestUnsent(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		l.hub.mu.Lock()
		l.fault = func(to netip.AddrPort) error {
			if to == alice.addr {
				return errors.New("message too long")
			}
			return nil
		}
		l.hub.mu.Unlock()
		alice.ask("OPTIONS", "sip:example.com")
		l.settle()
		l.wantEvent("dropped OPTIONS", "not sent to 198.51.100.1:5060: message too long")
		if st := l.srv.Stats(); st.WriteErrors != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// An empty Via has no first value to stamp and none to take off.
func TestEmptyVia(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		for _, via := range []string{"V:\r\nV://0 0", "Via: ,\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKe", "Via: SIP/2.0/UDP h;branch=z9hG4bKf\r\nVia: "} {
			alice.raw("OPTIONS sip:bob@eXAmple.Com SIP/2.0\r\nT::00\r\nF:<:00>000000\r\nCAll-ID:0\r\nCSeq:0 OPTIONS\r\n" + via + "\r\n\r\n")
			if m := alice.response(400); m.res.Reason != "Empty Via" {
				t.Error(m.short())
			}
		}
		bob.quiet()
		alice.raw(crlf(alice.build("OPTIONS", "sip:bob@example.com", "<sip:bob@example.com>")))
		ours := bob.request("OPTIONS").req.Via().Value()
		for _, via := range []string{"V:\r\nVia: " + ours, "Via: " + ours + "\r\nVia: ,"} {
			bob.raw("SIP/2.0 200 OK\r\n" + via + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n")
		}
		alice.quiet()
		if st := l.srv.Stats(); st.Malformed != 5 || st.Rejected[400] != 3 {
			t.Errorf("%+v", st)
		}
	})
}

func TestStrayResponses(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		const rest = "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
		alice.raw("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKnone\r\n" + rest + "\r\n")
		alice.raw("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKnone\r\n" + rest + "\r\n")
		alice.raw("SIP/2.0 200 OK\r\n" + rest + "\r\n")
		alice.raw("SIP/2.0 99 Odd\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKnone\r\n" + rest + "\r\n")
		alice.raw("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKnone\r\n" + rest + "Content-Length: 9\r\n\r\n")
		alice.quiet()
		if st := l.srv.Stats(); st.ResponsesUnmatched != 2 || st.Malformed != 3 {
			t.Errorf("%+v", st)
		}
	})
}

// RFC 4475 §3.3.14: headers in a Contact URI are not obeyed, and not sent on in a Request-URI.
func TestContactHeaders(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.contact += ";method=BYE;x=y?Route=%3Csip:sip.example.com%3E"
		bob.register()
		alice.ask("MESSAGE", "sip:bob@example.com")
		if m := bob.request("MESSAGE"); m.short() != "MESSAGE sip:bob@198.51.100.2:5060;x=y SIP/2.0" || len(m.all("Route")) != 0 {
			t.Error(m.raw)
		}
	})
}
