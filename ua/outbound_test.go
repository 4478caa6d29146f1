package ua

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

const device = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"

// edge is an edge proxy and registrar of RFC 5626, as far as a user agent sees it.
type edge struct {
	*peer
	mu       sync.Mutex
	register func(req *sip.Request) (int, []string) // REGISTER with an expiry
	other    int                                    // the code of what is not REGISTER, ACK or BYE
	dead     bool
	got      []*sip.Request
	pings    []time.Duration
}

// outboundly accepts outbound as a registrar of RFC 5626 does.
func outboundly(more ...string) func(*sip.Request) (int, []string) {
	return func(req *sip.Request) (int, []string) {
		return 200, append([]string{"Require: outbound", "Contact: " + req.Contact().Value()}, more...)
	}
}

func newEdge(t *testing.T, n *memnet, at string, register func(*sip.Request) (int, []string)) *edge {
	e := &edge{peer: newPeer(t, n, at), register: register, other: 200}
	start := time.Now()
	go func() {
		buf := make([]byte, 4000)
		for {
			size, from, err := e.ReadFrom(buf)
			if err != nil {
				return
			}
			e.mu.Lock()
			if dead := e.dead; dead {
				e.mu.Unlock()
				continue
			}
			if answerSTUN(e.memConn, buf[:size], from) {
				e.pings = append(e.pings, time.Since(start))
				e.mu.Unlock()
				continue
			}
			req, ok := must(sip.ParseMessage(buf[:size]))(t).(*sip.Request)
			if !ok {
				e.mu.Unlock()
				continue
			}
			e.got = append(e.got, req)
			code, headers := e.other, []string(nil)
			var body []byte
			switch req.Method {
			case sip.REGISTER:
				code, headers = e.register(req)
			case sip.ACK:
				e.mu.Unlock()
				continue
			case sip.BYE:
				code = 200
			case sip.INVITE:
				if code == 200 {
					body = []byte(sdpAt("203.0.113.99:4000"))
					headers = []string{"Contact: <sip:bob@" + e.at.String() + ">", "Content-Type: application/sdp"}
				}
			}
			e.mu.Unlock()
			received(req.Via(), sipmsg.AddrPort(from))
			res := sip.NewResponseFromRequest(req, code, reasonPhrase(code), body)
			res.To().Params.Add("tag", "edge")
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				res.AppendHeader(sip.NewHeader(name, value))
			}
			e.send(res, sipmsg.AddrPort(from).String())
		}
	}()
	return e
}

// requests lists what arrived of a method.
func (e *edge) requests(method sip.RequestMethod) []*sip.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []*sip.Request
	for _, r := range e.got {
		if r.Method == method {
			list = append(list, r)
		}
	}
	return list
}

func (e *edge) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func outboundProfile(t *testing.T, a *agent, change func(*ProfileConfig), edges ...*edge) *Profile {
	cfg := ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: edges[0].at, Outbound: Outbound{Instance: device}}
	for _, e := range edges {
		cfg.Outbound.Proxies = append(cfg.Outbound.Proxies, e.at)
	}
	if change != nil {
		change(&cfg)
	}
	return must(a.NewProfile(cfg))(t)
}

// flowEvents lists what was told of flows.
func (a *agent) flowEvents() string {
	var list []string
	for _, e := range a.events() {
		switch e := e.(type) {
		case FlowEvent:
			list = append(list, fmt.Sprintf("%d %d %v", e.Flow, e.Code, e.Err))
		case KeepAliveEvent:
			list = append(list, fmt.Sprintf("%d keepalive", e.Flow))
		case RegistrationEvent:
			if e.State != Registering && e.State != Unregistering {
				list = append(list, fmt.Sprintf("%d %s %v", e.Flow, e.State, e.Outbound))
			}
		}
	}
	return strings.Join(list, "; ")
}

