package registrar

import (
	"strings"
	"testing"
	"time"
)

// A user agent behind a NAT that advertises a mapping other than the one towards the
// proxy, as STUN makes it do on address-and-port-dependent mapping.
func TestPolicyReceivedReachesWrongContact(t *testing.T) {
	inLab(t, Config{Policy: PolicyReceived}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:41111"), l.phone("bob", "198.51.100.2:42222")
		alice.contact, bob.contact = "sip:alice@10.0.0.1:5060;ob", "sip:bob@198.51.100.2:50000"
		ok := bob.register()
		if got := ok.one("Contact"); got != `<sip:bob@198.51.100.2:50000>;expires=3600;received="sip:198.51.100.2:42222"` {
			t.Error(got)
		}
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := bob.request("INVITE")
		if invite.short() != "INVITE sip:bob@198.51.100.2:50000 SIP/2.0" || invite.one("Contact") != "<sip:alice@10.0.0.1:5060;ob;alias=198.51.100.1~41111~1>" {
			t.Error(invite.raw)
		}
		bob.ok(invite)
		ok = alice.response(200)
		if got := ok.one("Contact"); got != "<sip:bob@198.51.100.2:50000;alias=198.51.100.2~42222~1>" {
			t.Error(got)
		}
		alice.within("ACK", ok)
		if ack := bob.request("ACK"); ack.short() != "ACK sip:bob@198.51.100.2:50000 SIP/2.0" {
			t.Error(ack.short())
		}
		alice.within("INVITE", ok)
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		alice.within("ACK", alice.response(200))
		bob.request("ACK")
		bob.inDialog("BYE", invite, true)
		bye := alice.request("BYE")
		if bye.short() != "BYE sip:alice@10.0.0.1:5060;ob SIP/2.0" {
			t.Error(bye.short())
		}
		alice.reply(bye, 200, "OK")
		bob.response(200)
		l.wantLost()
		l.wantEvent("INVITE bob -> 198.51.100.2:42222 by received sip:bob@198.51.100.2:50000")
		l.wantEvent("BYE alice -> 198.51.100.1:41111 by alias sip:alice@10.0.0.1:5060;ob;alias=198.51.100.1~41111~1")
	})
}

// The same agents under the other policy: everything goes where the Contact says.
func TestPolicyContactIsLiteral(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:41111"), l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@198.51.100.2:50000"
		bob.register()
		written := l.phone("written", "198.51.100.2:50000")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := written.request("INVITE")
		if got := invite.one("Contact"); strings.Contains(got, "alias") {
			t.Error(got)
		}
		written.contact = "sip:bob@198.51.100.2:50001"
		written.ok(invite)
		ok := alice.response(200)
		alice.within("ACK", ok)
		l.wantLost("198.51.100.2:50001")
		l.wantEvent("ACK bob -> 198.51.100.2:50001 by request-uri")
		bob.quiet()
	})
}

