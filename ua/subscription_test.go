package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// notifier is a scripted one, at the place of the registrar.
type notifier struct {
	*peer
	cseq int
}

// accepts answers a SUBSCRIBE.
func (p *notifier) accepts(req *sip.Request, tag string) {
	p.t.Helper()
	code, expires := 200, req.GetHeader("Expires").Value()
	p.reply(req, code, tag, sip.NewHeader("Expires", expires), sip.NewHeader("Contact", "<sip:pa@"+p.at.String()+">"))
}

// notify sends a NOTIFY in the dialog of a SUBSCRIBE, with the lines as further header fields.
func (p *notifier) notify(sub *sip.Request, tag, event, state, body string, lines ...string) {
	p.cseq++
	p.notifyAs(p.cseq, sub, tag, event, state, body, lines...)
}

func (p *notifier) notifyAs(cseq int, sub *sip.Request, tag, event, state, body string, lines ...string) {
	c := sub.Contact().Address
	more := ""
	for _, l := range lines {
		more += l + "\n"
	}
	if body != "" {
		more += "Content-Type: text/plain\n"
	}
	p.sendText(fmt.Sprintf("%s:%d", c.Host, c.Port), fmt.Sprintf(`NOTIFY %s SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d
Max-Forwards: 70
From: <sip:bob@example.com>;tag=%s
To: <sip:alice@example.com>;tag=%s
Call-ID: %s
CSeq: %d NOTIFY
Contact: <sip:pa@%s>
Event: %s
Subscription-State: %s
%sContent-Length: %d

%s`, c.String(), p.at, strings.ReplaceAll(tag+sub.CallID().Value(), " ", ""), cseq, tag, sub.From().Params.GetOr("tag", ""),
		sub.CallID().Value(), cseq, p.at, event, state, more, len(body), body))
}

// subscriber is an agent with a profile whose requests all go to the notifier.
func subscriber(t *testing.T, n *memnet, change ...func(*Config)) (*agent, *Profile, *notifier) {
	p := &notifier{peer: newPeer(t, n, proxyAt)}
	a := newAgent(t, n, "10.0.0.1:5060", change...)
	alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com", Password: "secret"}, Registrar: p.at}))(t)
	return a, alice, p
}

// subscribe subscribes to bob's presence and lets the notifier be asked.
func subscribe(t *testing.T, p *Profile, change ...func(*SubscribeConfig)) chan result {
	cfg := SubscribeConfig{Target: "sip:bob@example.com", Event: "presence"}
	for _, f := range change {
		f(&cfg)
	}
	c := make(chan result, 1)
	go func() {
		s, err := p.Subscribe(context.Background(), cfg)
		c <- result{s, err}
	}()
	return c
}

type result struct {
	s   *Subscription
	err error
}

// subscriptions lists the states and phases seen.
func (a *agent) subscriptions() string {
	var list []string
	for _, e := range a.events() {
		switch e := e.(type) {
		case SubscriptionEvent:
			text := e.State.String() + "/" + e.Phase.String()
			if e.Reason != "" {
				text += "(" + e.Reason + ")"
			}
			list = append(list, text)
		case NotifyEvent:
			list = append(list, "NOTIFY "+string(e.Body))
		}
	}
	return strings.Join(list, ", ")
}

func TestSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, alice, p := subscriber(t, n)
		rec := NewRecorder(forwarded(t))
		check(t, alice.SetPortManager(rec))
		n.addNAT("10.0.0.0/24", "198.51.100.1")
		n.nats[0].out_[[2]netip.AddrPort{addr("10.0.0.1:5060")}] = addr("198.51.100.1:5060")
		n.nats[0].in_[addr("198.51.100.1:5060")] = addr("10.0.0.1:5060")
		c := subscribe(t, alice, func(c *SubscribeConfig) {
			c.Accept, c.ID, c.Expires = []string{"text/plain"}, "7", 10*time.Minute
			c.ContentType, c.Body = "text/filter", []byte("all")
		})
		req := p.request(sip.SUBSCRIBE)
		for h, want := range map[string]string{"Event": "presence;id=7", "Expires": "600", "Accept": "text/plain", "Contact": "<sip:alice@198.51.100.1:5060>", "Content-Type": "text/filter"} {
			equal(t, h, req.GetHeader(h).Value(), want)
		}
		equal(t, "Request-URI", req.Recipient.String(), "sip:bob@example.com")
		equal(t, "body", string(req.Body()), "all")
		// The NOTIFY comes before the 200 (RFC 6665 section 4.1.2.4).
		p.notify(req, "n", "presence;id=7", "pending;expires=600", "", "Record-Route: <sip:203.0.113.11;lr>", "Record-Route: <sip:203.0.113.12;lr>")
		equal(t, "NOTIFY", p.response(200).CSeq().MethodName, sip.NOTIFY)
		p.accepts(req, "n")
		r := <-c
		check(t, r.err)
		p.notify(req, "n", "presence;id=7", "active;expires=600", "here")
		p.response(200)
		equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribing/pending, NOTIFY , subscribed/active, NOTIFY here")

		// The refresh goes along the route set, in time, and has no body.
		q := &notifier{peer: newPeer(t, n, "203.0.113.11:5060")}
		req2 := q.request200(sip.SUBSCRIBE)
		equal(t, "Request-URI", req2.Recipient.String(), "sip:pa@"+proxyAt)
		equal(t, "route", fmt.Sprintln(len(req2.GetHeaders("Route")), req2.Route().Address.Host), "2 203.0.113.11\n")
		equal(t, "Call-ID", req2.CallID().Value(), req.CallID().Value())
		equal(t, "CSeq", req2.CSeq().SeqNo, req.CSeq().SeqNo+1)
		equal(t, "body", string(req2.Body()), "")
		q.accepts(req2, "n")
		p.notify(req, "n", "presence;id=7", "active;expires=600", "still here")
		p.response(200)

		end := make(chan error)
		go func() { end <- r.s.Unsubscribe(context.Background()) }()
		req3 := q.request(sip.SUBSCRIBE)
		equal(t, "Expires", req3.GetHeader("Expires").Value(), "0")
		q.reply(req3, 200, "n", sip.NewHeader("Expires", "0"))
		time.Sleep(5 * time.Second)
		p.notify(req, "n", "presence;id=7", "terminated;reason=timeout", "bye")
		p.response(200)
		check(t, <-end)
		<-r.s.Done()
		equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribing/pending, NOTIFY , subscribed/active, NOTIFY here, NOTIFY still here, "+
			"unsubscribing/active, unsubscribing/terminated(timeout), NOTIFY bye, not subscribed/terminated")
		var calls []string
		for _, c := range rec.Calls() {
			calls = append(calls, c.String())
		}
		equal(t, "port manager", strings.Join(calls, "; "), "GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.1:5060, 198.51.100.1:5060; ReleaseMapping(SIP, 10.0.0.1:5060, 198.51.100.1:5060)")
		if err := r.s.Refresh(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("Refresh afterwards: %v", err)
		}
	})
}

// What does not belong to the subscription, and what does not make sense.
func TestNotifyRefused(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, alice, p := subscriber(t, n)
		c := subscribe(t, alice, func(c *SubscribeConfig) { c.Accept = []string{"application/pidf+xml"} })
		req := p.request(sip.SUBSCRIBE)
		p.accepts(req, "n")
		r := <-c
		check(t, r.err)
		p.notify(req, "n", "presence", "nonsense here;", "")
		p.response(400)
		p.notify(req, "n", "presence", "active", "text") // not what was asked for
		equal(t, "Accept", p.response(415).GetHeader("Accept").Value(), "application/pidf+xml")
		p.cseq = 100
		p.notify(req, "n", "presence", "active", "")
		p.response(200)
		p.notifyAs(50, req, "n", "presence", "active", "") // out of order
		p.response(500)
		p.notify(req, "another", "presence", "active", "")
		p.response(481)
		p.notify(req, "n", "presence;id=1", "active", "")
		p.response(481)
		p.notify(req, "n", "dialog", "active", "")
		p.response(481)
		p.notify(req, "n", "message-summary", "active", "")
		p.response(481)
		before := a.Stats()
		equal(t, "outcomes", outcomes(before), before.Datagrams)
		equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribed/active, NOTIFY ")
	})
}

