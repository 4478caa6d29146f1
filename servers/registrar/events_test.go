package registrar

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
)

var both = Agents{Presence: true, Messages: true}

// notify receives a NOTIFY with this Subscription-State and answers it.
func (p *phone) notify(state string) *message {
	p.Helper()
	m := p.request("NOTIFY")
	if got := m.one("Subscription-State"); got != state {
		p.Fatalf("state %q, want %q\n%s", got, state, m.raw)
	}
	p.reply(m, 200, "OK")
	return m
}

func (p *phone) subscribe(to, event string, opts ...string) *message {
	p.Helper()
	p.ask("SUBSCRIBE", "sip:"+to+"@example.com", append([]string{"Event: " + event}, opts...)...)
	return p.response(200)
}

func (m *message) body() string {
	_, b, _ := strings.Cut(m.raw, "\r\n\r\n")
	return b
}

// wantPresence checks the basic status of every tuple.
func (m *message) wantPresence(basic ...eventbody.Basic) {
	m.t.Helper()
	p, err := eventbody.ReadPresence([]byte(m.body()))
	if err != nil || m.one("Content-Type") != "application/pidf+xml" {
		m.t.Fatalf("%v\n%s", err, m.raw)
	}
	var got []eventbody.Basic
	for _, t := range p.Tuples {
		got = append(got, t.Basic)
	}
	if !slices.Equal(got, basic) {
		m.t.Errorf("presence %v, want %v", got, basic)
	}
}

func (m *message) wantMessages(unheard, heard uint32) {
	m.t.Helper()
	s, err := eventbody.ReadSummary([]byte(m.body()))
	if err != nil || m.one("Content-Type") != "application/simple-message-summary" {
		m.t.Fatalf("%v\n%s", err, m.raw)
	}
	if c := s.Of(eventbody.Voice); c.New != unheard || c.Old != heard || s.Waiting != (unheard > 0) || s.Account != "sip:bob@example.com" {
		m.t.Errorf("%+v", s)
	}
}

func pidf(entity, id, basic string) string {
	return fmt.Sprintf(`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="%s"><tuple id="%s"><status><basic>%s</basic></status></tuple></presence>`, entity, id, basic)
}

const pidfType = "Content-Type: application/pidf+xml"

func TestMessageSummary(t *testing.T) {
	inLab(t, Config{Agents: both, Policy: PolicyReceived}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2:5060" // behind a NAT
		bob.register()
		if err := l.srv.SetMessages("bob", 1, 0); err != nil {
			t.Error(err)
		}
		ok := bob.subscribe("bob", "message-summary;id=7", "Accept: application/simple-message-summary", "Expires: 600")
		if ok.one("Expires") != "600" || ok.one("Contact") != "<sip:bob@203.0.113.5:5060>" {
			t.Error(ok.raw)
		}
		first := bob.notify("active;expires=600")
		first.wantMessages(1, 0)
		if first.short() != "NOTIFY sip:bob@10.0.0.2:5060 SIP/2.0" || first.one("Event") != "message-summary;id=7" ||
			first.one("From") != ok.one("To") || first.one("To") != ok.one("From") || first.one("Call-ID") != ok.one("Call-ID") || first.one("CSeq") != "1 NOTIFY" {
			t.Error(first.raw)
		}
		l.wantEvent("NOTIFY bob -> 198.51.100.2:42222 by received sip:bob@10.0.0.2:5060")

		if b := l.srv.Subscriptions("bob"); len(b) != 1 || b[0].ID != "7" || b[0].Received != ap("198.51.100.2:42222") || b[0].Expires != time.Now().Add(600*time.Second) {
			t.Error(b)
		}

		// Changes in a second are told as one.
		for i := range uint32(5) {
			if err := l.srv.SetMessages("sip:bob@example.com", 2+i, 1); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(999 * time.Millisecond)
		bob.quiet()
		time.Sleep(time.Millisecond)
		bob.notify("active;expires=599").wantMessages(6, 1)

		// A refresh takes the new source and Contact.
		moved := l.phone("bob", "198.51.100.3:5060")
		moved.cseq = 100
		moved.within("SUBSCRIBE", ok, "Event: message-summary;id=7", "Expires: 60")
		moved.response(200)
		if m := moved.notify("active;expires=60"); m.short() != "NOTIFY sip:bob@198.51.100.3:5060 SIP/2.0" || m.one("CSeq") != "3 NOTIFY" {
			t.Error(m.raw)
		}
		time.Sleep(time.Minute)
		moved.notify("terminated;reason=timeout").wantMessages(6, 1)
		bob.quiet()
		moved.within("SUBSCRIBE", ok, "Event: message-summary;id=7")
		moved.response(481)
		l.wantLost()
		if st := l.srv.Stats(); st.Subscriptions != 0 || st.Notified != 4 || st.NotifyFailed != 0 || outcomes(st) != st.Datagrams {
			t.Errorf("%+v", st)
		}
	})
}

