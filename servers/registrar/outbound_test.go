package registrar

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/stun/v3"
)

const instance = "<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"

// flow registers a phone's Contact with an instance and a reg-id.
func (p *phone) flow(regID string, opts ...string) {
	p.sendRegister(append([]string{
		"Contact: <" + p.contact + `>;+sip.instance="` + instance + `";reg-id=` + regID, "Supported: path, outbound",
	}, opts...)...)
}

func (p *phone) registerFlow(regID string, opts ...string) *message {
	p.Helper()
	p.flow(regID, opts...)
	return p.response(200)
}

// A binding is known by instance and reg-id, whatever its Contact says.
func TestOutboundRegister(t *testing.T) {
	inLab(t, Config{Outbound: true, FlowTimer: 120 * time.Second, GRUU: true}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2:5060;ob"
		m := bob.registerFlow("1", "Supported: path, outbound, gruu", "Require: outbound, gruu")
		if m.one("Require") != "outbound" || m.one("Flow-Timer") != "120" ||
			m.one("Contact") != `<sip:bob@10.0.0.2:5060;ob>;expires=3600;+sip.instance="`+instance+`";reg-id=1;pub-gruu="sip:bob@example.com;gr=urn:uuid:00000000-0000-1000-8000-000a95a0e128"` {
			t.Error(m.raw)
		}
		bob.contact = "sip:bob@10.0.0.3:5060;ob" // the phone has another address now
		if m = bob.registerFlow("1"); len(m.all("Contact")) != 1 || !strings.Contains(m.one("Contact"), "10.0.0.3") || strings.Contains(m.one("Contact"), "gruu") {
			t.Error(m.raw)
		}
		if m = bob.registerFlow("2"); len(m.all("Contact")) != 2 { // the same Contact over a second flow
			t.Error(m.raw)
		}
		// Without Supported: outbound it is a Contact like any other.
		m = bob.register("Contact: <" + bob.contact + `>;+sip.instance="` + instance + `";reg-id=1`)
		if len(m.all("Contact")) != 3 || len(m.all("Require"))+len(m.all("Flow-Timer")) != 0 {
			t.Error(m.raw)
		}
		if m = bob.registerFlow("2", "Expires: 0"); len(m.all("Contact")) != 2 {
			t.Error(m.raw)
		}
		old := "Contact: <" + bob.contact + `>;+sip.instance="` + instance + `";reg-id=1`
		bob.sendRegister(old, "Supported: outbound", "CSeq: 1 REGISTER")
		bob.response(500) // out of order
		bob.sendRegister(old+`, <sip:bob@10.0.0.4>`, "Supported: outbound")
		bob.response(400)
		bob.sendRegister(old+`, <sip:bob@10.0.0.3:5060;ob>;expires=0`, "Supported: outbound")
		bob.response(200)
		bob.sendRegister(old, "Supported: outbound", "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKedge, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb;rport")
		l.settle()
		l.wantLost("198.51.100.2:5060")
		if st := l.srv.Stats(); st.Rejected[439] != 1 {
			t.Errorf("%+v", st.Rejected)
		}
		bob.ask("OPTIONS", "sip:example.com")
		if m = bob.response(200); m.one("Supported") != "path, outbound, gruu" {
			t.Error(m.one("Supported"))
		}
	})
}

func TestOutboundOff(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		if m := bob.registerFlow("1", "Supported: path, outbound, gruu"); len(m.all("Require")) != 0 || strings.Contains(m.raw, "gruu") {
			t.Error(m.raw)
		}
		bob.flow("1", "Require: outbound")
		if m := bob.response(420); m.one("Unsupported") != "outbound" {
			t.Error(m.raw)
		}
	})
}

