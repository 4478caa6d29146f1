package registrar

import (
	"strings"
	"testing"
	"time"
)

func TestCancel(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		invite := alice.build("INVITE", "sip:bob@example.com", "<sip:bob@example.com>")
		via, _, _ := strings.Cut(strings.SplitN(invite, "\n", 3)[1], ";rport")
		alice.send(invite)
		alice.response(100)
		in := bob.request("INVITE")
		alice.ask("CANCEL", "sip:bob@example.com", via+";rport", "CSeq: 1 CANCEL")
		alice.response(200)
		bob.quiet()
		bob.reply(in, 100, "Trying") // enough to be cancelled
		cancel := bob.request("CANCEL")
		if cancel.one("CSeq") != "1 CANCEL" {
			t.Error(cancel.raw)
		}
		bob.reply(cancel, 200, "OK")
		bob.reply(in, 487, "Request Terminated")
		bob.request("ACK")
		no := alice.response(487)
		alice.ask("ACK", "sip:bob@example.com", via+";rport", "CSeq: 1 ACK", "To: "+no.one("To"))
		l.settle()
		bob.quiet()
		alice.send(invite) // a late retransmission is absorbed
		time.Sleep(10 * time.Second)
		alice.quiet()
		bob.quiet()
	})
}

// An agent that never answers the INVITE after CANCEL is given up 64*T1 later (RFC 3261 §9.1).
func TestCancelWithoutAnswer(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		invite := alice.build("INVITE", "sip:bob@example.com", "<sip:bob@example.com>")
		alice.send(invite)
		alice.response(100)
		bob.reply(bob.request("INVITE"), 180, "Ringing")
		alice.response(180)
		start := time.Now()
		alice.send(strings.Replace(strings.Replace(invite, "INVITE", "CANCEL", 1), " INVITE\n", " CANCEL\n", 1))
		alice.response(200)
		no := alice.recvWithin(time.Minute)
		if no.res.StatusCode != 487 || time.Since(start) != 32*time.Second {
			t.Errorf("%s after %v", no.short(), time.Since(start))
		}
	})
}

func TestNoAnswer(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		start := time.Now()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		no := alice.recvWithin(time.Minute)
		if no.res.StatusCode != 408 || time.Since(start) != 32*time.Second {
			t.Errorf("%s after %v", no.short(), time.Since(start))
		}
		if got := len(bob.in); got != 7 { // Timer A: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s
			t.Errorf("%d INVITEs sent", got)
		}
		l.wantEvent("timed-out INVITE bob from 198.51.100.2:5060 sip:bob@198.51.100.2:5060 (no answer)")
		time.Sleep(time.Minute)
		if got := len(alice.in); got != 10 { // Timer G: after 0.5, 1.5, 3.5 s, then every 4 s until Timer H
			t.Errorf("%d retransmissions of the 408", got)
		}
		if st := l.srv.Stats(); st.Transactions != 0 || st.TimedOut != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// RFC 4320 §4.2: nobody is waiting for a 408 to anything but INVITE.
func TestNoAnswerNonInvite(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		text := alice.build("MESSAGE", "sip:bob@example.com", "<sip:bob@example.com>")
		alice.send(text)
		time.Sleep(time.Second)
		alice.send(text)
		time.Sleep(time.Minute)
		alice.quiet()
		if got := len(bob.in); got != 11 { // Timer E: 0, 0.5, 1.5, 3.5, then every 4 s
			t.Errorf("%d MESSAGEs sent", got)
		}
		if st := l.srv.Stats(); st.Transactions != 0 || st.TimedOut != 1 || st.Absorbed != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// RFC 3261 §16.8: Timer C ends a call that rings for ever, each 18x starts it again.
func TestTimerC(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		in := bob.request("INVITE")
		bob.reply(in, 180, "Ringing")
		alice.response(180)
		time.Sleep(2 * time.Minute)
		bob.reply(in, 180, "Ringing")
		alice.response(180)
		time.Sleep(3 * time.Minute)
		bob.quiet()
		time.Sleep(time.Second)
		cancel := bob.request("CANCEL")
		bob.reply(cancel, 200, "OK")
		bob.reply(in, 487, "Request Terminated")
		alice.response(487)
	})
}

func TestRetransmissionsOf2xx(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		invite := alice.build("INVITE", "sip:bob@example.com", "<sip:bob@example.com>")
		alice.send(invite)
		alice.response(100)
		in := bob.request("INVITE")
		bob.ok(in)
		ok := alice.response(200)
		time.Sleep(31 * time.Second)
		bob.ok(in)
		alice.response(200)
		alice.send(invite) // absorbed without an answer (RFC 6026 §7.1)
		alice.quiet()
		bob.quiet()
		via := "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKack;rport"
		alice.within("ACK", ok, via)
		alice.within("ACK", ok, via)
		a, b := bob.request("ACK"), bob.request("ACK")
		if a.all("Via")[0] != b.all("Via")[0] {
			t.Errorf("retransmitted ACKs differ:\n%s\n%s", a.raw, b.raw)
		}
		time.Sleep(2 * time.Second)
		bob.ok(in) // too late: a stray response is dropped
		alice.quiet()
		if st := l.srv.Stats(); st.ResponsesUnmatched != 1 || st.Transactions != 0 || st.AcksForwarded != 2 {
			t.Errorf("%+v", st)
		}
	})
}