func TestSubscribeRefused(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, alice, p := subscriber(t, n)
		c := subscribe(t, alice)
		p.reply(p.request(sip.SUBSCRIBE), 489, "x")
		var re *ResponseError
		if r := <-c; !errors.As(r.err, &re) || re.Code != 489 || r.s != nil {
			t.Errorf("got %v", r)
		}
		c = subscribe(t, alice)
		if r := <-c; !errors.Is(r.err, ErrTransactionTimeout) || r.s != nil {
			t.Errorf("got %v", r)
		}
		check(t, alice.SetPortManager(&funcManager{get: func(context.Context, MappingRequest) (Mapping, error) { return Mapping{}, errors.New("none") }}))
		if r := <-subscribe(t, alice); !errors.Is(r.err, ErrPortMappingUnavailable) {
			t.Errorf("got %v", r)
		}
		equal(t, "events", a.subscriptions(), "subscribing/notify_wait, error/terminated, subscribing/notify_wait, error/terminated")
		for _, cfg := range []SubscribeConfig{
			{Target: "bob", Event: "presence"}, {Target: "sip:bob@b"}, {Target: "sip:bob@b", Event: "a b"}, {Target: "sip:bob@b", Event: "a", Body: []byte("x")},
			{Target: "sip:bob@b", Event: "a", Expires: 1}, {Target: "sip:bob@b", Event: "a", Accept: []string{"x"}}, {Target: "sip:bob@b", Event: "a", ID: ";"},
		} {
			if _, err := alice.Subscribe(t.Context(), cfg); !errors.Is(err, ErrConfig) {
				t.Errorf("%+v: %v", cfg, err)
			}
		}
	})
}

// A NOTIFY has come when the SUBSCRIBE is refused, or is given up.
func TestSubscribeRefusedAfterNotify(t *testing.T) {
	for _, code := range []int{403, 503, 0} {
		bubble(t, func(t *testing.T, n *memnet) {
			a, alice, p := subscriber(t, n)
			ctx, cancel := context.WithCancel(t.Context())
			errs := make(chan error)
			go func() {
				_, err := alice.Subscribe(ctx, SubscribeConfig{Target: "sip:bob@example.com", Event: "presence"})
				errs <- err
			}()
			req := p.request(sip.SUBSCRIBE)
			p.notify(req, "n", "presence", "active", "")
			p.response(200)
			if code > 0 {
				p.reply(req, code, "n")
			} else {
				cancel()
			}
			if err := <-errs; err == nil {
				t.Error("subscribed")
			}
			cancel()
			if got := a.subscriptions(); !strings.HasPrefix(got, "subscribing/notify_wait, subscribed/active, NOTIFY , ") || !strings.HasSuffix(got, ", error/terminated") {
				t.Errorf("%d: %s", code, got)
			}
			p.notify(req, "n", "presence", "active", "")
			p.response(481)
		})
	}
}

// 423 asks for longer; a challenge is answered.
func TestSubscribeMinExpires(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		_, alice, p := subscriber(t, n)
		c := subscribe(t, alice, func(c *SubscribeConfig) { c.Expires = time.Minute })
		req := p.request(sip.SUBSCRIBE)
		p.reply(req, 407, "x", sip.NewHeader("Proxy-Authenticate", `Digest realm="example.com", nonce="1"`))
		req = p.request(sip.SUBSCRIBE)
		if req.GetHeader("Proxy-Authorization") == nil {
			t.Error("no credentials")
		}
		p.reply(req, 423, "x", sip.NewHeader("Min-Expires", "1800"))
		req = p.request(sip.SUBSCRIBE)
		equal(t, "Expires", req.GetHeader("Expires").Value(), "1800")
		equal(t, "CSeq", req.CSeq().SeqNo, 3)
		p.accepts(req, "n")
		check(t, (<-c).err)
		p.notify(req, "n", "presence", "active;expires=1800", "")
		at := time.Now()
		req = p.request200(sip.SUBSCRIBE)
		equal(t, "Expires", req.GetHeader("Expires").Value(), "1800")
		equal(t, "CSeq", req.CSeq().SeqNo, 4)
		if d := time.Since(at); d < 1500*time.Second || d > 1700*time.Second {
			t.Errorf("refreshed after %v", d)
		}
	})
}

