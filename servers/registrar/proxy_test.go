package registrar

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/natproof/natproof/internal/sipmsg"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestValidation(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		ask := func(code int, uri string, opts ...string) *message {
			t.Helper()
			alice.ask("MESSAGE", uri, opts...)
			return alice.response(code)
		}
		ask(483, "sip:bob@example.com", "Max-Forwards: 0")
		ask(400, "sip:bob@example.com", "Max-Forwards: many")
		ask(400, "sip:bob@example.com", "CSeq: 1 INVITE")
		ask(400, "sip:bob@example.com", "CSeq: 4294967296 MESSAGE")
		ask(404, "sip:nobody@example.com")
		ask(404, "sip:nobody@203.0.113.5")
		ask(416, "sips:bob@example.com")
		ask(416, "tel:+15551234")
		ask(416, "nobodyKnowsThisScheme:totallyopaquecontent")
		ask(403, "sip:bob@198.51.100.2:5060")
		ask(403, "sip:bob@elsewhere.example")
		if m := ask(420, "sip:bob@example.com", "Proxy-Require: foo, bar"); m.one("Unsupported") != "foo, bar" {
			t.Error(m.raw)
		}
		alice.send(strings.Replace(alice.build("MESSAGE", "sip:bob@example.com", "<sip:bob@example.com>"), " SIP/2.0", " SIP/7.0", 1))
		alice.response(505)
		bob.quiet()

		alice.ask("OPTIONS", "sip:example.com", "Max-Forwards: 0")
		if m := alice.response(200); !strings.Contains(m.one("Allow"), "REGISTER") {
			t.Error(m.raw)
		}
		alice.ask("MESSAGE", "sip:bob@example.com", "-Max-Forwards")
		if m := bob.request("MESSAGE"); m.one("Max-Forwards") != "70" {
			t.Error(m.raw)
		}
		st := l.srv.Stats()
		if fmt.Sprint(st.Rejected) != "map[400:3 403:2 404:2 416:3 420:1 483:1 505:1]" {
			t.Error(st.Rejected)
		}
	})
}

// A contact that is this server's own address of record goes round until it is noticed.
func TestLoop(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.contact = "sip:bob@example.com"
		bob.register()
		alice.ask("MESSAGE", "sip:bob@example.com")
		alice.response(502) // a name is not followed without DNS: it never left
		bob.contact = "sip:bob@203.0.113.5:5060"
		bob.sendRegister("Contact: *", "Expires: 0")
		bob.response(200)
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		alice.response(482)
	})
}

// Coming by twice with another Request-URI is a spiral, and fine.
func TestSpiral(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		l.phone("sales", "198.51.100.3:5060").sendRegister("Contact: <sip:bob@203.0.113.5:5060>")
		bob.register()
		alice.ask("INVITE", "sip:sales@example.com")
		alice.response(100)
		m := bob.request("INVITE")
		if len(m.all("Via")) != 3 || len(m.all("Record-Route")) != 2 {
			t.Error(m.raw)
		}
		bob.ok(m)
		alice.within("ACK", alice.response(200))
		bob.request("ACK")
	})
}

func TestRelaying(t *testing.T) {
	inLab(t, Config{Peers: []netip.AddrPort{ap("198.51.100.50:5060")}}, func(l *lab) {
		mallory, victim := l.phone("mallory", "198.51.100.66:5060"), l.phone("victim", "198.51.100.77:5060")
		peer := l.phone("peer", "198.51.100.50:5060")
		for _, opts := range [][]string{
			{"Route: <sip:203.0.113.5;lr>"},
			{"Route: <sip:203.0.113.5;lr;d=0123456789ab>", "To: <sip:victim@198.51.100.77>;tag=1"},
			{"Route: <sip:203.0.113.5;lr>, <sip:198.51.100.77;lr>"},
			{"Route: <sip:198.51.100.77;lr>"},
		} {
			mallory.ask("MESSAGE", "sip:victim@198.51.100.77", opts...)
			mallory.response(403)
		}
		mallory.ask("ACK", "sip:victim@198.51.100.77", "Route: <sip:203.0.113.5;lr>")
		mallory.ask("MESSAGE", "sip:x@example.com", "Route: <sip:203.0.113.5;lr>, <bogus>")
		mallory.response(400)
		mallory.quiet()
		victim.quiet()
		mallory.ask("MESSAGE", "sip:anyone@198.51.100.50")
		peer.request("MESSAGE")
		mallory.ask("MESSAGE", "sip:anyone@far.example", "Route: <sip:203.0.113.5;lr>,<sip:198.51.100.50;lr>")
		if m := peer.request("MESSAGE"); m.short() != "MESSAGE sip:anyone@far.example SIP/2.0" || m.one("Route") != "<sip:198.51.100.50;lr>" {
			t.Error(m.raw)
		}
		// RFC 3261 §16.6 step 6: the next hop is a strict router.
		mallory.ask("MESSAGE", "sip:anyone@far.example", "Route: <sip:198.51.100.50>")
		if m := peer.request("MESSAGE"); m.short() != "MESSAGE sip:198.51.100.50 SIP/2.0" || m.one("Route") != "<sip:anyone@far.example>" {
			t.Error(m.raw)
		}
		if n := l.srv.Stats().AcksUnmatched; n != 1 {
			t.Errorf("%d ACKs unmatched", n)
		}
	})
}

