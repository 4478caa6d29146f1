package registrar

import (
	"strings"
	"testing"
)

func TestCall(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com", "body=v=0\n")
		alice.response(100)
		invite := bob.request("INVITE")
		if invite.short() != "INVITE sip:bob@198.51.100.2:5060 SIP/2.0" {
			t.Error(invite.short())
		}
		if v := invite.all("Via"); len(v) != 2 || !strings.HasPrefix(v[0], "SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK") ||
			!strings.HasSuffix(v[1], ";rport=5060;received=198.51.100.1") {
			t.Errorf("Via %q", v)
		}
		if mf := invite.one("Max-Forwards"); mf != "69" {
			t.Error("Max-Forwards", mf)
		}
		if rr := invite.one("Record-Route"); !strings.HasPrefix(rr, "<sip:203.0.113.5:5060;lr;d=") {
			t.Error("Record-Route", rr)
		}
		bob.reply(invite, 100, "Trying")
		bob.reply(invite, 180, "Ringing")
		ringing := alice.response(180)
		if v := ringing.all("Via"); len(v) != 1 || !strings.Contains(v[0], "198.51.100.1:5060;branch=") {
			t.Errorf("Via %q", v)
		}
		bob.ok(invite)
		ok := alice.response(200)
		alice.within("ACK", ok)
		ack := bob.request("ACK")
		if len(ack.all("Route")) != 0 || ack.short() != "ACK sip:bob@198.51.100.2:5060 SIP/2.0" {
			t.Error(ack.raw)
		}
		bob.inDialog("BYE", invite, true)
		bye := alice.request("BYE")
		alice.reply(bye, 200, "OK")
		bob.response(200)
		alice.quiet()
		bob.quiet()
		l.wantEvent("INVITE bob -> 198.51.100.2:5060 by contact sip:bob@198.51.100.2:5060")
		l.wantEvent("BYE alice -> 198.51.100.1:5060 by request-uri")
		l.wantLost()
	})
}