func TestUnsubscribeAndFetch(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		ok := bob.subscribe("bob", "presence")
		bob.notify("active;expires=3600").wantPresence()
		bob.within("SUBSCRIBE", ok, "Event: presence", "Expires: 0")
		bob.response(200)
		bob.notify("terminated;reason=timeout")
		bob.subscribe("bob", "presence", "Expires: 0", "Call-ID: fetch")
		bob.notify("terminated;reason=timeout").wantPresence()
		time.Sleep(2 * time.Hour)
		bob.quiet()
	})
}

func TestPublish(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob, alice := l.phone("bob", "198.51.100.2:5060"), l.phone("alice", "198.51.100.1:5060")
		bob.register()
		alice.register()
		alice.subscribe("bob", "presence")
		alice.notify("active;expires=3600").wantPresence()
		time.Sleep(time.Minute)
		publish := func(opts ...string) *message {
			t.Helper()
			bob.ask("PUBLISH", "sip:bob@example.com", append([]string{"Event: presence"}, opts...)...)
			return bob.response(200)
		}
		open := pidf("pres:bob@example.com", "a", "open")
		first := publish(pidfType, "Expires: 100", "body="+open)
		if first.one("Expires") != "100" {
			t.Error(first.raw)
		}
		if m := alice.notify("active;expires=3540"); m.body() != open {
			t.Error(m.raw)
		}
		// Another device; its tuple has the same id.
		other := publish(pidfType, "Expires: 70", "body="+pidf("sip:whoever@192.0.2.1", "a", "closed"))
		time.Sleep(5 * time.Second)
		alice.notify("active;expires=3535").wantPresence(eventbody.Open, eventbody.Closed)
		// A refresh changes nothing but the tag and the time.
		second := publish("SIP-If-Match: "+first.one("SIP-ETag"), "Expires: 200")
		if second.one("SIP-ETag") == first.one("SIP-ETag") {
			t.Error(second.raw)
		}
		time.Sleep(10 * time.Second)
		alice.quiet()
		bob.ask("PUBLISH", "sip:bob@example.com", "Event: presence", "SIP-If-Match: "+first.one("SIP-ETag"))
		bob.response(412)
		third := publish("SIP-If-Match: "+second.one("SIP-ETag"), pidfType, "Expires: 3000", "body="+pidf("sip:bob@example.com", "a", "closed"))
		alice.notify("active;expires=3525").wantPresence(eventbody.Closed, eventbody.Closed)
		time.Sleep(55 * time.Second) // the other one's time is up
		alice.notify("active;expires=3470").wantPresence(eventbody.Closed)
		bob.ask("PUBLISH", "sip:bob@example.com", "Event: presence", "SIP-If-Match: "+other.one("SIP-ETag"))
		bob.response(412)
		if err := l.srv.SetPresence("bob", true, "here"); err != nil {
			t.Error(err)
		}
		publish("SIP-If-Match: "+third.one("SIP-ETag"), "Expires: 0")
		time.Sleep(5 * time.Second)
		alice.notify("active;expires=3465").wantPresence(eventbody.Open) // what was set
		if st := l.srv.Stats(); st.Publications != 0 || st.Subscriptions != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// What is refused, and with what.
func TestAgentsRefuse(t *testing.T) {
	inLab(t, Config{Agents: Agents{Presence: true, MaxSubscriptions: 1}}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		doc := "body=" + pidf("sip:bob@example.com", "a", "open")
		for _, c := range []struct {
			method, to string
			opts       []string
			code       int
			want       string
		}{
			{"SUBSCRIBE", "bob", []string{"Event: dialog"}, 489, "Allow-Events: presence"},
			{"SUBSCRIBE", "bob", []string{"Event: message-summary"}, 489, "Allow-Events: presence"},
			{"SUBSCRIBE", "bob", nil, 489, "Allow-Events: presence"},
			{"SUBSCRIBE", "bob", []string{"Event: presence\nEvent: presence"}, 400, ""},
			{"SUBSCRIBE", "bob", []string{`Event: presence;id="a;b"`}, 400, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Require: eventlist"}, 420, "Unsupported: eventlist"},
			{"SUBSCRIBE", "nobody", []string{"Event: presence"}, 404, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Expires: 59"}, 423, "Min-Expires: 60"},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Expires: soon"}, 400, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Accept: application/cpim-pidf+xml"}, 406, "Accept: application/pidf+xml"},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "-Contact"}, 400, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Contact: *"}, 400, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Contact: <tel:+1>"}, 400, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Contact: <sip:a@host.invalid>"}, 400, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "Record-Route: <sip:192.0.2.1;lr>"}, 403, ""},
			{"SUBSCRIBE", "bob", []string{"Event: presence", "To: <sip:bob@example.com>;tag=x"}, 481, ""},
			{"PUBLISH", "bob", []string{pidfType, doc}, 489, "Allow-Events: presence"},
			{"PUBLISH", "bob", []string{"Event: presence", pidfType}, 400, ""},
			{"PUBLISH", "bob", []string{"Event: presence", doc}, 415, "Accept: application/pidf+xml"},
			{"PUBLISH", "bob", []string{"Event: presence", pidfType, "Content-Encoding: gzip", doc}, 415, "Accept-Encoding: identity"},
			{"PUBLISH", "bob", []string{"Event: presence", pidfType, "body=<presence>"}, 400, ""},
			{"PUBLISH", "bob", []string{"Event: presence", pidfType, "body=" + strings.Repeat("x", 1400)}, 413, ""},
			{"PUBLISH", "bob", []string{"Event: presence", pidfType, "Expires: 1", doc}, 423, "Min-Expires: 60"},
			{"PUBLISH", "bob", []string{"Event: presence", "SIP-If-Match: x"}, 412, ""},
			{"PUBLISH", "nobody", []string{"Event: presence", pidfType, doc}, 404, ""},
		} {
			bob.ask(c.method, "sip:"+c.to+"@example.com", c.opts...)
			if m := bob.response(c.code); !strings.Contains(m.raw, c.want) {
				t.Errorf("%v: no %q in\n%s", c.opts, c.want, m.raw)
			}
		}
		ok := bob.subscribe("bob", "presence")
		bob.notify("active;expires=3600")
		bob.ask("SUBSCRIBE", "sip:bob@example.com", "Event: presence", "Call-ID: another")
		bob.response(403)
		bob.within("SUBSCRIBE", ok, "Event: presence", "CSeq: 1 SUBSCRIBE")
		bob.response(500)
		bob.within("SUBSCRIBE", ok, "Event: presence;id=x")
		bob.response(481)
		bob.ask("OPTIONS", "sip:example.com")
		if m := bob.response(200); m.one("Allow-Events") != "presence" {
			t.Error(m.raw)
		}
		if err := l.srv.SetMessages("bob", 1, 1); err == nil {
			t.Error("messages without their agent")
		}
		if err := l.srv.SetPresence("sip:bob@elsewhere.example", true, ""); err == nil {
			t.Error("presence of somebody else's user")
		}
		if err := l.srv.SetPresence("bob", true, "\x00"); err == nil {
			t.Error("a note that XML cannot hold")
		}
		bob.quiet()
		if st := l.srv.Stats(); outcomes(st) != st.Datagrams || st.Subscriptions != 1 || st.Publications != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A NOTIFY is a request from outside: what holds for calls holds for it.