func TestAliased(t *testing.T) {
	from := ap("198.51.100.2:42222")
	for in, want := range map[string]string{
		"<sip:b@10.0.0.2>":                               "<sip:b@10.0.0.2;alias=198.51.100.2~42222~1>",
		"sip:b@10.0.0.2;q=0.5":                           "<sip:b@10.0.0.2;alias=198.51.100.2~42222~1>;q=0.5",
		`"a <b>, c" <sip:b@h?x=y>;q=1`:                   `"a <b>, c" <sip:b@h;alias=198.51.100.2~42222~1?x=y>;q=1`,
		"<sip:b@198.51.100.2:42222;ob>":                  "<sip:b@198.51.100.2:42222;ob>",
		"<sip:b@198.51.100.2:42222;alias=192.0.2.9~1~1>": "<sip:b@198.51.100.2:42222>",
		"<sip:b@10.0.0.2;alias=192.0.2.9~1~1;ob>":        "<sip:b@10.0.0.2;ob;alias=198.51.100.2~42222~1>",
		"*":                    "*",
		"<tel:+1>":             "<tel:+1>",
		"<sip:a@h>, <sip:b@h>": "<sip:a@h>, <sip:b@h>",
	} {
		if got := policies[PolicyReceived].aliased(in, from); got != want {
			t.Errorf("aliased(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

// Where responses go, for every kind of response there is: from a transaction, to a
// CANCEL, and for a request too broken for a transaction.
func TestResponseAddress(t *testing.T) {
	for _, c := range []struct {
		name   string
		ignore bool
		sentBy string
		params string
		via    string // of the response
		to     string
	}{
		{"rport", false, "10.0.0.1:5060", ";rport", "10.0.0.1:5060;branch=B;rport=41111;received=198.51.100.1", "198.51.100.1:41111"},
		{"rport, nothing to correct", false, "198.51.100.1:41111", ";rport", "198.51.100.1:41111;branch=B;rport=41111;received=198.51.100.1", "198.51.100.1:41111"},
		{"rport with a value", false, "10.0.0.1:5060", ";rport=9", "10.0.0.1:5060;branch=B;rport=41111;received=198.51.100.1", "198.51.100.1:41111"},
		{"no rport", false, "10.0.0.1:5066", "", "10.0.0.1:5066;branch=B;received=198.51.100.1", "198.51.100.1:5066"},
		{"no rport, right address", false, "198.51.100.1:5066", "", "198.51.100.1:5066;branch=B", "198.51.100.1:5066"},
		{"no port", false, "phone.invalid", "", "phone.invalid;branch=B;received=198.51.100.1", "198.51.100.1:5060"},
		{"received forged", false, "10.0.0.1", ";received=192.0.2.9", "10.0.0.1;branch=B;received=198.51.100.1", "198.51.100.1:5060"},
		{"rport ignored", true, "10.0.0.1:5066", ";rport", "10.0.0.1:5066;branch=B;rport;received=198.51.100.1", "198.51.100.1:5066"},
		{"rport ignored, right address", true, "198.51.100.1:5066", ";rport", "198.51.100.1:5066;branch=B;rport", "198.51.100.1:5066"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, Config{IgnoreRport: c.ignore}, func(l *lab) {
				alice := l.phone("alice", "198.51.100.1:41111")
				at := alice
				if c.to != "198.51.100.1:41111" {
					at = l.phone("there", c.to)
				}
				check := func(code int, branch string) {
					t.Helper()
					m := at.response(code)
					if want := "SIP/2.0/UDP " + strings.Replace(c.via, "=B", "="+branch, 1); m.one("Via") != want {
						t.Errorf("Via of %d\n got %q\nwant %q", code, m.one("Via"), want)
					}
				}
				via := func(branch string) string { return "Via: SIP/2.0/UDP " + c.sentBy + ";branch=" + branch + c.params }
				alice.ask("OPTIONS", "sip:example.com", via("z9hG4bK1"))
				check(200, "z9hG4bK1")
				alice.ask("CANCEL", "sip:bob@example.com", via("z9hG4bK2"))
				check(481, "z9hG4bK2")
				alice.ask("OPTIONS", "sip:example.com", via("z9hG4bK3"), "-Call-ID")
				check(400, "z9hG4bK3")

				bob := l.phone("bob", "198.51.100.2:5060")
				bob.register()
				alice.ask("INVITE", "sip:bob@example.com", via("z9hG4bK4"))
				check(100, "z9hG4bK4")
				invite := bob.request("INVITE")
				bob.reply(invite, 180, "Ringing")
				check(180, "z9hG4bK4")
				alice.ask("CANCEL", "sip:bob@example.com", via("z9hG4bK4"))
				check(200, "z9hG4bK4")
				bob.reply(bob.request("CANCEL"), 200, "OK")
				bob.reply(invite, 487, "Request Terminated")
				bob.request("ACK")
				check(487, "z9hG4bK4")
				time.Sleep(500 * time.Millisecond)
				check(487, "z9hG4bK4")
				if at != alice {
					alice.quiet()
				}
				l.wantLost()
			})
		})
	}
}