// request200 waits longer than request does.
func (p *notifier) request200(m sip.RequestMethod) *sip.Request {
	p.t.Helper()
	for range 40000 {
		if p.waiting() > 0 {
			if r, src := p.recv(); r != nil {
				if req, ok := r.(*sip.Request); ok && req.Method == m {
					req.SetSource(src.String())
					return req
				}
			}
			continue
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatalf("no %s came", m)
	return nil
}

// Nobody notifies: Timer N ends it, and it begins anew (RFC 6665 section 4.1.2.4).
func TestTimerN(t *testing.T) {
	for _, again := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			a, alice, p := subscriber(t, n)
			c := subscribe(t, alice, func(c *SubscribeConfig) { c.NoRetry = !again })
			req := p.request(sip.SUBSCRIBE)
			p.accepts(req, "n")
			r := <-c
			check(t, r.err)
			time.Sleep(31900 * time.Millisecond)
			_, phase := r.s.State()
			equal(t, "phase", phase, PhaseNotifyWait)
			time.Sleep(200 * time.Millisecond)
			state, phase := r.s.State()
			equal(t, "state", state.String()+" "+phase.String(), "error terminated")
			es := a.events()
			last := es[len(es)-1].(SubscriptionEvent)
			var te *TimeoutError
			if !errors.As(last.Err, &te) || te.Method != "NOTIFY" {
				t.Errorf("got %v", last.Err)
			}
			if !again {
				<-r.s.Done()
				return
			}
			if last.Retry < 15*time.Second || last.Retry > 30*time.Second {
				t.Errorf("retry in %v", last.Retry)
			}
			// A late NOTIFY is of nobody any more.
			p.notify(req, "n", "presence", "active", "")
			p.response(481)
			req2 := p.request(sip.SUBSCRIBE)
			if req2.CallID().Value() == req.CallID().Value() || req2.From().Params.GetOr("tag", "") == req.From().Params.GetOr("tag", "") {
				t.Error("the new subscription has the identity of the old one")
			}
			equal(t, "CSeq", req2.CSeq().SeqNo, 1)
			p.accepts(req2, "m")
			p.notify(req2, "m", "presence", "active;expires=3600", "")
			p.response(200)
			equal(t, "events", a.subscriptions(), "subscribing/notify_wait, error/terminated, subscribing/notify_wait, subscribed/active, NOTIFY ")
		})
	}
}

// What the reasons of a termination lead to (RFC 6665 section 4.1.3).
func TestTermination(t *testing.T) {
	for state, want := range map[string]string{
		"terminated;reason=deactivated":                 "0s to 1ms",
		"terminated;reason=deactivated;retry-after=100": "0s to 1ms",
		"terminated;reason=timeout":                     "0s to 1ms",
		"terminated;reason=probation;retry-after=100":   "1m40s to 1m40s",
		"terminated;reason=probation":                   "15s to 30s",
		"terminated;reason=giveup":                      "0s to 1ms",
		"terminated;reason=giveup;retry-after=5":        "5s to 5s",
		"terminated":                                    "15s to 30s",
		"terminated;reason=unheard-of;retry-after=7":    "7s to 7s",
		"terminated;reason=rejected;retry-after=7":      "never",
		"terminated;reason=noresource":                  "never",
		"Terminated;Reason=invariant":                   "never",
	} {
		t.Run(state, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, alice, p := subscriber(t, n)
				c := subscribe(t, alice)
				req := p.request(sip.SUBSCRIBE)
				p.accepts(req, "n")
				r := <-c
				check(t, r.err)
				p.notify(req, "n", "presence", "active", "")
				p.response(200)
				p.notify(req, "n", "presence", state, "")
				p.response(200)
				at := time.Now()
				if want == "never" {
					<-r.s.Done()
					equal(t, "end", strings.HasSuffix(strings.SplitN(a.subscriptions(), "(", 2)[0], "logged off/terminated"), true)
					return
				}
				var least, most time.Duration
				lo, hi, _ := strings.Cut(want, " to ")
				least, _ = time.ParseDuration(lo)
				most, _ = time.ParseDuration(hi)
				req2 := p.request200(sip.SUBSCRIBE)
				var e SubscriptionEvent
				for _, x := range a.events() {
					if s, ok := x.(SubscriptionEvent); ok && s.State == SubscriptionLoggedOff {
						e = s
					}
				}
				if e.Retry < least || e.Retry > most || time.Since(at) < least {
					t.Errorf("again in %v, came after %v", e.Retry, time.Since(at))
				}
				if req2.CallID().Value() == req.CallID().Value() {
					t.Error("the same Call-ID")
				}
			})
		})
	}
}