// Calls by flow, for each combination of who uses RFC 5626, under the policy that would lose
// them otherwise.
func TestOutboundCall(t *testing.T) {
	for _, c := range []struct {
		name              string
		caller, callee    bool
		policy            Policy
		double            bool
		aliceAlias        string
		bobAlias          string
		recordRoutes      int
		byeToAlice, toBob string // causes
	}{
		{"both", true, true, PolicyContact, false, "", "", 2, "by flow", "by flow"},
		{"both, received", true, true, PolicyReceived, false, "", "", 2, "by flow", "by flow"},
		{"caller", true, false, PolicyReceived, false, "", ";alias=198.51.100.2~42222~1", 1, "by flow", "by alias"},
		{"callee", false, true, PolicyReceived, false, ";alias=198.51.100.1~41111~1", "", 1, "by alias", "by flow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, Config{Outbound: true, Policy: c.policy}, func(l *lab) {
				alice, bob := l.phone("alice", "198.51.100.1:41111"), l.phone("bob", "198.51.100.2:42222")
				alice.contact, bob.contact = "sip:alice@10.0.0.1:5060", "sip:bob@10.0.0.2:5060"
				register := func(p *phone, flow bool) {
					if !flow {
						p.register()
						return
					}
					p.contact += ";ob"
					p.registerFlow("1")
				}
				register(alice, c.caller)
				register(bob, c.callee)
				alice.ask("INVITE", "sip:bob@example.com")
				alice.response(100)
				invite := bob.request("INVITE")
				if invite.one("Contact") != "<"+alice.contact+c.aliceAlias+">" || len(invite.all("Record-Route")) != c.recordRoutes {
					t.Error(invite.raw)
				}
				bob.ok(invite)
				ok := alice.response(200)
				if ok.one("Contact") != "<"+bob.contact+c.bobAlias+">" {
					t.Error(ok.raw)
				}
				alice.within("ACK", ok)
				if ack := bob.request("ACK"); len(ack.all("Route")) != 0 {
					t.Error(ack.raw)
				}
				alice.within("INVITE", ok)
				alice.response(100)
				again := bob.request("INVITE")
				bob.ok(again)
				alice.within("ACK", alice.response(200))
				bob.request("ACK")
				bob.inDialog("INVITE", invite, true)
				bob.response(100)
				back := alice.request("INVITE")
				alice.ok(back)
				m := bob.response(200)
				bob.inDialog("ACK", invite, true, "CSeq: "+strings.Replace(m.one("CSeq"), "INVITE", "ACK", 1))
				alice.request("ACK")
				bob.inDialog("BYE", invite, true)
				alice.reply(alice.request("BYE"), 200, "OK")
				bob.response(200)
				l.wantEvent("BYE alice", c.byeToAlice)
				l.wantEvent("ACK bob", c.toBob)
				l.wantLost()
			})
		})
	}
}

// A flow that is gone: new calls get 480, those of its dialogs 430; another flow of the same
// phone is tried first.
func TestFlowFails(t *testing.T) {
	inLab(t, Config{Outbound: true, FlowTimer: 30 * time.Second}, func(l *lab) {
		alice, one, two := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222"), l.phone("bob", "198.51.100.3:43333")
		one.contact, two.contact = "sip:bob@10.0.0.2;ob", "sip:bob@10.0.0.2;ob"
		one.registerFlow("1")
		two.registerFlow("2", "CSeq: 2 REGISTER")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		invite := one.request("INVITE")
		two.quiet() // one instance, one copy
		one.ok(invite)
		ok := alice.response(200)
		alice.within("ACK", ok)
		one.request("ACK")

		// Keepalives over the second flow only.
		stun := pion.MustBuild(pion.TransactionID, pion.BindingRequest)
		alive := func(p *phone, want bool) {
			t.Helper()
			p.raw(string(stun.Raw))
			l.settle()
			if got := len(p.in) > 0; got != want {
				t.Error("a STUN answer:", got)
			}
			for len(p.in) > 0 {
				<-p.in
			}
		}
		time.Sleep(29 * time.Second)
		alive(two, true)
		time.Sleep(11*time.Second + time.Nanosecond) // Flow-Timer and 10 s since the ACK
		alice.within("BYE", ok)
		if m := alice.response(430); m.one("To") == "" {
			t.Error(m.raw)
		}
		alice.ask("MESSAGE", "sip:bob@example.com")
		two.reply(two.request("MESSAGE"), 200, "OK")
		alice.response(200)
		one.quiet()
		time.Sleep(time.Minute)
		alice.ask("MESSAGE", "sip:bob@example.com")
		alice.response(480)
		one.registerFlow("1", "CSeq: 30 REGISTER")
		alice.ask("MESSAGE", "sip:bob@example.com")
		one.reply(one.request("MESSAGE"), 200, "OK")
		alice.response(200)
		l.wantEvent("answered 430 to BYE", "is gone")
		l.wantLost()
	})
}

