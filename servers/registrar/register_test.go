package registrar

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func contacts(list []Binding) string {
	var s []string
	for _, b := range list {
		s = append(s, b.Contact)
	}
	return strings.Join(s, " ")
}

func TestRegisterExpiresOnTheSecond(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		bob, carol := l.phone("bob", "198.51.100.2:5060"), l.phone("carol", "198.51.100.3:5060")
		ok := bob.register("Expires: 90")
		if got := ok.one("Contact"); got != "<sip:bob@198.51.100.2:5060>;expires=90" {
			t.Error(got)
		}
		if got := ok.one("Date"); got != "Sat, 01 Jan 2000 00:00:00 GMT" {
			t.Error(got)
		}
		time.Sleep(90*time.Second - time.Nanosecond)
		if n := len(l.srv.Bindings("sip:bob@example.com")); n != 1 || l.srv.Stats().Bindings != 1 {
			t.Errorf("%d bindings a nanosecond before expiry", n)
		}
		bob.sendRegister()
		if got := bob.response(200).one("Contact"); got != "<sip:bob@198.51.100.2:5060>;expires=1" {
			t.Error(got)
		}
		time.Sleep(time.Nanosecond)
		if n := len(l.srv.Bindings("bob")); n != 0 || l.srv.Stats().Bindings != 0 {
			t.Errorf("%d bindings at expiry", n)
		}
		carol.ask("INVITE", "sip:bob@example.com")
		carol.response(480)
		l.wantEvent("expired bob sip:bob@198.51.100.2:5060")
		bob.sendRegister()
		if got := bob.response(200).all("Contact"); len(got) != 0 {
			t.Error(got)
		}
		if st := l.srv.Stats(); st.Registrations != 1 || st.Queries != 2 || st.Rejected[480] != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestRegisterContacts(t *testing.T) {
	inLab(t, Config{MinExpires: 60 * time.Second, MaxExpires: 600 * time.Second, DefaultExpires: 300 * time.Second}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		want := func(m *message, contacts ...string) {
			t.Helper()
			if got := m.all("Contact"); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", contacts) {
				t.Errorf("Contact %q\nwant    %q", got, contacts)
			}
		}
		bob.sendRegister("Expires: 120",
			`Contact: "Bob, at work" <sip:bob@198.51.100.2:5060;transport=udp>;q=0.7;expires=500, <sip:bob@198.51.100.9>;+sip.instance="<urn:uuid:0>";reg-id=1`)
		want(bob.response(200),
			"<sip:bob@198.51.100.2:5060;transport=udp>;expires=500;q=0.7",
			`<sip:bob@198.51.100.9>;expires=120;+sip.instance="<urn:uuid:0>";reg-id=1`)
		b := l.srv.Bindings("bob@example.com")[1]
		if b.Instance != "<urn:uuid:0>" || b.RegID != 1 || b.Received.String() != "198.51.100.2:5060" || b.Q != 1 || b.CallID != "reg-bob" || b.CSeq != 1 {
			t.Errorf("%+v", b)
		}

		time.Sleep(20 * time.Second)
		// The same URI, written differently: a refresh. More than the maximum is cut.
		bob.sendRegister("Contact: sip:bob@198.51.100.9;expires=100000", "Call-ID: other")
		want(bob.response(200),
			"<sip:bob@198.51.100.2:5060;transport=udp>;expires=480;q=0.7", "<sip:bob@198.51.100.9>;expires=600")
		// Expires 0 removes one.
		bob.sendRegister("Contact: <sip:BOB@198.51.100.9>;expires=0, <sip:bob@198.51.100.9>;expires=0")
		want(bob.response(200), "<sip:bob@198.51.100.2:5060;transport=udp>;expires=480;q=0.7")
		l.wantEvent("unregistered REGISTER bob", "sip:bob@198.51.100.9")
		// Neither header nor parameter: the default. Nonsense: an hour, cut to the maximum.
		bob.sendRegister("Contact: <sip:b1@198.51.100.2>, <sip:b2@198.51.100.2>;expires=soon")
		want(bob.response(200), "<sip:bob@198.51.100.2:5060;transport=udp>;expires=480;q=0.7",
			"<sip:b1@198.51.100.2>;expires=300", "<sip:b2@198.51.100.2>;expires=600")

		bob.sendRegister("Expires: 59", "Contact: <sip:b3@198.51.100.2>")
		if brief := bob.response(423); brief.one("Min-Expires") != "60" {
			t.Error(brief.raw)
		}
		bob.sendRegister("Expires: 60", "Contact: *")
		bob.response(400)
		bob.sendRegister("Expires: 0", "Contact: *, <sip:b@198.51.100.2>")
		bob.response(400)
		bob.sendRegister("Contact: <tel:+1555>")
		bob.response(400)
		bob.sendRegister("Contact: <sip:b@198.51.100.2>;q=2")
		bob.response(400)
		bob.sendRegister("Contact: <sip:b@198.51.100.2>;reg-id=0")
		bob.response(400)
		if n := len(l.srv.Bindings("bob")); n != 3 {
			t.Errorf("%d bindings after refused requests", n)
		}
		bob.sendRegister("Expires: 0", "Contact: *")
		want(bob.response(200))
	})
}

