package registrar

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Flow-Timer and 10 s, to the nanosecond.
func TestFlowTimer(t *testing.T) {
	now, peer := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), ap("198.51.100.2:42222")
	f := newFlows(&Config{MaxExpires: time.Hour, FlowTimer: 30 * time.Second})
	f.open(peer, now)
	for after, want := range map[time.Duration]bool{0: true, 40 * time.Second: true, 40*time.Second + 1: false} {
		if got := f.alive(peer, now.Add(after)); got != want {
			t.Errorf("alive after %v: %v", after, got)
		}
	}
	f.close(peer)
	if f.hear(peer, now); f.alive(peer, now) {
		t.Error("a closed flow is heard of")
	}
}

// Whatever comes over a flow shows that it is there: responses and ACKs as well as requests.
func TestFlowHeardOf(t *testing.T) {
	inLab(t, Config{Outbound: true, FlowTimer: 30 * time.Second}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:41111"), l.phone("bob", "198.51.100.2:42222")
		alice.contact, bob.contact = "sip:alice@10.0.0.1;ob", "sip:bob@10.0.0.2;ob"
		bob.registerFlow("1")
		for range 4 { // bob answers only
			time.Sleep(35 * time.Second)
			alice.ask("MESSAGE", "sip:bob@example.com")
			bob.reply(bob.request("MESSAGE"), 200, "OK")
			alice.response(200)
		}
		alice.registerFlow("1")
		bob.ask("INVITE", "sip:alice@example.com")
		bob.response(100)
		invite := alice.request("INVITE")
		alice.ok(invite)
		ok := bob.response(200)
		time.Sleep(35 * time.Second)
		bob.within("ACK", ok)
		alice.request("ACK")
		time.Sleep(35 * time.Second) // alice has not been heard of for 70 s, bob for 35
		carol := l.phone("carol", "198.51.100.3:5060")
		carol.ask("MESSAGE", "sip:bob@example.com")
		bob.request("MESSAGE")
		bob.within("INFO", ok)
		bob.response(430)
		l.wantLost()
	})
}

// The first hop is the last of the Path.
func TestOutboundFirstHop(t *testing.T) {
	for _, c := range []struct {
		path string
		code int
	}{
		{"<sip:192.0.2.8;lr>, <sip:192.0.2.7;lr;ob>", 200},
		{"<sip:192.0.2.8;lr;ob>, <sip:192.0.2.7;lr>", 439},
		{"<sip:192.0.2.7;lr;ob>", 200},
		{"<nonsense", 439},
	} {
		inLab(t, Config{Outbound: true, FlowTimer: time.Minute}, func(l *lab) {
			edge := l.phone("bob", "192.0.2.8:5060")
			edge.contact = "sip:bob@10.0.0.2;ob"
			edge.flow("1", "Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bKe, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb", "Path: "+c.path)
			if m := edge.response(c.code); c.code == 200 && (m.one("Require") != "outbound" || len(m.all("Flow-Timer")) != 0) {
				t.Error(m.raw) // Flow-Timer is for the edge proxy to say
			}
		})
	}
}

// A strict router puts our Record-Route with its flow token into the Request-URI.
func TestFlowStrict(t *testing.T) {
	inLab(t, Config{Outbound: true}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2;ob"
		bob.registerFlow("1")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		ok := alice.response(200)
		send := func(rr string) {
			alice.send(alice.build("ACK", rr, ok.one("To"), "From: "+ok.one("From"), "Call-ID: "+ok.one("Call-ID"),
				"CSeq: "+strings.Replace(ok.one("CSeq"), "INVITE", "ACK", 1), "Route: <"+bob.contact+">"))
		}
		rr := strings.Trim(ok.one("Record-Route"), "<>")
		send(rr)
		if ack := bob.request("ACK"); ack.short() != "ACK "+bob.contact+" SIP/2.0" {
			t.Error(ack.raw)
		}
		send(strings.Replace(rr, "sip:", "sip:A", 1)) // forged
		bob.quiet()
		l.wantLost()
	})
}

// A flow may fail between one copy of a request and the next.
func TestFlowFailsLater(t *testing.T) {
	inLab(t, Config{Outbound: true}, func(l *lab) {
		alice, one, two := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222"), l.phone("bob", "198.51.100.3:43333")
		one.registerFlow("1")
		two.registerFlow("2", "CSeq: 2 REGISTER")
		alice.ask("MESSAGE", "sip:bob@example.com")
		one.request("MESSAGE")
		l.hub.mu.Lock()
		l.fault = func(to netip.AddrPort) error {
			if to == one.addr {
				return errors.New("no route to host")
			}
			return nil
		}
		l.hub.mu.Unlock()
		time.Sleep(500 * time.Millisecond) // Timer E
		two.reply(two.request("MESSAGE"), 200, "OK")
		alice.response(200)
	})
}

// A 430 within a dialog is another edge proxy's, and the caller's to know.
func TestFlowFailedElsewhere(t *testing.T) {
	inLab(t, Config{Outbound: true}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		ok := alice.response(200)
		alice.within("BYE", ok)
		bob.reply(bob.request("BYE"), 430, "Flow Failed")
		alice.response(430)
	})
}

// A flow that does not take a datagram is left for the next, and an ACK for one that is gone goes nowhere.
func TestFlowFailures(t *testing.T) {
	inLab(t, Config{Outbound: true, GRUU: true, FlowTimer: time.Minute}, func(l *lab) {
		alice, one, two := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222"), l.phone("bob", "198.51.100.3:43333")
		one.registerFlow("1")
		two.registerFlow("2", "CSeq: 2 REGISTER")
		l.hub.mu.Lock()
		l.fault = func(to netip.AddrPort) error {
			if to == one.addr {
				return errors.New("no route to host")
			}
			return nil
		}
		l.hub.mu.Unlock()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := two.request("INVITE")
		two.reply(invite, 200, "OK", "Contact: <sip:bob@example.com;gr=urn:uuid:00000000-0000-1000-8000-000a95a0e128>")
		ok := alice.response(200)
		l.hub.mu.Lock()
		l.fault = nil
		l.hub.mu.Unlock()
		one.registerFlow("1", "Expires: 0", "CSeq: 3 REGISTER")
		alice.within("INFO", ok)
		two.reply(two.request("INFO"), 430, "Flow Failed")
		alice.response(480) // it went to a user of the domain: this server was to find another flow
		time.Sleep(71 * time.Second)
		for len(alice.in) > 0 {
			<-alice.in
		}
		alice.within("ACK", ok)
		two.quiet()
		if st := l.srv.Stats(); st.AcksUnmatched != 1 || st.WriteErrors == 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A binding with a Path is the first proxy's to ping.
func TestPingNotBehindAPath(t *testing.T) {
	inLab(t, Config{Ping: Ping{Kind: PingZero}}, func(l *lab) {
		l.phone("bob", "198.51.100.2:5060").register("Path: <sip:192.0.2.7;lr>", "Supported: path")
		time.Sleep(10 * time.Minute)
		if st := l.srv.Stats(); st.Pings != 0 {
			t.Errorf("%+v", st)
		}
	})
}