func TestOutboundRegister(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		one, two := newEdge(t, n, "203.0.113.1:5060", outboundly()), newEdge(t, n, "203.0.113.2:5060", outboundly())
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
		alice := outboundProfile(t, a, nil, one, two)
		check(t, alice.Enable(t.Context()))
		equal(t, "state", alice.State(), Registered)
		equal(t, "events", a.flowEvents(), "1 registered true; 2 registered true")
		for i, e := range []*edge{one, two} {
			r := e.requests(sip.REGISTER)[0]
			equal(t, "Contact", r.Contact().Value(), fmt.Sprintf(`<sip:alice@10.0.0.1:5060;ob>;expires=3600;+sip.instance="<%s>";reg-id=%d`, device, i+1))
			equal(t, "Supported", r.GetHeader("Supported").Value(), "path, outbound")
			equal(t, "Request-URI", r.Recipient.String(), "sip:example.com")
		}
		if one.requests(sip.REGISTER)[0].CallID().Value() == two.requests(sip.REGISTER)[0].CallID().Value() {
			t.Error("one Call-ID for both")
		}
		s, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		equal(t, "Contact of INVITE", one.requests(sip.INVITE)[0].Contact().Value(), "<sip:alice@10.0.0.1:5060;ob>")
		check(t, s.Hangup(t.Context()))
		time.Sleep(time.Hour)
		equal(t, "refreshed", len(one.requests(sip.REGISTER)), 2)
		equal(t, "refreshed", len(two.requests(sip.REGISTER)), 2)
		check(t, alice.Disable(t.Context()))
		for i, e := range []*edge{one, two} {
			all := e.requests(sip.REGISTER)
			equal(t, "last Contact", all[len(all)-1].Contact().Value(), fmt.Sprintf(`<sip:alice@10.0.0.1:5060;ob>;expires=0;+sip.instance="<%s>";reg-id=%d`, device, i+1))
		}
		equal(t, "enabled", alice.Enabled(), false)
		if err := alice.Disable(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("got %v", err)
		}
	})
}

// Who does not do outbound is registered with all the same, and that is told once.
func TestOutboundRefused(t *testing.T) {
	for name, c := range map[string]struct {
		register func(*sip.Request) (int, []string)
		events   string
		last     string // Contact
	}{
		"439": {func(r *sip.Request) (int, []string) {
			if r.Contact().Params.Has("reg-id") {
				return 439, nil
			}
			return 200, nil
		}, "1 439 ua: registered without outbound; 1 registered false; 1 registered false",
			`<sip:alice@10.0.0.1:5060>;expires=3600;+sip.instance="<` + device + `>"`},
		"200 without Require": {func(*sip.Request) (int, []string) { return 200, nil },
			"1 200 ua: registered without outbound; 1 registered false; 1 registered false",
			`<sip:alice@10.0.0.1:5060;ob>;expires=3600;+sip.instance="<` + device + `>";reg-id=1`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				e, a := newEdge(t, n, "203.0.113.1:5060", c.register), newAgent(t, n, "10.0.0.1:5060")
				alice := outboundProfile(t, a, func(c *ProfileConfig) { c.Outbound.Proxies = nil }, e)
				check(t, alice.Enable(t.Context()))
				time.Sleep(time.Hour)
				equal(t, "events", a.flowEvents(), c.events)
				all := e.requests(sip.REGISTER)
				equal(t, "Contact", all[len(all)-1].Contact().Value(), c.last)
				_, err := a.call(t, alice, "sip:bob@example.com", nil)
				check(t, err)
				equal(t, "Contact of INVITE", e.requests(sip.INVITE)[0].Contact().Value(), "<sip:alice@10.0.0.1:5060>")
			})
		})
	}
}

// Flow-Timer says how often keepalives come; a shorter interval of ours counts more.
func TestFlowTimer(t *testing.T) {
	for name, c := range map[string]struct {
		interval    time.Duration
		least, most time.Duration
	}{
		"alone":             {0, 80 * time.Second, 100 * time.Second},
		"a longer interval": {time.Hour, 80 * time.Second, 100 * time.Second},
		"a shorter one":     {10 * time.Second, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				e := newEdge(t, n, "203.0.113.1:5060", outboundly("Flow-Timer: 100"))
				a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
				check(t, outboundProfile(t, a, func(cfg *ProfileConfig) {
					cfg.KeepAlive = KeepAlive{Kind: KeepAliveSTUN, Interval: c.interval}
				}, e).Enable(t.Context()))
				time.Sleep(30 * time.Minute)
				e.set(func() {
					if len(e.pings) < 15 {
						t.Errorf("%d keepalives", len(e.pings))
					}
					for i := 1; i < len(e.pings); i++ {
						if d := e.pings[i] - e.pings[i-1]; d < c.least-2*time.Millisecond || d > c.most+2*time.Millisecond {
							t.Errorf("%v between two", d)
						}
					}
				})
			})
		})
	}
}