// Pings find a dead flow too. A flow whose user agent does not answer an INVITE is left for
// the next one.
func TestFlowPinged(t *testing.T) {
	inLab(t, Config{Outbound: true, Ping: Ping{Kind: PingOptions, MaxUnanswered: 1}}, func(l *lab) {
		alice, one, two := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222"), l.phone("bob", "198.51.100.3:43333")
		one.contact, two.contact = "sip:bob@10.0.0.2;ob", "sip:bob@10.0.0.2;ob"
		one.registerFlow("1")
		two.registerFlow("2", "CSeq: 2 REGISTER")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		one.request("INVITE")
		time.Sleep(32*time.Second + 100*time.Millisecond) // Timer B; meanwhile both have been pinged
		for len(two.in) > 0 {
			if m := two.recvWithin(time.Second); m.req.Method == "OPTIONS" {
				two.reply(m, 200, "OK")
			} else {
				two.ok(m)
				alice.within("ACK", alice.response(200))
				two.request("ACK")
			}
		}
		time.Sleep(30 * time.Second)
		if b := l.srv.Bindings("bob"); len(b) != 1 || b[0].RegID != 2 || !b[0].Outbound {
			t.Errorf("%+v", b)
		}
		l.wantEvent("unreachable bob")
		l.srv.mu.Lock()
		defer l.srv.mu.Unlock()
		if l.srv.flows.alive(ap("198.51.100.2:42222"), time.Now()) {
			t.Error("the flow is alive")
		}
	})
}

// Nobody makes tokens but the server.
func TestFlowForged(t *testing.T) {
	inLab(t, Config{Outbound: true}, func(l *lab) {
		bob, mallory := l.phone("bob", "198.51.100.2:42222"), l.phone("mallory", "198.51.100.66:5060")
		bob.registerFlow("1")
		token := func(at string) string {
			l.srv.mu.Lock()
			defer l.srv.mu.Unlock()
			return l.srv.flowToken(ap(at))
		}
		good := token("198.51.100.2:42222")
		for token, code := range map[string]int{
			strings.ToUpper(good): 403, "nonsense": 403, token("198.51.100.9:5060"): 430,
		} {
			mallory.ask("MESSAGE", "sip:x@10.0.0.9", "Route: <sip:"+token+"@"+proxyAddr+";lr;ob>")
			mallory.response(code)
		}
		mallory.ask("MESSAGE", "sip:x@10.0.0.9", "Route: <sip:"+good+"@"+proxyAddr+";lr;ob>") // as a registrar that has it in a Path
		bob.reply(bob.request("MESSAGE"), 200, "OK")
		mallory.response(200)
		// Without ob it is a user part like any other: nothing is relayed.
		mallory.ask("MESSAGE", "sip:x@10.0.0.9", "Route: <sip:"+good+"@"+proxyAddr+";lr>")
		mallory.response(403)
		l.wantLost()
	})
}

