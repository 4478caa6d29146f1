package registrar

import (
	"strings"
	"testing"
	"time"
)

// RFC 3261 §17.1.1.2: a final response that comes again is acknowledged again.
func TestFinalResponseAgain(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		in := bob.request("INVITE")
		bob.reply(in, 486, "Busy Here")
		first := bob.request("ACK")
		time.Sleep(500 * time.Millisecond)
		bob.reply(in, 486, "Busy Here")
		if again := bob.request("ACK"); again.raw != first.raw {
			t.Errorf("got\n%s\nwant\n%s", again.raw, first.raw)
		}
		if first.one("To") != "<sip:bob@example.com>;tag=t-bob" || first.one("CSeq") != "1 ACK" || first.one("Via") != in.all("Via")[0] {
			t.Error(first.raw)
		}
	})
}

// RFC 3261 §17.1.2.2: after a provisional response Timer E runs at T2.
func TestProvisionalToNonInvite(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("MESSAGE", "sip:bob@example.com")
		in := bob.request("MESSAGE")
		bob.reply(in, 100, "Trying")
		bob.reply(in, 183, "Session Progress")
		alice.quiet()
		time.Sleep(15 * time.Second)
		if n := len(bob.in); n != 4 { // at 0.5, 4.5, 8.5 and 12.5 s
			t.Errorf("%d retransmissions", n)
		}
		bob.reply(in, 200, "OK")
		bob.reply(in, 200, "OK")
		alice.response(200)
		alice.quiet()
	})
}

// Vias in one comma-separated field are as good as Vias in many.
func TestViaList(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		edge, bob := l.phone("edge", "198.51.100.20:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		edge.ask("MESSAGE", "sip:bob@example.com",
			`Via: SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK1;x="a,b" ,SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK2`,
			"Timestamp: 54")
		in := bob.request("MESSAGE")
		via := in.all("Via")
		if len(via) != 3 || via[1] != `SIP/2.0/UDP 198.51.100.20;branch=z9hG4bK1;x="a,b"` || via[2] != "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK2" {
			t.Fatalf("%q", via)
		}
		bob.sendTo(proxyAddr, "SIP/2.0 200 OK\nVia: "+strings.Join(via, ", ")+"\nFrom: "+in.one("From")+"\nTo: "+in.one("To")+
			"\nCall-ID: "+in.one("Call-ID")+"\nCSeq: "+in.one("CSeq"))
		if got := edge.response(200).all("Via"); len(got) != 2 || got[0] != via[1] || got[1] != via[2] {
			t.Errorf("%q", got)
		}
	})
}

func TestTimestamp(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com", "Timestamp: 54")
		if m := alice.response(100); m.one("Timestamp") != "54" || strings.Contains(m.one("To"), "tag") {
			t.Error(m.raw)
		}
	})
}

// An ACK that cannot be passed on is dropped in silence.
func TestAckUnfit(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		in := bob.request("INVITE")
		bob.contact = "sip:bob@phone.example"
		bob.ok(in)
		ok := alice.response(200)
		alice.within("ACK", ok)
		alice.within("ACK", ok, "Max-Forwards: 0")
		alice.within("ACK", ok, "Max-Forwards: -1")
		alice.ask("ACK", "sip:bob@example.com")
		alice.quiet()
		bob.quiet()
		if st := l.srv.Stats(); st.AcksUnmatched != 3 || st.AcksForwarded != 0 || st.Malformed != 1 {
			t.Errorf("%+v", st)
		}
		l.wantEvent("dropped ACK from 198.51.100.1:5060 (no target)")
		l.wantEvent("dropped ACK from 198.51.100.1:5060 (no transaction and no dialog)")
	})
}

// A call that comes by twice, through a peer in between, has one alias for each agent:
// that of the address the agent itself sent from.
func TestAliasOnceInSpiral(t *testing.T) {
	peerAddr := "198.51.100.50:5060"
	inLab(t, Config{Policy: PolicyReceived, Routes: []Route{{Prefix: "9", To: ap(peerAddr)}}}, func(l *lab) {
		alice, bob, peer := l.phone("alice", "198.51.100.1:41111"), l.phone("bob", "198.51.100.2:42222"), l.phone("peer", peerAddr)
		alice.contact, bob.contact = "sip:alice@10.0.0.1", "sip:bob@10.0.0.2"
		bob.register()
		alice.ask("INVITE", "sip:9@example.com")
		alice.response(100)
		in := peer.request("INVITE")
		// The peer is a proxy: it adds its Via and Record-Route and sends the call back.
		head := "Via: SIP/2.0/UDP " + peerAddr + ";branch=z9hG4bKpeer\r\nRecord-Route: <sip:" + peerAddr + ";lr>\r\n"
		_, rest, _ := strings.Cut(in.raw, "\r\n")
		peer.raw("INVITE sip:bob@example.com SIP/2.0\r\n" + head + rest)
		peer.response(100)
		m := bob.request("INVITE")
		if got := m.one("Contact"); got != "<sip:alice@10.0.0.1;alias=198.51.100.1~41111~1>" {
			t.Error(got)
		}
		bob.ok(m)
		back := peer.response(200)
		_, rest, _ = strings.Cut(back.raw, "\r\nVia: ")
		_, rest, _ = strings.Cut(rest, "\r\n")
		peer.raw("SIP/2.0 200 OK\r\n" + rest)
		if got := alice.response(200).one("Contact"); got != "<sip:bob@10.0.0.2;alias=198.51.100.2~42222~1>" {
			t.Error(got)
		}
	})
}

// NOTIFY inside the dialog a SUBSCRIBE made reaches the subscriber behind its NAT.
func TestSubscribeNotify(t *testing.T) {
	inLab(t, Config{Policy: PolicyReceived}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:41111"), l.phone("bob", "198.51.100.2:5060")
		alice.contact = "sip:alice@10.0.0.1:5060"
		bob.register()
		alice.ask("SUBSCRIBE", "sip:bob@example.com", "Event: presence")
		in := bob.request("SUBSCRIBE")
		bob.reply(in, 202, "Accepted", "Contact: <"+bob.contact+">", "Expires: 60")
		alice.response(202)
		bob.inDialog("NOTIFY", in, true, "Event: presence", "Contact: <"+bob.contact+">")
		notify := alice.request("NOTIFY")
		if notify.short() != "NOTIFY sip:alice@10.0.0.1:5060 SIP/2.0" {
			t.Error(notify.short())
		}
		alice.reply(notify, 200, "OK")
		bob.response(200)
		l.wantLost()
	})
}

// A final response to an INVITE that was cancelled can still be a 2xx.
func TestAnswerBeatsCancel(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		invite := alice.build("INVITE", "sip:bob@example.com", "<sip:bob@example.com>")
		alice.send(invite)
		alice.response(100)
		in := bob.request("INVITE")
		bob.reply(in, 180, "Ringing")
		alice.response(180)
		alice.send(strings.Replace(strings.Replace(invite, "INVITE", "CANCEL", 1), " INVITE\n", " CANCEL\n", 1))
		bob.ok(in)
		alice.response(200)
		if m := alice.response(200); m.one("CSeq") != "1 INVITE" {
			t.Error(m.raw)
		}
		cancel := bob.request("CANCEL")
		bob.reply(cancel, 481, "Call/Transaction Does Not Exist")
		time.Sleep(time.Minute)
		alice.quiet()
		if st := l.srv.Stats(); st.Transactions != 0 || st.TimedOut != 0 {
			t.Errorf("%+v", st)
		}
	})
}