// A flow that dies is registered anew, with the waits of RFC 5626 section 4.5; meanwhile
// requests go by the other.
func TestFlowRecovery(t *testing.T) {
	for name, both := range map[string]bool{"one of two": false, "all": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				one, two := newEdge(t, n, "203.0.113.1:5060", outboundly()), newEdge(t, n, "203.0.113.2:5060", outboundly())
				a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
				alice := outboundProfile(t, a, func(c *ProfileConfig) {
					c.KeepAlive = KeepAlive{Kind: KeepAliveSTUN, Interval: 20 * time.Second}
				}, one, two)
				check(t, alice.Enable(t.Context()))
				one.set(func() { one.dead = true })
				two.set(func() { two.dead = both })
				time.Sleep(10 * time.Minute)
				first := map[uint32]time.Time{} // by CSeq, of the flow that died
				var order []uint32
				for _, d := range n.packets(func(d datagram) bool { return d.dst == one.at && sipText("REGISTER")(d) }) {
					seq := must(sip.ParseMessage(d.data))(t).CSeq().SeqNo
					if _, ok := first[seq]; !ok {
						first[seq] = d.at
						order = append(order, seq)
					}
				}
				base := 90 * time.Second
				if both {
					base = 30 * time.Second
				}
				if len(order) < 3 {
					t.Fatalf("%d REGISTERs", len(order))
				}
				for i := 2; i < len(order); i++ {
					wait := first[order[i]].Sub(first[order[i-1]]) - 32*time.Second // Timer F
					if most := base << (i - 1); wait < most/2 || wait > most {
						t.Errorf("attempt %d after %v, not half to all of %v", i, wait, most)
					}
				}
				if both {
					return
				}
				equal(t, "state", alice.State(), Registered)
				check(t, alice.Message(t.Context(), "sip:bob@example.com", "text/plain", nil))
				equal(t, "by the other flow", len(two.requests(sip.MESSAGE)), 1)
				one.set(func() { one.dead = false })
				time.Sleep(31 * time.Minute)
				check(t, alice.Message(t.Context(), "sip:bob@example.com", "text/plain", nil))
				equal(t, "by the first again", len(one.requests(sip.MESSAGE)), 1)
			})
		})
	}
}

// 430 (Flow Failed) sends a request by the other flow, once each, and the flow is mended.
func TestFlowFailed(t *testing.T) {
	for name, f := range map[string]func(t *testing.T, a *agent, p *Profile) error{
		"INVITE": func(t *testing.T, a *agent, p *Profile) error {
			_, err := a.call(t, p, "sip:bob@example.com", nil)
			return err
		},
		"MESSAGE": func(t *testing.T, a *agent, p *Profile) error {
			return p.Message(t.Context(), "sip:bob@example.com", "text/plain", nil)
		},
	} {
		method := sip.RequestMethod(name)
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				one := newEdge(t, n, "203.0.113.1:5060", outboundly("Service-Route: <sip:203.0.113.1;lr>"))
				two := newEdge(t, n, "203.0.113.2:5060", outboundly("Service-Route: <sip:203.0.113.2;lr>"))
				a := newAgent(t, n, "10.0.0.1:5060")
				alice := outboundProfile(t, a, nil, one, two)
				check(t, alice.Enable(t.Context()))
				one.set(func() { one.other = 430 })
				check(t, f(t, a, alice))
				equal(t, "first by", len(one.requests(method)), 1)
				equal(t, "then by", len(two.requests(method)), 1)
				equal(t, "Route", one.requests(method)[0].Route().Value(), "<sip:203.0.113.1;lr>")
				again := two.requests(method)[0]
				equal(t, "Routes", len(again.GetHeaders("Route")), 1)
				equal(t, "Route", again.Route().Value(), "<sip:203.0.113.2;lr>")
				time.Sleep(time.Second)
				equal(t, "REGISTERs", len(one.requests(sip.REGISTER)), 2)
				equal(t, "events", a.flowEvents(), "1 registered true; 2 registered true; 1 430 ua: flow failed; 1 registered true")

				two.set(func() { two.other = 430 })
				var r *ResponseError
				if err := f(t, a, alice); !errors.As(err, &r) || r.Code != 430 {
					t.Errorf("got %v", err)
				}
				equal(t, "first by", len(one.requests(method)), 2)
				equal(t, "then by", len(two.requests(method)), 2)
			})
		})
	}
}