// A notifier that always ends it at once is not asked over and over.
func TestTerminationLoop(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		_, alice, p := subscriber(t, n)
		c := subscribe(t, alice)
		var count atomic.Int32
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for {
				m, src := p.recv()
				req, ok := m.(*sip.Request)
				if m == nil {
					return
				}
				if ok && req.Method == sip.SUBSCRIBE {
					count.Add(1)
					req.SetSource(src.String())
					p.accepts(req, "n")
					p.notify(req, "n", "presence", "terminated;reason=deactivated", "")
				}
			}
		}()
		check(t, (<-c).err)
		time.Sleep(10 * time.Minute)
		if n := count.Load(); n < 3 || n > 12 {
			t.Errorf("%d SUBSCRIBEs in 10 minutes", n)
		}
		check(t, alice.c.Close())
		<-stop
	})
}

// A refresh that fails: 481 begins anew at once, other refusals leave it as it is, silence
// ends it (RFC 6665 section 4.1.2.2).
func TestRefreshFails(t *testing.T) {
	begin := func(t *testing.T, n *memnet) (*agent, *notifier, *Subscription, *sip.Request) {
		a, alice, p := subscriber(t, n)
		c := subscribe(t, alice)
		req := p.request(sip.SUBSCRIBE)
		p.accepts(req, "n")
		r := <-c
		check(t, r.err)
		p.notify(req, "n", "presence", "active;expires=3600", "")
		p.response(200)
		return a, p, r.s, req
	}
	t.Run("481", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			a, p, s, req := begin(t, n)
			go s.Refresh(context.Background())
			p.reply(p.request(sip.SUBSCRIBE), 481, "n")
			req2 := p.request(sip.SUBSCRIBE)
			if req2.CallID().Value() == req.CallID().Value() {
				t.Error("the same Call-ID")
			}
			p.accepts(req2, "m")
			p.notify(req2, "m", "presence", "active", "")
			p.response(200)
			equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribed/active, NOTIFY , error/terminated, subscribing/notify_wait, subscribed/active, NOTIFY ")
		})
	})
	t.Run("503", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			a, p, s, req := begin(t, n)
			err := make(chan error)
			go func() { err <- s.Refresh(context.Background()) }()
			p.reply(p.request(sip.SUBSCRIBE), 503, "n")
			if err := <-err; err == nil {
				t.Error("no error")
			}
			p.notify(req, "n", "presence", "active", "yes")
			p.response(200)
			p.accepts(p.request(sip.SUBSCRIBE), "n")
			equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribed/active, NOTIFY , subscribed/active, NOTIFY yes")
		})
	})
	t.Run("404", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			a, p, s, _ := begin(t, n)
			go s.Refresh(context.Background())
			p.reply(p.request(sip.SUBSCRIBE), 404, "n")
			<-s.Done()
			equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribed/active, NOTIFY , error/terminated")
		})
	})
	t.Run("silence", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			a, p, s, req := begin(t, n)
			if err := s.Refresh(context.Background()); !errors.Is(err, ErrTransactionTimeout) {
				t.Errorf("got %v", err)
			}
			for {
				if r := p.request200(sip.SUBSCRIBE); r.CallID().Value() != req.CallID().Value() {
					break
				}
			}
			equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribed/active, NOTIFY , error/terminated, subscribing/notify_wait")
		})
	})
	t.Run("expiry", func(t *testing.T) { // refused until it is over
		bubble(t, func(t *testing.T, n *memnet) {
			a, p, s, req := begin(t, n)
			for {
				r := p.request200(sip.SUBSCRIBE)
				if r.CallID().Value() != req.CallID().Value() {
					break
				}
				p.reply(r, 500, "n")
			}
			_ = s
			var lapsed bool
			for _, e := range a.events() {
				if e, ok := e.(SubscriptionEvent); ok {
					lapsed = lapsed || errors.Is(e.Err, ErrSubscriptionExpired)
				}
			}
			equal(t, "lapsed", lapsed, true)
		})
	})
}

