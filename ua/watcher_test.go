package ua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// watched is an agent whose state is told as "state N".
func watched(t *testing.T, n *memnet, change ...func(*Config)) *agent {
	return newAgent(t, n, "10.0.0.2:5060", append([]func(*Config){func(c *Config) {
		c.Notifier.Packages = []EventPackage{{Event: "presence", ContentType: "text/plain", State: func(_ *ServerSubscription, version uint32) []byte {
			return fmt.Append(nil, "state ", version)
		}}}
	}}, change...)...)
}

// watcher is an agent with a profile whose requests all go to the watched.
func watcher(t *testing.T, n *memnet) (*agent, *Profile) {
	a := newAgent(t, n, "10.0.0.1:5060")
	return a, must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: addr("10.0.0.2:5060")}))(t)
}

// watchers lists the phases seen.
func (a *agent) watches() string {
	var list []string
	for _, e := range a.events() {
		if e, ok := e.(WatcherEvent); ok {
			text := e.Phase.String()
			if e.Reason != "" {
				text += "(" + e.Reason + ")"
			}
			if e.Err != nil {
				text += " " + e.Err.Error()
			}
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

func TestNotifier(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := watched(t, n)
		a, alice := watcher(t, n)
		s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence", Expires: 5 * time.Minute}))(t)
		time.Sleep(time.Second)
		w := b.Watchers("presence")[0]
		equal(t, "watcher", fmt.Sprintln(len(b.Watchers("")), w.Called(), w.Watcher(), w.Event(), w.CallID() == s.CallID()), "1 bob sip:alice@example.com presence true\n")
		b.Changed("presence")
		time.Sleep(time.Second)
		check(t, w.Notify(t.Context(), PhaseActive, []byte("away")))
		time.Sleep(time.Hour) // refreshed
		equal(t, "phase", w.Phase(), PhaseActive)
		check(t, s.Unsubscribe(t.Context()))
		<-w.Done()
		got := a.subscriptions()
		if !strings.HasPrefix(got, "subscribing/notify_wait, subscribed/active, NOTIFY state 0, NOTIFY state 1, NOTIFY away, NOTIFY away, ") ||
			!strings.HasSuffix(got, "NOTIFY away, unsubscribing/active, unsubscribing/terminated(timeout), NOTIFY away, not subscribed/terminated") {
			t.Error(got)
		}
		equal(t, "told", b.watches(), "active, terminated(timeout)")
		equal(t, "left", len(b.Watchers("")), 0)
		if err := w.Notify(t.Context(), PhaseActive, nil); !errors.Is(err, ErrState) {
			t.Errorf("Notify afterwards: %v", err)
		}
		for _, x := range []*agent{a, b} {
			equal(t, "outcomes", outcomes(x.Stats()), x.Stats().Datagrams)
		}
	})
}

// Pending, then allowed, then ended with a reason.
func TestNotifierPending(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := watched(t, n, func(c *Config) {
			c.Notifier.Subscribe = func(a SubscribeArrival) Admission {
				equal(t, "arrival", fmt.Sprintln(a.Method, a.From, a.Called, a.Event, a.Expires, string(a.Body)), "SUBSCRIBE sip:alice@example.com bob presence 1h0m0s only\n")
				return Admission{Pending: true}
			}
		})
		a, alice := watcher(t, n)
		s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence", ContentType: "text/filter", Body: []byte("only")}))(t)
		time.Sleep(time.Second)
		w := b.Watchers("")[0]
		check(t, w.Notify(t.Context(), PhaseActive, nil))
		check(t, w.Terminate(t.Context(), "noresource", 0))
		<-s.Done()
		equal(t, "events", a.subscriptions(), "subscribing/notify_wait, subscribing/pending, NOTIFY , subscribed/active, NOTIFY state 1, logged off/terminated(noresource), NOTIFY state 2")
		equal(t, "told", b.watches(), "pending, active, terminated(noresource)")
	})
}