// Requests outside of dialogs pass the Service-Route (RFC 3608), and go there at once where no
// proxy comes before.
func TestServiceRoute(t *testing.T) {
	for name, c := range map[string]struct {
		header, route string
		there         bool
	}{
		"loose":  {"Service-Route: <sip:203.0.113.7;lr>, <sip:home.example.com;lr>", "<sip:203.0.113.7;lr>", true},
		"a name": {"Service-Route: <sip:home.example.com;lr>", "<sip:home.example.com;lr>", false},
		"strict": {"Service-Route: <sip:203.0.113.7>", "", false},
		"broken": {"Service-Route: <sip:203.0.113.7;lr>, <", "", false},
		"none":   {"X: y", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				e := newEdge(t, n, "203.0.113.1:5060", func(*sip.Request) (int, []string) { return 200, []string{c.header} })
				next := newEdge(t, n, "203.0.113.7:5060", nil)
				a := newAgent(t, n, "10.0.0.1:5060")
				alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: e.at}))(t)
				check(t, alice.Enable(t.Context()))
				check(t, alice.Message(t.Context(), "sip:bob@example.com", "text/plain", nil))
				got := append(e.requests(sip.MESSAGE), next.requests(sip.MESSAGE)...)
				equal(t, "there", len(next.requests(sip.MESSAGE)) == 1, c.there)
				route := ""
				if r := got[0].Route(); r != nil {
					route = r.Value()
				}
				equal(t, "Route", route, c.route)
				equal(t, "Request-URI", got[0].Recipient.String(), "sip:bob@example.com")
			})
		})
	}
}

// The public GRUU (RFC 5627) is the Contact of calls; what is none is not.
func TestGRUU(t *testing.T) {
	for name, c := range map[string]struct{ params, pub, contact string }{
		"given":    {`;pub-gruu="sip:alice@example.com;gr=urn:x";temp-gruu="sip:tgruu.7hs==@example.com;gr"`, "sip:alice@example.com;gr=urn:x", "<sip:alice@example.com;gr=urn:x>"},
		"none":     {"", "", "<sip:alice@10.0.0.1:5060;ob>"},
		"without":  {`;pub-gruu="sip:alice@example.com"`, "", "<sip:alice@10.0.0.1:5060;ob>"},
		"nonsense": {`;pub-gruu="<>;gr"`, "", "<sip:alice@10.0.0.1:5060;ob>"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				e := newEdge(t, n, "203.0.113.1:5060", func(r *sip.Request) (int, []string) {
					equal(t, "Supported", r.GetHeader("Supported").Value(), "path, outbound, gruu")
					return 200, []string{
						"Require: outbound",
						`Contact: <sip:alice@10.0.0.9>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000000>";pub-gruu="sip:alice@example.com;gr=other";expires=60`,
						"Contact: " + r.Contact().Value() + c.params,
					}
				})
				a := newAgent(t, n, "10.0.0.1:5060")
				alice := outboundProfile(t, a, func(c *ProfileConfig) { c.Outbound.GRUU = true }, e)
				check(t, alice.Enable(t.Context()))
				pub, temp := alice.GRUU()
				equal(t, "public", pub, c.pub)
				equal(t, "temporary", temp != "", name == "given")
				_, err := a.call(t, alice, "sip:bob@example.com", nil)
				check(t, err)
				equal(t, "Contact of INVITE", e.requests(sip.INVITE)[0].Contact().Value(), c.contact)
				for _, ev := range a.events() {
					if r, ok := ev.(RegistrationEvent); ok && r.State == Registered {
						equal(t, "expires", r.Expires, time.Hour)
					}
				}
			})
		})
	}
}