// Edge proxy and registrar in two boxes.
func TestEdgeProxy(t *testing.T) {
	const registrarAddr = "203.0.113.9:5060"
	inLab(t, Config{Outbound: true, FlowTimer: time.Minute, Routes: []Route{{Domain: "example.org", To: ap(registrarAddr)}}}, func(l *lab) {
		home, err := New(l.listen(registrarAddr), Config{Domain: "example.org", Seed: 3, Outbound: true, FlowTimer: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- home.Serve() }()
		defer func() {
			if err := errors.Join(home.Close(), <-done); err != nil {
				t.Error(err)
			}
		}()
		bob, alice := l.phone("bob", "198.51.100.2:42222"), l.phone("alice", "198.51.100.1:5060")
		alice.proxy = registrarAddr
		bob.contact = "sip:bob@10.0.0.2;ob"
		register := bob.build("REGISTER", "sip:example.org", "<sip:bob@example.org>", "Contact: <"+bob.contact+`>;reg-id=1;+sip.instance="`+instance+`"`, "Supported: path, outbound")
		bob.send(register)
		m := bob.response(200)
		if m.one("Require") != "outbound" || m.one("Flow-Timer") != "60" || !strings.HasSuffix(m.one("Path"), "@"+proxyAddr+";lr;ob>") {
			t.Error(m.raw)
		}
		alice.ask("INVITE", "sip:bob@example.org")
		alice.response(100)
		invite := bob.request("INVITE")
		if rr := invite.all("Record-Route"); len(rr) != 2 || !strings.Contains(rr[0], "@"+proxyAddr+";lr;ob;d=") || !strings.HasPrefix(rr[1], "<sip:"+registrarAddr) {
			t.Error(rr)
		}
		bob.ok(invite)
		ok := alice.response(200)
		alice.within("ACK", ok)
		bob.request("ACK")
		bob.inDialog("BYE", invite, true)
		alice.reply(alice.request("BYE"), 200, "OK")
		bob.response(200)
		// The flow dies: the edge says 430 to the registrar, and that 480 to the caller.
		time.Sleep(70*time.Second + 2*time.Nanosecond)
		alice.ask("MESSAGE", "sip:bob@example.org")
		alice.response(480)
		l.wantEvent("answered 430 to MESSAGE")
		bob.quiet()
	})
}

// A phone whose NAT gave it another mapping registers over it: the old flow is gone.
func TestFlowMoved(t *testing.T) {
	inLab(t, Config{Outbound: true}, func(l *lab) {
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2;ob"
		bob.registerFlow("1")
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		ok := alice.response(200)
		moved := l.phone("bob", "198.51.100.2:43333")
		moved.contact = bob.contact
		moved.registerFlow("1", "CSeq: 9 REGISTER")
		alice.within("BYE", ok)
		alice.response(430)
		alice.ask("MESSAGE", "sip:bob@example.com")
		moved.reply(moved.request("MESSAGE"), 200, "OK")
		alice.response(200)
		bob.quiet()
	})
}

// Another method than INVITE is not tried again after Timer F: its client has given up.
func TestFlowTimesOut(t *testing.T) {
	inLab(t, Config{Outbound: true}, func(l *lab) {
		alice, one, two := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222"), l.phone("bob", "198.51.100.3:43333")
		one.registerFlow("1")
		two.registerFlow("2", "CSeq: 2 REGISTER")
		alice.ask("MESSAGE", "sip:bob@example.com")
		time.Sleep(time.Minute)
		two.quiet()
		alice.quiet()
		// A refusal is the user agent's, whichever flow it came by.
		for len(one.in) > 0 {
			<-one.in
		}
		alice.ask("MESSAGE", "sip:bob@example.com")
		one.reply(one.request("MESSAGE"), 488, "Not Acceptable Here")
		alice.response(488)
		two.quiet()
	})
}

// A GRUU in a Contact stays as it is, and in a Request-URI finds its phone behind a NAT.
func TestGRUUInDialog(t *testing.T) {
	for _, outbound := range []bool{false, true} {
		inLab(t, Config{GRUU: true, Policy: PolicyReceived, Outbound: outbound}, func(l *lab) {
			alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222")
			bob.contact = "sip:bob@10.0.0.2;ob"
			bob.registerFlow("1")
			alice.ask("INVITE", "sip:bob@example.com")
			alice.response(100)
			invite := bob.request("INVITE")
			gruu := "sip:bob@example.com;gr=urn:uuid:00000000-0000-1000-8000-000a95a0e128"
			bob.reply(invite, 200, "OK", "Contact: <"+gruu+">")
			ok := alice.response(200)
			if ok.one("Contact") != "<"+gruu+">" {
				t.Error(ok.raw)
			}
			alice.within("ACK", ok)
			if ack := bob.request("ACK"); ack.short() != "ACK sip:bob@10.0.0.2;ob SIP/2.0" {
				t.Error(ack.raw)
			}
			alice.within("BYE", ok)
			bob.reply(bob.request("BYE"), 200, "OK")
			alice.response(200)
			l.wantLost()
		})
	}
}

func TestGRUU(t *testing.T) {
	inLab(t, Config{GRUU: true}, func(l *lab) {
		alice := l.phone("alice", "198.51.100.1:5060")
		var phones []*phone
		for i, id := range []string{"urn:uuid:1", "urn:uuid:2", "odd;id"} {
			p := l.phone("bob", "198.51.100."+string(rune('2'+i))+":5060")
			m := p.register("Contact: <"+p.contact+`>;+sip.instance="<`+id+`>"`, "Supported: gruu", "CSeq: "+string(rune('1'+i))+" REGISTER")
			if got := strings.Contains(m.all("Contact")[i], `;pub-gruu="sip:bob@example.com;gr=`+id+`"`); got != (i < 2) {
				t.Error(m.raw)
			}
			phones = append(phones, p)
		}
		alice.ask("MESSAGE", "sip:bob@example.com;gr=urn:uuid:2")
		m := phones[1].request("MESSAGE")
		phones[1].reply(m, 200, "OK")
		alice.response(200)
		for _, uri := range []string{"sip:bob@example.com;gr=urn:uuid:3", "sip:bob@example.com;gr"} {
			alice.ask("MESSAGE", uri)
			alice.response(480)
		}
		phones[0].quiet()
		phones[2].quiet()
	})
}

func TestAnswerSTUN(t *testing.T) {
	inLab(t, Config{AnswerSTUN: true}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:42222")
		req := pion.MustBuild(pion.TransactionID, pion.BindingRequest)
		bob.raw(string(req.Raw))
		pkt := <-bob.in
		m := &pion.Message{Raw: pkt.data}
		var mapped pion.XORMappedAddress
		if err := errors.Join(m.Decode(), mapped.GetFrom(m)); err != nil || mapped.String() != "198.51.100.2:42222" || m.TransactionID != req.TransactionID {
			t.Error(err, m)
		}
		bob.raw("\x00\x01\x00\x04\x21\x12\xa4\x42............")
		l.settle()
		if st := l.srv.Stats(); st.STUN != 2 || st.Datagrams != 2 || outcomes(st) != 2 {
			t.Errorf("%+v", st)
		}
	})
}

func TestOutboundRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, cfg := range map[string]Config{
			"another source": {Outbound: true, Policy: PolicyAnotherSource, CallConn: newHub().listen("203.0.113.6:5060")},
			"a timer alone":  {FlowTimer: time.Minute},
			"a fraction":     {Outbound: true, FlowTimer: 1500 * time.Millisecond},
			"two for STUN":   {AnswerSTUN: true, OnSTUN: func([]byte, netip.AddrPort) {}},
		} {
			if _, err := New(newHub().listen(proxyAddr), cfg); !errors.Is(err, ErrConfig) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