func TestNotifyThroughNAT(t *testing.T) {
	for policy, arrives := range map[Policy]bool{PolicyContact: false, PolicyReceived: true} {
		inLab(t, Config{Agents: both, Policy: policy}, func(l *lab) {
			bob := l.phone("bob", "198.51.100.2:42222")
			bob.contact = "sip:bob@10.0.0.2:5060"
			bob.register()
			bob.subscribe("bob", "presence")
			if arrives {
				bob.notify("active;expires=3600")
				l.wantLost()
				return
			}
			time.Sleep(33 * time.Second)
			bob.quiet()
			l.wantEvent("NOTIFY bob -> 10.0.0.2:5060 by contact sip:bob@10.0.0.2:5060")
			l.wantEvent("unsubscribed bob", "presence: NOTIFY was not answered")
			if st := l.srv.Stats(); st.Subscriptions != 0 || st.NotifyFailed != 1 || len(l.srv.Subscriptions("bob")) != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// What an answer to NOTIFY means for the subscription.
func TestNotifyAnswers(t *testing.T) {
	for _, c := range []struct {
		code int
		opts []string
		live int
	}{
		{200, nil, 1}, {202, nil, 1}, {481, nil, 0}, {481, []string{"Retry-After: 10"}, 0}, {500, nil, 0}, {401, nil, 0},
		{503, []string{"Retry-After: 10 (busy)"}, 1},
	} {
		inLab(t, Config{Agents: both}, func(l *lab) {
			bob := l.phone("bob", "198.51.100.2:5060")
			bob.register()
			bob.subscribe("bob", "message-summary")
			bob.reply(bob.request("NOTIFY"), c.code, "Reason", c.opts...)
			l.settle()
			if st := l.srv.Stats(); st.Subscriptions != c.live {
				t.Errorf("%d %v: %+v", c.code, c.opts, st)
			}
			if len(c.opts) > 0 && c.live > 0 {
				l.srv.SetMessages("bob", 1, 1)
				time.Sleep(10*time.Second - 1)
				bob.quiet()
				time.Sleep(1)
				bob.notify("active;expires=3590").wantMessages(1, 1)
			}
		})
	}
}

// While a NOTIFY is under way nothing overtakes it.
func TestNotifyWaitsForTheLast(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		ok := bob.subscribe("bob", "message-summary")
		first := bob.request("NOTIFY")
		l.srv.SetMessages("bob", 1, 0)
		bob.within("SUBSCRIBE", ok, "Event: message-summary")
		bob.response(200)
		time.Sleep(3 * time.Second)
		for range 2 {
			if m := bob.request("NOTIFY"); m.one("CSeq") != "1 NOTIFY" { // sent again
				t.Error(m.raw)
			}
		}
		bob.quiet()
		bob.reply(first, 200, "OK")
		bob.notify("active;expires=3597").wantMessages(1, 0)
		time.Sleep(time.Minute)
		bob.quiet()
	})
}

// Unless the subscriber is elsewhere meanwhile: then nobody answers the last.
func TestNotifyFollowsTheSubscriber(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob, moved := l.phone("bob", "198.51.100.2:5060"), l.phone("bob", "198.51.100.9:5060")
		bob.register()
		ok := bob.subscribe("bob", "message-summary")
		bob.request("NOTIFY")
		l.srv.SetMessages("bob", 1, 0)
		time.Sleep(time.Second)
		bob.request("NOTIFY") // sent again
		moved.cseq = 100
		moved.within("SUBSCRIBE", ok, "Event: message-summary")
		moved.response(200)
		moved.notify("active;expires=3600").wantMessages(1, 0)
		time.Sleep(time.Minute)
		bob.quiet()
		moved.quiet()
		if n := len(l.srv.Subscriptions("bob")); n != 1 {
			t.Errorf("%d subscriptions", n)
		}
	})
}