// The mapping moves: the notifier is told at once (RFC 6665 section 4.4.1).
func TestSubscriptionFollowsMapping(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		_, alice, p := subscriber(t, n)
		var changed func(Mapping)
		var m Mapping
		check(t, alice.SetPortManager(&funcManager{get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
			changed = r.Changed
			var err error
			m, err = Local{}.GetMapping(ctx, r)
			return m, err
		}}))
		c := subscribe(t, alice)
		req := p.request(sip.SUBSCRIBE)
		p.accepts(req, "n")
		check(t, (<-c).err)
		p.notify(req, "n", "presence", "active", "")
		p.response(200)
		m.External = addr("198.51.100.9:6000")
		changed(m)
		req = p.request(sip.SUBSCRIBE)
		equal(t, "Contact", req.Contact().Address.String(), "sip:alice@198.51.100.9:6000")
	})
}

func TestUnsolicited(t *testing.T) {
	const mwi = "NOTIFY sip:alice@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK%s\nMax-Forwards: 70\n" +
		"From: <sip:vm@example.com>;tag=1\nTo: <sip:alice@example.com>\nCall-ID: %s\nCSeq: 1 NOTIFY\nEvent: %s\n" +
		"Subscription-State: active\nContact: <sip:vm@203.0.113.10>\nContent-Length: 23\n\nMessages-Waiting: yes\n"
	for _, on := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			a, _, p := subscriber(t, n, func(c *Config) { c.UnsolicitedMessageSummary = on })
			p.sendText("10.0.0.1:5060", fmt.Sprintf(mwi, "a", "a", "message-summary"))
			if !on {
				p.response(481)
				return
			}
			p.response(200)
			p.sendText("10.0.0.1:5060", fmt.Sprintf(mwi, "b", "b", "presence"))
			p.response(481)
			es := a.events()
			e := es[0].(NotifyEvent)
			equal(t, "event", fmt.Sprintln(len(es), e.Subscription == nil, e.Event, e.From, string(e.Body)), "1 true message-summary sip:vm@example.com Messages-Waiting: yes\r\n\n")
		})
	}
}

// Shutdown unsubscribes, Close does not; neither leaves anything behind.
func TestSubscriptionAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, alice, p := subscriber(t, n)
		c := subscribe(t, alice)
		req := p.request(sip.SUBSCRIBE)
		p.accepts(req, "n")
		check(t, (<-c).err)
		p.notify(req, "n", "presence", "active", "")
		p.response(200)
		end := make(chan error)
		go func() { end <- a.Shutdown(context.Background()) }()
		req = p.request(sip.SUBSCRIBE)
		equal(t, "Expires", req.GetHeader("Expires").Value(), "0")
		p.accepts(req, "n")
		check(t, <-end) // after Timer N
	})
	for _, wait := range []time.Duration{0, time.Second, 40 * time.Second} { // while asked, while waiting, while waiting to ask again
		bubble(t, func(t *testing.T, n *memnet) {
			a, alice, p := subscriber(t, n)
			c := subscribe(t, alice)
			req := p.request(sip.SUBSCRIBE)
			if wait > 0 {
				p.accepts(req, "n")
				check(t, (<-c).err)
				time.Sleep(wait)
			}
			check(t, a.Close())
			if wait == 0 {
				if r := <-c; !errors.Is(r.err, ErrClosed) {
					t.Errorf("got %v", r)
				}
			}
			synctest.Wait()
		})
	}
}

func FuzzSubscriptionState(f *testing.F) {
	for _, s := range []string{"active;expires=60", "terminated;reason=probation;retry-after=5", "pending", "x;reason=\"a;b\"", ";;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, ok := parseEvent(s); ok && e.id == "" {
			if again, ok := parseEvent(e.String()); !ok || again != e {
				t.Errorf("%q: %+v, then %+v", s, e, again)
			}
		}
		st, ok := parseSubState(s)
		if !ok || st.reason != "" && !sipmsg.IsToken(st.reason) {
			return
		}
		if again, ok := parseSubState(st.String()); !ok || again != st {
			t.Errorf("%q: %+v, then %+v", s, st, again)
		}
	})
}