// Nobody refreshes, nobody answers, or it is no longer known.
func TestNotifierLosesWatcher(t *testing.T) {
	subscribeText := func(p *peer, id, expires string) string {
		return fmt.Sprintf("SUBSCRIBE sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP %[1]s;branch=z9hG4bK%[2]s\nMax-Forwards: 70\n"+
			"From: <sip:p@example.net>;tag=f\nTo: <sip:bob@example.com>\nCall-ID: %[2]s\nCSeq: 1 SUBSCRIBE\nContact: <sip:p@%[1]s>\n"+
			"Event: presence\nExpires: %[3]s\nContent-Length: 0\n\n", p.at, id, expires)
	}
	t.Run("expiry", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := watched(t, n), newPeer(t, n, "203.0.113.30:5060")
			p.sendText("10.0.0.2:5060", subscribeText(p, "x", "50"))
			res := p.response(200)
			equal(t, "Expires", res.GetHeader("Expires").Value(), "50")
			equal(t, "Contact", res.Contact().Address.String(), "sip:bob@10.0.0.2:5060")
			req := p.request(sip.NOTIFY)
			equal(t, "state", req.GetHeader("Subscription-State").Value(), "active;expires=50")
			equal(t, "target", req.Recipient.String(), "sip:p@203.0.113.30:5060")
			p.reply(req, 200, "")
			req = p.request(sip.NOTIFY)
			equal(t, "state", req.GetHeader("Subscription-State").Value(), "terminated;reason=timeout")
			p.reply(req, 200, "")
			time.Sleep(time.Second)
			equal(t, "told", b.watches(), "active, terminated(timeout)")
		})
	})
	t.Run("fetch", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := watched(t, n), newPeer(t, n, "203.0.113.30:5060")
			p.sendText("10.0.0.2:5060", subscribeText(p, "x", "0"))
			p.response(200)
			req := p.request(sip.NOTIFY)
			equal(t, "state", req.GetHeader("Subscription-State").Value(), "terminated;reason=timeout")
			equal(t, "body", string(req.Body()), "state 0")
			p.reply(req, 200, "")
			time.Sleep(time.Second)
			equal(t, "told", b.watches(), "active, terminated(timeout)")
		})
	})
	t.Run("481", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := watched(t, n), newPeer(t, n, "203.0.113.30:5060")
			p.sendText("10.0.0.2:5060", subscribeText(p, "x", "500"))
			p.reply(p.request(sip.NOTIFY), 481, "")
			time.Sleep(time.Second)
			equal(t, "told", b.watches(), "active, terminated ua: NOTIFY: 481 Client Error")
		})
	})
	t.Run("500", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := watched(t, n), newPeer(t, n, "203.0.113.30:5060")
			p.sendText("10.0.0.2:5060", subscribeText(p, "x", "500"))
			p.reply(p.request(sip.NOTIFY), 500, "")
			time.Sleep(time.Second)
			equal(t, "told", b.watches(), "active")
		})
	})
	t.Run("silence", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := watched(t, n), newPeer(t, n, "203.0.113.30:5060")
			p.sendText("10.0.0.2:5060", subscribeText(p, "x", "500"))
			time.Sleep(40 * time.Second)
			if got := b.watches(); !strings.HasPrefix(got, "active, terminated ua: NOTIFY sent from") {
				t.Error(got)
			}
		})
	})
}