func TestOpenRelay(t *testing.T) {
	inLab(t, Config{Relay: true}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		alice.ask("MESSAGE", "sip:bob@198.51.100.2")
		bob.reply(bob.request("MESSAGE"), 202, "Accepted")
		alice.response(202)
	})
}

// RFC 3261 §16.4: a strict router before us puts our Record-Route into the Request-URI.
func TestStrictRouterBefore(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		ours, _, _, _ := sipmsg.SplitAddress(alice.response(200).one("Record-Route"))
		alice.ask("BYE", ours, "Call-ID: alice-call", "Route: <sip:bob@198.51.100.2:5060>")
		if m := bob.request("BYE"); m.short() != "BYE sip:bob@198.51.100.2:5060 SIP/2.0" || len(m.all("Route")) != 0 {
			t.Error(m.raw)
		}
	})
}

func TestTransportErrors(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		l.hub.mu.Lock()
		l.fault = func(to netip.AddrPort) error {
			if to == bob.addr {
				return errors.New("network is unreachable")
			}
			return nil
		}
		l.hub.mu.Unlock()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		alice.response(503)
		l.hub.mu.Lock()
		l.fault = nil
		l.hub.mu.Unlock()
		for _, c := range []string{"sip:bob@host.example", "sip:bob@198.51.100.2;transport=tcp", "sip:bob@0.0.0.0", "sip:bob@224.0.0.1"} {
			bob.contact = c
			bob.sendRegister("Contact: *", "Expires: 0")
			bob.response(200)
			bob.register()
			alice.ask("MESSAGE", "sip:bob@example.com")
			if m := alice.response(502); m.res.Reason != "Cannot Reach "+c {
				t.Error(m.short())
			}
		}
		alice.ask("MESSAGE", "sip:bob@example.com", "body="+strings.Repeat("x", 1400))
		alice.response(502)
		bob.contact = "sip:bob@198.51.100.2:5060"
		bob.register()
		alice.ask("MESSAGE", "sip:bob@example.com", "body="+strings.Repeat("x", 1400))
		bob.quiet()
		alice.response(502) // of two failures the lower code
		if n := l.srv.Stats().WriteErrors; n != 1 {
			t.Errorf("%d write errors", n)
		}
	})
}

func TestTooLarge(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("MESSAGE", "sip:bob@example.com", "body="+strings.Repeat("x", 1250))
		alice.response(513)
		bob.quiet()
	})
}

func TestRoutes(t *testing.T) {
	gw, far := "198.51.100.50:5060", "198.51.100.60:5060"
	cfg := Config{Users: map[string]string{"bob": ""}, Routes: []Route{
		{Prefix: "+1-555", Phone: true, To: ap(gw)}, {Domain: "far.example", To: ap(far)}}}
	inLab(t, cfg, func(l *lab) {
		alice, pstn, other := l.phone("alice", "198.51.100.1:5060"), l.phone("pstn", gw), l.phone("far", far)
		for _, uri := range []string{"sip:+1(555)12-34@example.com;user=phone", "tel:+1-555-1234;phone-context=x"} {
			alice.ask("MESSAGE", uri)
			if m := pstn.request("MESSAGE"); m.short() != "MESSAGE "+uri+" SIP/2.0" {
				t.Error(m.short())
			}
		}
		alice.ask("MESSAGE", "sip:+15551234@example.com")
		alice.response(404)
		alice.ask("MESSAGE", "sip:+44@example.com;user=phone")
		alice.response(404)
		alice.ask("MESSAGE", "sip:bob@example.com")
		alice.response(480)
		alice.ask("MESSAGE", "sip:anyone@far.example")
		other.request("MESSAGE")
	})
}

// What is not the proxy's own it passes on as it came.
func TestTransparency(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		fields := []string{
			`From: Alice  "A." <sip:alice@example.com>;x="a;b, c" ;tag=1`,
			`X-Odd:  spaced	out`,
			`s: Subject, compact; with="all \" sorts"`,
			"k: 100rel,timer",
		}
		alice.ask("MESSAGE", "sip:bob@example.com", append(fields, "body=hello\r\nworld")...)
		m := bob.request("MESSAGE")
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			if got := m.one(name); got != strings.TrimSpace(value) {
				t.Errorf("%s: got %q, want %q", name, got, value)
			}
		}
		if !strings.HasSuffix(m.raw, "\r\n\r\nhello\r\nworld") {
			t.Errorf("body of %q", m.raw)
		}
	})
}

// Messages of one flow leave in the order they came, at one instant too.
func TestOrderIsKept(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		for range 50 {
			alice.ask("INVITE", "sip:bob@example.com", fmt.Sprintf("Call-ID: %d", alice.serial))
			in := bob.request("INVITE")
			bob.reply(in, 180, "Ringing")
			bob.reply(in, 183, "Session Progress")
			bob.ok(in)
			for _, code := range []int{100, 180, 183, 200} {
				alice.response(code)
			}
		}
	})
}