// One flow that is refused does not end the others; a wrong password ends all.
func TestFlowsFailApart(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		refuse := func(code int) func(*sip.Request) (int, []string) {
			return func(*sip.Request) (int, []string) { return code, nil }
		}
		one, two := newEdge(t, n, "203.0.113.1:5060", refuse(403)), newEdge(t, n, "203.0.113.2:5060", outboundly())
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := outboundProfile(t, a, nil, one, two)
		check(t, alice.Enable(t.Context()))
		equal(t, "events", a.flowEvents(), "1 rejected false; 2 registered true")
		equal(t, "state", alice.State(), Registered)
		m, ok := alice.Mapping()
		equal(t, "mapping", ok && m.External == a.Addr(), true)
		check(t, alice.Message(t.Context(), "sip:bob@example.com", "text/plain", nil))
		equal(t, "by the second", len(two.requests(sip.MESSAGE)), 1)
		one.set(func() { one.register = outboundly() })
		check(t, alice.Enable(t.Context())) // the first, that is
		check(t, alice.Disable(t.Context()))
		one.set(func() { one.register = refuse(403) })
		two.set(func() { two.register = refuse(403) })
		var r *ResponseError
		if err := alice.Enable(t.Context()); !errors.As(err, &r) || r.Code != 403 {
			t.Errorf("got %v", err)
		}
		equal(t, "enabled", alice.Enabled(), false)
	})
}

func TestOutboundConfigRefused(t *testing.T) {
	a := must(New(Config{LocalAddr: addr("10.0.0.1:1").Addr()}))(t)
	for name, o := range map[string]Outbound{
		"no instance": {GRUU: true},
		"proxies":     {Proxies: []netip.AddrPort{addr(proxyAt)}},
		"no URN":      {Instance: "00000000-0000-1000-8000-000a95a0e128"},
		"injection":   {Instance: device + "\r\nX: y"},
		"twice":       {Instance: device, Proxies: []netip.AddrPort{addr(proxyAt), addr(proxyAt)}},
		"port 0":      {Instance: device, Proxies: []netip.AddrPort{addr("10.0.0.1:0")}},
	} {
		if _, err := a.NewProfile(ProfileConfig{Account: Account{URI: "sip:a@b"}, Registrar: addr(proxyAt), Outbound: o}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := a.NewProfile(ProfileConfig{
		Account: Account{URI: "sip:a@b"}, Registrar: addr(proxyAt), Proxy: addr(proxyAt),
		Outbound: Outbound{Instance: device, Proxies: []netip.AddrPort{addr(proxyAt)}},
	})
	if !errors.Is(err, ErrConfig) {
		t.Errorf("two kinds of proxies: got %v", err)
	}
}

// Flows that die at one moment do the same in every run.
func TestFlowsAreDeterministic(t *testing.T) {
	var runs [2]string
	for i := range runs {
		bubble(t, func(t *testing.T, n *memnet) {
			var edges []*edge
			for j := range 4 {
				edges = append(edges, newEdge(t, n, fmt.Sprintf("203.0.113.%d:5060", j+1), outboundly("Flow-Timer: 60")))
			}
			a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
			alice := outboundProfile(t, a, func(c *ProfileConfig) { c.KeepAlive.Kind = KeepAliveSTUN }, edges...)
			start := time.Now()
			check(t, alice.Enable(t.Context()))
			for _, e := range edges {
				e.set(func() { e.dead = true })
			}
			time.Sleep(20 * time.Minute)
			for _, e := range edges {
				e.set(func() { e.dead = false })
			}
			time.Sleep(40 * time.Minute)
			check(t, alice.Disable(t.Context()))
			var b strings.Builder
			for _, d := range n.packets(func(d datagram) bool { return d.src == a.Addr() }) {
				fmt.Fprintln(&b, d.at.Sub(start), d.dst, len(d.data))
			}
			runs[i] = b.String()
		})
	}
	if runs[0] != runs[1] {
		t.Error("two runs differ")
	}
	if len(runs[0]) < 5000 {
		t.Errorf("only this happened:\n%s", runs[0])
	}
}