// What a SUBSCRIBE may be answered, and how it is counted.
func TestSubscribeAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		change func(string) string
		code   int
		header string // and what it is
	}{
		"another package": {func(s string) string { return strings.Replace(s, "Event: presence", "Event: dialog", 1) }, 489, "Allow-Events: presence"},
		"short form":      {func(s string) string { return strings.Replace(s, "Event:", "o:", 1) }, 200, ""},
		"no Event":        {func(s string) string { return strings.Replace(s, "Event: presence\n", "", 1) }, 400, ""},
		"no Contact":      {func(s string) string { return strings.Replace(s, "Contact:", "X-Contact:", 1) }, 400, ""},
		"bad Expires":     {func(s string) string { return strings.Replace(s, "Expires: 500", "Expires: soon", 1) }, 400, ""},
		"too short":       {func(s string) string { return strings.Replace(s, "Expires: 500", "Expires: 5", 1) }, 423, "Min-Expires: 60"},
		"too long":        {func(s string) string { return strings.Replace(s, "Expires: 500", "Expires: 50000", 1) }, 200, "Expires: 3600"},
		"no Expires":      {func(s string) string { return strings.Replace(s, "Expires: 500\n", "", 1) }, 200, "Expires: 3600"},
		"not acceptable":  {func(s string) string { return strings.Replace(s, "Expires:", "Accept: text/html\nExpires:", 1) }, 406, ""},
		"acceptable":      {func(s string) string { return strings.Replace(s, "Expires:", "Accept: text/*\nExpires:", 1) }, 200, ""},
		"no dialog":       {func(s string) string { return strings.Replace(s, "bob@example.com>", "bob@example.com>;tag=x", 1) }, 481, ""},
		"refused":         {func(s string) string { return strings.Replace(s, "sip:p@example.net", "sip:enemy@example.net", 1) }, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b := watched(t, n, func(c *Config) {
					c.Notifier.MinExpires = time.Minute
					c.Notifier.Subscribe = func(a SubscribeArrival) Admission {
						if strings.Contains(a.From, "enemy") {
							return Admission{Refusal: &Refusal{Code: 403}}
						}
						return Admission{}
					}
				})
				p := newPeer(t, n, "203.0.113.30:5060")
				p.sendText("10.0.0.2:5060", c.change("SUBSCRIBE sip:bob@10.0.0.2 SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.30;branch=z9hG4bKx\nMax-Forwards: 70\n"+
					"From: <sip:p@example.net>;tag=f\nTo: <sip:bob@example.com>\nCall-ID: x\nCSeq: 1 SUBSCRIBE\nContact: <sip:p@203.0.113.30>\n"+
					"Event: presence\nExpires: 500\nContent-Length: 0\n\n"))
				res := p.response(c.code)
				if h, v, ok := strings.Cut(c.header, ": "); ok {
					equal(t, h, res.GetHeader(h).Value(), v)
				}
				st := b.Stats()
				equal(t, "outcomes", outcomes(st), st.Datagrams)
				equal(t, "answered", st.Answered[c.code], 1)
			})
		})
	}
}

func TestNotifierConfig(t *testing.T) {
	p := EventPackage{Event: "presence", ContentType: "text/plain"}
	for _, n := range []Notifier{
		{Packages: []EventPackage{p, p}}, {Packages: []EventPackage{{Event: "presence"}}}, {Packages: []EventPackage{{Event: "a b", ContentType: "a/b"}}},
		{MinExpires: time.Second}, {Packages: []EventPackage{p}, MinExpires: 2 * time.Hour}, {Packages: []EventPackage{p}, MinExpires: 2, MaxExpires: 1},
	} {
		if _, err := New(Config{LocalAddr: addr("10.0.0.1:1").Addr(), Service: Service{Notifier: n}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", n, err)
		}
	}
}

// Behind a NAT the watched asks its profile's port manager, too.
func TestNotifierAsksPortManager(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := watched(t, n)
		rec := NewRecorder(Local{})
		bob := must(b.NewProfile(ProfileConfig{Account: Account{URI: "sip:bob@example.com"}, Registrar: addr("10.0.0.9:5060")}))(t)
		check(t, bob.SetPortManager(rec))
		_, alice := watcher(t, n)
		s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence"}))(t)
		time.Sleep(time.Second)
		equal(t, "profile", b.Watchers("")[0].Profile(), bob)
		go b.Shutdown(context.Background())
		time.Sleep(time.Second)
		state, _ := s.State()
		equal(t, "state", state, SubscriptionLoggedOff)
		var calls []string
		for _, c := range rec.Calls() {
			calls = append(calls, c.Method+" "+c.Type.String())
		}
		equal(t, "port manager", strings.Join(calls, ", "), "GetMapping SIP, ReleaseMapping SIP")
	})
}

// Without a mapping nothing is taken, and that is told.
func TestNotifierWithoutMapping(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := watched(t, n)
		bob := must(b.NewProfile(ProfileConfig{Account: Account{URI: "sip:bob@example.com"}, Registrar: addr("10.0.0.9:5060")}))(t)
		check(t, bob.SetPortManager(&funcManager{get: func(context.Context, MappingRequest) (Mapping, error) { return Mapping{}, errors.New("none") }}))
		_, alice := watcher(t, n)
		var re *ResponseError
		if _, err := alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence"}); !errors.As(err, &re) || re.Code != 480 {
			t.Errorf("got %v", err)
		}
		if got := b.watches(); !strings.HasPrefix(got, "terminated ua: port mapping unavailable") {
			t.Error(got)
		}
		equal(t, "watchers", len(b.Watchers("")), 0)
	})
}