// A registered user is told of messages without having asked, unless it has.
func TestUnsolicited(t *testing.T) {
	inLab(t, Config{Agents: Agents{Messages: true, Unsolicited: true}, Policy: PolicyReceived}, func(l *lab) {
		l.srv.SetMessages("bob", 1, 0) // he is nowhere
		l.settle()
		bob := l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2:5060" // behind a NAT
		bob.register()
		l.srv.SetMessages("bob", 2, 0)
		m := bob.notify("active")
		if m.wantMessages(2, 0); m.one("To") != "<sip:bob@example.com>" || m.one("Event") != "message-summary" {
			t.Error(m.raw)
		}
		l.srv.SetMessages("bob", 3, 0)
		refused := bob.request("NOTIFY")
		bob.reply(refused, 481, "Subscription Does Not Exist")
		bob.subscribe("bob", "message-summary")
		bob.notify("active;expires=3600").wantMessages(3, 0)
		time.Sleep(time.Minute)
		l.srv.SetMessages("bob", 4, 0)
		bob.notify("active;expires=3540").wantMessages(4, 0)
		time.Sleep(time.Minute)
		bob.quiet()
		if st := l.srv.Stats(); st.Notified != 4 || st.NotifyFailed != 1 || st.Subscriptions != 1 {
			t.Errorf("%+v", st)
		}
	})
	if _, err := (Config{Agents: Agents{Unsolicited: true}}).withDefaults(&net.UDPAddr{IP: net.IPv4(203, 0, 113, 5), Port: 5060}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}

func TestAgentsAsk(t *testing.T) {
	inLab(t, Config{Agents: both, Users: map[string]string{"alice": "a", "bob": "b"}}, func(l *lab) {
		bob, alice := l.phone("bob", "198.51.100.2:5060"), l.phone("alice", "198.51.100.1:5060")
		as := func(p *phone, method, to, user, password string, code int, opts ...string) {
			t.Helper()
			p.ask(method, "sip:"+to+"@example.com", opts...)
			challenge := p.response(401)
			p.ask(method, "sip:"+to+"@example.com", append(opts, credentials(t, challenge, method, "sip:"+to+"@example.com", user, password, 1, 0))...)
			p.response(code)
		}
		as(alice, "SUBSCRIBE", "bob", "alice", "wrong", 401, "Event: presence")
		as(alice, "SUBSCRIBE", "bob", "bob", "b", 403, "Event: presence") // as alice
		as(alice, "SUBSCRIBE", "bob", "alice", "a", 403, "Event: message-summary")
		as(alice, "SUBSCRIBE", "nobody", "alice", "a", 404, "Event: presence")
		as(alice, "SUBSCRIBE", "bob", "alice", "a", 200, "Event: presence")
		alice.notify("active;expires=3600")
		as(bob, "SUBSCRIBE", "bob", "bob", "b", 200, "Event: message-summary")
		bob.notify("active;expires=3600")
		doc := []string{"Event: presence", pidfType, "body=" + pidf("sip:bob@example.com", "a", "open")}
		as(alice, "PUBLISH", "bob", "alice", "a", 403, doc...)
		as(bob, "PUBLISH", "bob", "bob", "b", 200, doc...)
		time.Sleep(5 * time.Second)
		alice.notify("active;expires=3595").wantPresence(eventbody.Open)
	})
}

// Without agents SUBSCRIBE goes to the user, as ever.
func TestNoAgents(t *testing.T) {
	inLab(t, Config{}, func(l *lab) {
		bob, alice := l.phone("bob", "198.51.100.2:5060"), l.phone("alice", "198.51.100.1:5060")
		bob.register()
		alice.ask("SUBSCRIBE", "sip:bob@example.com", "Event: presence")
		bob.request("SUBSCRIBE")
		if err := l.srv.SetPresence("bob", true, ""); err == nil || l.srv.Presence("bob") != nil {
			t.Error(err)
		}
	})
}

// Published state and subscriptions are there after a restart, and go on.
func TestEventsOverRestart(t *testing.T) {
	inLab(t, Config{Agents: both, Store: newShelf(), Policy: PolicyReceived}, func(l *lab) {
		bob, alice := l.phone("bob", "198.51.100.2:5060"), l.phone("alice", "198.51.100.1:41111")
		alice.contact = "sip:alice@10.0.0.1"
		bob.register()
		bob.ask("PUBLISH", "sip:bob@example.com", "Event: presence", "Expires: 600", pidfType, "body="+pidf("sip:bob@example.com", "a", "open"))
		etag := bob.response(200).one("SIP-ETag")
		l.srv.SetPresence("bob", false, "away")
		l.srv.SetMessages("bob", 3, 4)
		watch := alice.subscribe("bob", "presence")
		alice.notify("active;expires=3600").wantPresence(eventbody.Open)
		bob.subscribe("bob", "message-summary", "Expires: 300")
		bob.notify("active;expires=300").wantMessages(3, 4)
		time.Sleep(time.Minute)
		l.restart()
		m := alice.notify("active;expires=3540")
		m.wantPresence(eventbody.Open)
		if got := m.one("CSeq"); got != "1001 NOTIFY" { // kept ahead: never one that was used
			t.Error(got)
		}
		bob.notify("active;expires=240").wantMessages(3, 4)
		l.restart()
		if got := alice.notify("active;expires=3540").one("CSeq"); got != "2002 NOTIFY" {
			t.Error(got)
		}
		bob.notify("active;expires=240")
		time.Sleep(239 * time.Second)
		bob.quiet()
		time.Sleep(time.Second)
		bob.notify("terminated;reason=timeout")
		time.Sleep(299 * time.Second)
		alice.quiet()
		time.Sleep(time.Second)
		alice.notify("active;expires=3000").wantPresence(eventbody.Closed) // the publication ran out
		bob.ask("PUBLISH", "sip:bob@example.com", "Event: presence", "SIP-If-Match: "+etag)
		bob.response(412)
		alice.within("SUBSCRIBE", watch, "Event: presence", "Expires: 0")
		alice.response(200)
		alice.notify("terminated;reason=timeout")
		l.restart()
		time.Sleep(2 * time.Hour)
		alice.quiet()
		bob.quiet()
		if st := l.srv.Stats(); st.Subscriptions != 0 || st.Publications != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The same seed, the same messages at the same times.
func TestEventsRepeat(t *testing.T) {
	play := func() (trace []string) {
		inLab(t, Config{Agents: both}, func(l *lab) {
			var phones []*phone
			for i := range 20 {
				p := l.phone(fmt.Sprintf("u%d", i), fmt.Sprintf("198.51.100.%d:5060", i+1))
				phones = append(phones, p)
				p.register()
			}
			for _, p := range phones {
				p.subscribe("u0", "presence")
				p.notify("active;expires=3600")
			}
			l.srv.SetPresence("u0", true, "x")
			time.Sleep(10 * time.Second)
			for _, p := range phones {
				trace = append(trace, p.notify("active;expires=3595").raw)
			}
			time.Sleep(time.Minute)
			l.mu.Lock()
			trace = append(trace, l.events...)
			l.mu.Unlock()
		})
		return trace
	}
	if a, b := play(), play(); !slices.Equal(a, b) {
		t.Error("two runs differ")
	}
}

// What a gateway behind the server has to answer is not the agents'.
func TestAgentsLeaveRoutesAlone(t *testing.T) {
	inLab(t, Config{Agents: both, Routes: []Route{{Prefix: "9", To: ap("198.51.100.9:5060")}}}, func(l *lab) {
		gateway, alice := l.phone("gw", "198.51.100.9:5060"), l.phone("alice", "198.51.100.1:5060")
		alice.ask("SUBSCRIBE", "sip:911@example.com", "Event: presence")
		gateway.request("SUBSCRIBE")
		alice.quiet()
	})
}

// A subscriber behind another proxy is reached through it, strict or loose.
func TestNotifyByRecordRoute(t *testing.T) {
	for route, want := range map[string][2]string{
		"<sip:198.51.100.9;lr>, <sip:h;lr>": {"NOTIFY sip:alice@10.0.0.1 SIP/2.0", "<sip:198.51.100.9;lr> <sip:h;lr>"},
		"<sip:198.51.100.9>, <sip:h;lr>":    {"NOTIFY sip:198.51.100.9 SIP/2.0", "<sip:h;lr> <sip:alice@10.0.0.1>"},
	} {
		inLab(t, Config{Agents: both, Policy: PolicyReceived}, func(l *lab) {
			bob, proxy := l.phone("bob", "198.51.100.2:5060"), l.phone("proxy", "198.51.100.9:5060")
			bob.register()
			proxy.contact = "sip:alice@10.0.0.1"
			proxy.subscribe("bob", "presence", "Record-Route: "+route,
				"Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKx", "Via : SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKy")
			m := proxy.notify("active;expires=3600")
			if got := strings.Join(m.all("Route"), " "); m.short() != want[0] || got != want[1] {
				t.Error(m.raw)
			}
			l.wantEvent("NOTIFY bob -> 198.51.100.9:5060 by route sip:198.51.100.9")
		})
	}
}

// What cannot be told over UDP ends the subscription, and says when to try again.
func TestNotifyTooLarge(t *testing.T) {
	inLab(t, Config{Agents: both}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		bob.subscribe("bob", "presence")
		bob.notify("active;expires=3600")
		bob.ask("PUBLISH", "sip:bob@example.com", "Event: presence", pidfType, "body="+pidf("sip:bob@example.com", strings.Repeat("a", 1000), "open"))
		bob.response(200)
		time.Sleep(5 * time.Second)
		if m := bob.notify("terminated;reason=probation;retry-after=300"); m.body() != "" || len(m.all("Content-Type")) > 0 {
			t.Error(m.raw)
		}
		if st := l.srv.Stats(); st.Subscriptions != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A store that fails has SUBSCRIBE and PUBLISH fail, and nothing changes.
func TestEventsNotKept(t *testing.T) {
	store := newShelf()
	inLab(t, Config{Agents: both, Store: store}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		ok := bob.subscribe("bob", "presence")
		bob.notify("active;expires=3600")
		store.fault = fmt.Errorf("the disk is full")
		for _, expires := range []string{"0", "600"} {
			bob.within("SUBSCRIBE", ok, "Event: presence", "Expires: "+expires)
			bob.response(500)
		}
		bob.ask("SUBSCRIBE", "sip:bob@example.com", "Event: presence", "Call-ID: x")
		bob.response(500)
		bob.ask("PUBLISH", "sip:bob@example.com", "Event: presence", pidfType, "body="+pidf("sip:bob@example.com", "a", "open"))
		bob.response(500)
		if l.srv.SetPresence("bob", true, "") == nil || l.srv.SetMessages("bob", 1, 1) == nil {
			t.Error("set and not kept")
		}
		time.Sleep(time.Hour - 1)
		bob.quiet()
		time.Sleep(1)
		bob.notify("terminated;reason=timeout").wantPresence()
	})
}

// A server that is set up otherwise after a restart starts all the same.
func TestEventsOverAnotherConfiguration(t *testing.T) {
	store := newShelf()
	inLab(t, Config{Agents: both, Store: store, Policy: PolicyReceived}, func(l *lab) {
		bob, proxy := l.phone("bob", "198.51.100.2:5060"), l.phone("proxy", "198.51.100.9:5060")
		bob.contact = "sip:bob@phone.invalid"
		bob.register()
		bob.subscribe("bob", "presence", "Call-ID: x")
		bob.notify("active;expires=3600")
		bob.subscribe("bob", "message-summary")
		bob.notify("active;expires=3600")
		proxy.contact = "sip:alice@host.invalid" // reached by the route alone
		proxy.subscribe("bob", "presence", "Record-Route: <sip:198.51.100.9;lr>",
			"Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKx", "Via : SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKy")
		proxy.notify("active;expires=3600")
		l.srv.SetMessages("bob", 1, 1)
		l.srv.cfg.Policy, l.srv.cfg.Agents.Messages = PolicyContact, false
		l.restart()
		proxy.notify("active;expires=3600")
		bob.quiet()
		if b := l.srv.Subscriptions("bob"); len(b) != 1 || store.size() != 5 {
			t.Error(b, store.size())
		}
		time.Sleep(time.Hour)
		proxy.notify("terminated;reason=timeout")
	})
}

// Closing the server takes nothing back of what it keeps.
func TestEventsCloseKeeps(t *testing.T) {
	store := newShelf()
	inLab(t, Config{Agents: both, Store: store}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register()
		bob.subscribe("bob", "presence")
		bob.notify("active;expires=3600")
		kept := store.size()
		l.srv.Close()
		l.srv.SetPresence("bob", true, "")
		time.Sleep(2 * time.Hour)
		if store.size() != kept+1 {
			t.Error(store.size())
		}
		bob.quiet()
	})
}

// Whatever the policy, a NOTIFY goes where a call goes and from where it comes.
func TestNotifyGoesAsCallsDo(t *testing.T) {
	const at, callFrom = "198.51.100.2:42222", "203.0.113.6:5080"
	for i := range policies {
		policy := Policy(i)
		config := func(h *hub) Config {
			cfg := Config{Policy: policy, Agents: both}
			if policies[i].apart {
				cfg.CallConn = h.listen(callFrom)
			}
			return cfg
		}
		inLabAt(t, proxyAddr, config, func(l *lab) {
			alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", at)
			ends := []*phone{bob, l.phone("bob", "198.51.100.2:5070"), l.phone("bob", "10.0.0.2:5070")}
			bob.contact = "sip:bob@10.0.0.2:5070"
			bob.register()
			bob.subscribe("bob", "presence")
			alice.ask("MESSAGE", "sip:bob@example.com")
			l.settle()
			for _, p := range ends {
				if len(p.in) == 0 {
					continue
				}
				notify, message := p.request("NOTIFY"), p.request("MESSAGE")
				if notify.from != message.from {
					t.Errorf("%v: NOTIFY from %v, MESSAGE from %v", policy, notify.from, message.from)
				}
				p.reply(notify, 200, "OK")
				l.settle()
				if st := l.srv.Stats(); st.Notified != 1 || st.NotifyFailed != 0 || st.Subscriptions != 1 {
					t.Errorf("%v: %+v", policy, st)
				}
				return
			}
			t.Errorf("%v: nobody got anything", policy)
		})
	}
}