// RFC 3261 §10.3 step 7: a request older than a binding fails, and changes nothing at all.
func TestRegisterOrder(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register("CSeq: 10 REGISTER")
		bob.sendRegister("CSeq: 10 REGISTER", "Contact: <sip:new@198.51.100.2>, <"+bob.contact+">")
		bob.response(500)
		bob.sendRegister("CSeq: 9 REGISTER", "Contact: *", "Expires: 0")
		bob.response(500)
		if got := contacts(l.srv.Bindings("bob")); got != bob.contact {
			t.Error(got)
		}
		bob.register("CSeq: 1 REGISTER", "Call-ID: after-reboot")
		bob.sendRegister("CSeq: 2 REGISTER", "Call-ID: after-reboot", "Contact: *", "Expires: 0")
		bob.response(200)
	})
}

func TestRegisterRefused(t *testing.T) {
	inLab(t, Config{MaxContacts: 2}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		for _, c := range []struct {
			code int
			uri  string
			to   string
			opts []string
		}{
			{404, "sip:example.com", "<sip:bob@elsewhere.example>", nil},
			{404, "sip:example.com", "<sip:example.com>", nil},
			{403, "sip:203.0.113.77", "<sip:bob@203.0.113.77>", nil},
			{420, "sip:example.com", "<sip:bob@example.com>", []string{"Require: path, gruu"}},
			{403, "sip:example.com", "<sip:bob@example.com>", []string{"Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>"}},
			{400, "sip:example.com", "<sip:bob@example.com>", []string{"Contact: <>"}},
		} {
			bob.send(bob.build("REGISTER", c.uri, c.to, append(c.opts, "Call-ID: x")...))
			m := bob.response(c.code)
			if c.code == 420 && m.one("Unsupported") != "gruu" {
				t.Error(m.raw)
			}
		}
		if n := l.srv.Stats().Bindings; n != 0 {
			t.Errorf("%d bindings", n)
		}
	})
}

// A retransmitted REGISTER gets the same answer, and is not an update.
func TestRegisterRetransmitted(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		text := bob.build("REGISTER", "sip:example.com", "<sip:bob@example.com>", "Contact: <sip:bob@198.51.100.2>")
		bob.send(text)
		first := bob.response(200)
		time.Sleep(31 * time.Second)
		bob.send(text)
		if again := bob.response(200); again.raw != first.raw {
			t.Errorf("got\n%s\nwant\n%s", again.raw, first.raw)
		}
		if st := l.srv.Stats(); st.Absorbed != 1 || st.Registrations != 1 || st.Transactions != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(time.Second) // Timer J, counted from the first answer
		l.settle()
		if n := l.srv.Stats().Transactions; n != 0 {
			t.Errorf("%d transactions after Timer J", n)
		}
	})
}

func TestRegisterPath(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		edge, alice := l.phone("edge", "198.51.100.20:5060"), l.phone("alice", "198.51.100.1:5060")
		edge.send(edge.build("REGISTER", "sip:example.com", "<sip:bob@example.com>", "Supported: path",
			"Path: <sip:flow7@198.51.100.20;lr;ob>", "Contact: <sip:bob@10.0.0.2>"))
		if ok := edge.response(200); ok.one("Path") != "<sip:flow7@198.51.100.20;lr;ob>" {
			t.Error(ok.raw)
		}
		alice.ask("MESSAGE", "sip:bob@example.com")
		m := edge.request("MESSAGE")
		if m.short() != "MESSAGE sip:bob@10.0.0.2 SIP/2.0" || m.one("Route") != "<sip:flow7@198.51.100.20;lr;ob>" {
			t.Error(m.raw)
		}
		l.wantEvent("by path sip:flow7@198.51.100.20;lr;ob")
	})
}
