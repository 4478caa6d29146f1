package ua

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/stunclient"
)

const proxyAt = "203.0.113.10:5060"

func TestRegisterRefreshUnregister(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		p.password = "secret"
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true; c.UserAgent = "test" })
		alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.Expires = 10 * time.Minute })
		check(t, alice.Enable(t.Context()))
		equal(t, "state", alice.State(), Registered)
		equal(t, "contact", p.contact("alice"), "sip:alice@10.0.0.1:5060")
		for _, e := range a.events() {
			if r, ok := e.(RegistrationEvent); ok && r.State == Registered {
				equal(t, "seen", r.Seen, addr("10.0.0.1:5060"))
				equal(t, "expires", r.Expires, 10*time.Minute)
				equal(t, "contact", r.Contact, addr("10.0.0.1:5060"))
			}
		}
		all := p.seenRegisters()
		equal(t, "REGISTERs", len(all), 2) // asked, answered
		equal(t, "Request-URI", all[0].Recipient.String(), "sip:example.com")
		equal(t, "Call-ID", all[1].CallID().Value(), all[0].CallID().Value())
		equal(t, "CSeq", all[1].CSeq().SeqNo, all[0].CSeq().SeqNo+1)
		equal(t, "User-Agent", all[0].GetHeader("User-Agent").Value(), "test")

		time.Sleep(8 * time.Minute) // a tenth of the time is left, less jitter
		equal(t, "REGISTERs by then", len(p.seenRegisters()), 2)
		time.Sleep(time.Minute + 10*time.Second)
		equal(t, "REGISTERs after", len(p.seenRegisters()), 3) // the nonce still served
		time.Sleep(2 * time.Hour)
		for i, r := range p.seenRegisters()[2:] {
			equal(t, "CSeq", r.CSeq().SeqNo, uint32(3+i))
		}
		p.set(func() { p.nonce++ })
		equal(t, "registered", p.contact("alice"), "sip:alice@10.0.0.1:5060")
		check(t, alice.Disable(t.Context()))
		equal(t, "contacts", p.count(), 0)
		equal(t, "state", alice.State(), NotRegistered)
		count := len(p.seenRegisters())
		time.Sleep(time.Hour)
		equal(t, "REGISTERs after Disable", len(p.seenRegisters()), count)
		check(t, alice.Enable(t.Context()))
		check(t, alice.Disable(t.Context()))
	})
}

func TestRefreshAfter(t *testing.T) {
	a := must(New(Config{LocalAddr: addr("10.0.0.1:1").Addr()}))(t)
	p := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:a@b"}, Registrar: addr(proxyAt)}))(t)
	for _, c := range []struct{ granted, least, most time.Duration }{
		{time.Hour, 3150 * time.Second, 3240 * time.Second},
		{5 * time.Minute, 250 * time.Second, 260 * time.Second},
		{time.Minute, 22500 * time.Millisecond, 30 * time.Second},
		{time.Second, 375 * time.Millisecond, 500 * time.Millisecond},
	} {
		for range 100 {
			if d := p.refreshAfter(c.granted); d < c.least || d > c.most {
				t.Fatalf("%v: refresh after %v", c.granted, d)
			}
		}
	}
}

func TestRegisterMinExpires(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		p.minimum = 1800
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.Expires = time.Minute })
		check(t, alice.Enable(t.Context()))
		all := p.seenRegisters()
		equal(t, "REGISTERs", len(all), 2)
		equal(t, "Contact", all[1].Contact().Value(), "<sip:alice@10.0.0.1:5060>;expires=1800")
	})
}

func TestRegisterRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*proxy, *ProfileConfig)
		is      error
		code    int
		state   RegistrationState
		enabled bool
	}{
		"wrong password": {func(p *proxy, c *ProfileConfig) { p.password = "other" }, ErrAuthentication, 401, Rejected, false},
		"other realm":    {func(p *proxy, c *ProfileConfig) { p.password = "secret"; c.Account.Realm = "x" }, ErrAuthentication, 401, Rejected, false},
		"403":            {func(p *proxy, c *ProfileConfig) { p.failures = []int{403} }, nil, 403, Rejected, false},
		"503":            {func(p *proxy, c *ProfileConfig) { p.failures = []int{503} }, nil, 503, Error, true},
		"silence":        {func(p *proxy, c *ProfileConfig) { p.silent = true }, ErrTransactionTimeout, 0, Error, true},
		"no retry":       {func(p *proxy, c *ProfileConfig) { p.silent = true; c.NoRetry = true }, ErrTransactionTimeout, 0, Error, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				p := newProxy(t, n, proxyAt)
				a := newAgent(t, n, "10.0.0.1:5060")
				alice := a.profile(t, "alice", p, func(cfg *ProfileConfig) { c.prepare(p, cfg) })
				rec := NewRecorder(Local{})
				check(t, alice.SetPortManager(rec))
				err := alice.Enable(t.Context())
				if err == nil || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("got %v", err)
				}
				var r *ResponseError
				if c.is == nil && (!errors.As(err, &r) || r.Code != c.code) {
					t.Errorf("got %v", err)
				}
				equal(t, "state", alice.State(), c.state)
				equal(t, "enabled", alice.Enabled(), c.enabled)
				es := a.events()
				last := es[len(es)-1].(RegistrationEvent)
				equal(t, "code", last.Code, c.code)
				equal(t, "retry", last.Retry > 0, c.enabled)
				released := rec.Calls()[len(rec.Calls())-1].Method == "ReleaseMapping"
				equal(t, "released", released, !c.enabled)
			})
		})
	}
}

func TestRegisterTimeoutSaysWhere(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060")
		p := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: addr(proxyAt)}))(t)
		start := time.Now()
		err := p.Enable(t.Context())
		equal(t, "time", time.Since(start), 32*time.Second) // Timer F
		equal(t, "error", err.Error(), "ua: REGISTER sent from 10.0.0.1:5060 (Via 10.0.0.1:5060) to 203.0.113.10:5060: no response")
	})
}

// After trouble the profile tries again, later each time (RFC 5626 section 4.5).
func TestRegisterRetries(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		p.failures = []int{500, 500, 500}
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p)
		if err := alice.Enable(t.Context()); err == nil {
			t.Fatal("no error")
		}
		start := time.Now()
		for alice.State() != Registered && time.Since(start) < time.Hour {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < 105*time.Second || took > 212*time.Second { // half to all of 30+60+120
			t.Errorf("took %v", took)
		}
		equal(t, "states", a.registrations(),
			"registering, error, registering, error, registering, error, registering, registered")
	})
}

func TestEnableGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		p.silent = true
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := alice.Enable(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		equal(t, "enabled", alice.Enabled(), false)
		p.set(func() { p.silent = false })
		check(t, alice.Enable(t.Context()))
		if err := alice.Enable(t.Context()); !errors.Is(err, ErrEnabled) {
			t.Errorf("got %v", err)
		}
		check(t, alice.Disable(t.Context()))
		if err := alice.Disable(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("got %v", err)
		}
	})
}

// Via and Contact name the external address; rport is there if asked for.
func TestViaAndContact(t *testing.T) {
	for _, rport := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			p := newProxy(t, n, proxyAt)
			a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = rport })
			alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.NoRetry = true })
			check(t, alice.SetPortManager(must(NewStatic(StaticMapping{SIP, addr("10.0.0.1:5060"), addr("198.51.100.1:6000")}))(t)))
			err := alice.Enable(t.Context())
			reg := p.seenRegisters()[0]
			equal(t, "Via", reg.Via().SentBy(), "198.51.100.1:6000")
			equal(t, "rport", reg.Via().Params.Has("rport"), rport)
			equal(t, "Contact", reg.Contact().Address.String(), "sip:alice@198.51.100.1:6000")
			if rport { // the response comes back to the source
				check(t, err)
			} else if !errors.Is(err, ErrTransactionTimeout) { // it goes to the Via's port
				t.Errorf("got %v", err)
			}
		})
	}
}

// Asymmetric: requests leave from a port of their own; responses to Via reach the other.
func TestAsymmetricSignalling(t *testing.T) {
	for _, rport := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			p := newProxy(t, n, proxyAt)
			a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Asymmetric, c.Rport = true, rport })
			b := newAgent(t, n, "10.0.0.2:5060")
			b.onIncoming = answerNow
			alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
			check(t, alice.Enable(t.Context()))
			check(t, bob.Enable(t.Context()))
			s, err := a.call(t, alice, "sip:bob@example.com", nil)
			check(t, err)
			check(t, s.Hangup(t.Context()))
			for _, d := range n.packets(func(d datagram) bool { return d.src.Addr() == addr("10.0.0.1:1").Addr() && d.dst == p.at }) {
				if d.src.Port() < 49152 {
					t.Errorf("sent from the listening port: %s", d)
				}
			}
			for _, d := range n.packets(func(d datagram) bool { return d.src == p.at && d.dst.Addr() == addr("10.0.0.1:1").Addr() }) {
				equal(t, "to the listening port", d.dst.Port() == 5060, !rport)
			}
			// A request to the dynamic port is answered from there (RFC 3581).
			q := newPeer(t, n, "10.0.0.9:5060")
			out := a.dynamic.local
			q.sendText(out.String(), strings.Replace(q.inDialog("OPTIONS", "10.0.0.1", "o", "", 1, ""), ";tag=\n", "\n", 1))
			_, from := q.recv()
			equal(t, "answered from", from, out)
		})
	}
}

func TestKeepAlive(t *testing.T) {
	for kind, want := range map[KeepAliveKind]string{
		KeepAliveCRLF: "\r\n\r\n", KeepAliveZero: "\x00\x00\x00\x00", KeepAliveOPTIONS: "OPTIONS sip:203.0.113.10:5060", KeepAliveSTUN: "\x00\x01",
		KeepAliveRegister: "REGISTER",
	} {
		t.Run(kind.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				p := newProxy(t, n, proxyAt)
				a := newAgent(t, n, "10.0.0.1:5060")
				stunServer(n, "203.0.113.20:3478")
				alice := a.profile(t, "alice", p, func(c *ProfileConfig) {
					c.KeepAlive = KeepAlive{Kind: kind, Interval: 20 * time.Second}
					if kind == KeepAliveSTUN {
						c.KeepAlive.Server = addr("203.0.113.20:3478")
					}
				})
				count := 5
				if kind == KeepAliveSTUN {
					count++ // the first, at once, says what the mapping is
				}
				check(t, alice.Enable(t.Context()))
				if kind == KeepAliveRegister {
					count++ // that of Enable
				}
				time.Sleep(101 * time.Second)
				equal(t, "sent", len(n.packets(func(d datagram) bool { return d.src == a.Addr() && sipText(want)(d) })), count)
				check(t, alice.Disable(t.Context()))
				if kind == KeepAliveRegister {
					count++ // that of Disable
				}
				time.Sleep(101 * time.Second)
				equal(t, "sent after Disable", len(n.packets(func(d datagram) bool { return d.src == a.Addr() && sipText(want)(d) })), count)
			})
		})
	}
}

// A keepalive that is not answered, or answered with another address, shows the flow to
// be broken: the profile registers again (RFC 5626 section 4.4.2).
func TestKeepAliveBroken(t *testing.T) {
	for _, kind := range []KeepAliveKind{KeepAliveOPTIONS, KeepAliveSTUN} {
		t.Run(kind.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
				stunServer(n, "203.0.113.20:3478")
				p := newProxy(t, n, proxyAt)
				a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
				alice := a.profile(t, "alice", p, func(c *ProfileConfig) {
					c.KeepAlive = KeepAlive{Kind: kind, Interval: 20 * time.Second}
					if kind == KeepAliveSTUN {
						c.KeepAlive.Server = addr("203.0.113.20:3478")
					}
				})
				check(t, alice.Enable(t.Context()))
				time.Sleep(25 * time.Second)
				equal(t, "REGISTERs", len(p.seenRegisters()), 1)
				if kind == KeepAliveSTUN {
					n.flush(nat)
				} else {
					n.setDrop(sipText("OPTIONS"))
				}
				time.Sleep(time.Minute)
				equal(t, "REGISTERs", len(p.seenRegisters()), 2)
				broken := 0
				for _, e := range a.events() {
					if k, ok := e.(KeepAliveEvent); ok && k.Profile == alice && k.Err != nil {
						broken++
					}
				}
				equal(t, "events", broken, 1)
			})
		})
	}
}

// The NAT forgets the mapping before the first keepalive: what that finds is compared with
// the mapping at registration, as the registrar saw it or as a first answer had it.
func TestKeepAliveNoticesAnEarlyChange(t *testing.T) {
	for name, c := range map[string]struct {
		rport, asymmetric bool
		server            string
		kind              KeepAliveKind
	}{
		"OPTIONS with rport":          {rport: true, kind: KeepAliveOPTIONS},
		"OPTIONS from another port":   {rport: true, asymmetric: true, kind: KeepAliveOPTIONS},
		"seen by the registrar":       {rport: true},
		"OPTIONS to another server":   {rport: true, kind: KeepAliveOPTIONS, server: "203.0.113.40:5060"},
		"REGISTER":                    {rport: true, kind: KeepAliveRegister},
		"REGISTER by another port":    {rport: true, asymmetric: true, kind: KeepAliveRegister},
		"no rport":                    {},
		"another server":              {rport: true, server: "203.0.113.20:3478"},
		"REGISTER from another port":  {rport: true, asymmetric: true},
		"and yet another with STUN's": {server: "203.0.113.20:3478"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
				stunServer(n, "203.0.113.20:3478")
				newProxy(t, n, "203.0.113.40:5060")
				p := newProxy(t, n, proxyAt)
				a := newAgent(t, n, "10.0.0.1:5060", func(cfg *Config) { cfg.Rport, cfg.Asymmetric = c.rport, c.asymmetric })
				pinhole := must(NewStatic(StaticMapping{Type: SIP, External: addr("198.51.100.1:61001")}))(t)
				alice := a.profile(t, "alice", p, func(cfg *ProfileConfig) {
					cfg.KeepAlive = KeepAlive{Kind: max(c.kind, KeepAliveSTUN), Interval: 20 * time.Second}
					if c.server != "" {
						cfg.KeepAlive.Server = addr(c.server)
					}
				})
				check(t, alice.SetPortManager(pinhole))
				check(t, alice.Enable(t.Context()))
				time.Sleep(5 * time.Second)
				n.flush(nat)
				time.Sleep(20 * time.Second)
				last := p.seenRegisters()
				equal(t, "REGISTERs", last[len(last)-1].CSeq().SeqNo, 2) // its response is lost without rport
				told := 0
				for _, e := range a.events() {
					if k, ok := e.(KeepAliveEvent); ok && errors.Is(k.Err, stunclient.ErrMappingChanged) {
						told++
					}
				}
				equal(t, "changes told", told, 1)
				if c.rport && c.kind != KeepAliveRegister {
					time.Sleep(time.Minute)
					equal(t, "REGISTERs", len(p.seenRegisters()), 2)
				}
			})
		})
	}
}

// The expiry of our contact counts, also when somebody on the way has rewritten it; else
// the Expires header field, else what was asked for (RFC 3261 section 10.2.4).
func TestGrantedExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		want    time.Duration
	}{
		"ours":                        {[]string{"Contact: <sip:alice@10.0.0.1:5060>;expires=300"}, 300 * time.Second},
		"ours among others":           {[]string{"Contact: <sip:alice@10.0.0.9>;expires=60, <sip:alice@10.0.0.1>;q=0.5 ; Expires = 300", "Expires: 7"}, 300 * time.Second},
		"a lone one, rewritten":       {[]string{"Contact: <sip:alice@198.51.100.1:61001>;expires=120"}, 120 * time.Second},
		"in the compact form":         {[]string{"m: <sip:alice@198.51.100.1:61001>;expires=120"}, 120 * time.Second},
		"a lone one without, Expires": {[]string{"Contact: <sip:alice@198.51.100.1:61001>", "Expires: 90"}, 90 * time.Second},
		"several, all rewritten":      {[]string{"Contact: <sip:alice@198.51.100.1:61001>;expires=3000", "Contact: <sip:x@198.51.100.1:61002>;expires=200"}, 200 * time.Second},
		"Expires alone":               {[]string{"Expires: 80"}, 80 * time.Second},
		"nothing":                     {nil, time.Hour},
		"nonsense":                    {[]string{"Contact: <sip:alice@10.0.0.1>;expires=soon", "Expires: later"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: p.at}))(t)
				result := make(chan error)
				go func() { result <- alice.Enable(t.Context()) }()
				var extra []sip.Header
				for _, h := range c.headers {
					name, value, _ := strings.Cut(h, ": ")
					extra = append(extra, sip.NewHeader(name, value))
				}
				p.reply(p.request(sip.REGISTER), 200, "x", extra...)
				check(t, <-result)
				var got time.Duration
				for _, e := range a.events() {
					if r, ok := e.(RegistrationEvent); ok && r.State == Registered {
						got = r.Expires
					}
				}
				equal(t, "granted", got, c.want)
				time.Sleep(c.want) // refreshed in time
				cseq := map[uint32]bool{}
				for _, d := range n.packets(sipText("REGISTER")) {
					cseq[must(sip.ParseMessage(d.data))(t).CSeq().SeqNo] = true
				}
				if len(cseq) < 2 {
					t.Errorf("no refresh in %v", c.want)
				}
			})
		})
	}
}

// A REGISTER too large for UDP never leaves, and says so: the registrar did not refuse it.
func TestRegisterNeverSent(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.Account.DisplayName = strings.Repeat("a", 1300) })
		err := alice.Enable(t.Context())
		if !errors.Is(err, ErrMessageTooLarge) || !strings.Contains(err.Error(), "REGISTER was never sent") || !strings.Contains(err.Error(), "1300 may be sent") {
			t.Errorf("got %v", err)
		}
		equal(t, "registrations", a.registrations(), "registering, never sent")
		time.Sleep(time.Hour)
		equal(t, "REGISTERs", len(n.packets(sipText("REGISTER"))), 0)
		equal(t, "enabled", alice.Enabled(), false)
	})
}

// When the STUN manager finds the mapping changed, the new contact is registered and
// the old one removed.
func TestRegisterAgainWhenTheMappingChanges(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
		stunServer(n, "203.0.113.20:3478")
		p := newProxy(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p)
		check(t, alice.SetPortManager(must(NewSTUN(STUNConfig{Server: addr("203.0.113.20:3478")}))(t)))
		check(t, alice.Enable(t.Context()))
		equal(t, "contact", p.contact("alice"), "sip:alice@198.51.100.1:61001")
		n.flush(nat)
		time.Sleep(30 * time.Second)
		equal(t, "contact", p.contact("alice"), "sip:alice@198.51.100.1:61002")
		m, _ := alice.Mapping()
		equal(t, "mapping", m.External, addr("198.51.100.1:61002"))
		var seen []MappingEvent
		for _, e := range a.events() {
			if x, ok := e.(MappingEvent); ok {
				seen = append(seen, x)
			}
		}
		if len(seen) != 1 || seen[0].Old.External.Port() != 61001 || seen[0].New.External.Port() != 61002 || seen[0].Profile != alice {
			t.Errorf("events: %+v", seen)
		}
		last := p.seenRegisters()[1]
		equal(t, "contacts", len(last.GetHeaders("contact")), 2)
		check(t, alice.Disable(t.Context()))
	})
}

func TestProfileConfigRefused(t *testing.T) {
	a := must(New(Config{LocalAddr: addr("10.0.0.1:1").Addr()}))(t)
	good := ProfileConfig{Account: Account{URI: "sip:a@b"}, Registrar: addr(proxyAt)}
	for name, f := range map[string]func(*ProfileConfig){
		"no URI":            func(c *ProfileConfig) { c.Account.URI = "" },
		"no user":           func(c *ProfileConfig) { c.Account.URI = "sip:b" },
		"not sip":           func(c *ProfileConfig) { c.Account.URI = "mailto:a@b" },
		"quotes":            func(c *ProfileConfig) { c.Account.DisplayName = `a"b` },
		"no registrar":      func(c *ProfileConfig) { c.Registrar = addr("0.0.0.0:0") },
		"bad proxy":         func(c *ProfileConfig) { c.Proxy = addr("10.0.0.1:0") },
		"TCP":               func(c *ProfileConfig) { c.Transport = 2 },
		"half a second":     func(c *ProfileConfig) { c.Expires = time.Second / 2 },
		"retry":             func(c *ProfileConfig) { c.RetryBase, c.RetryMax = time.Hour, time.Minute },
		"keepalive kind":    func(c *ProfileConfig) { c.KeepAlive.Kind = 9 },
		"keepalive ignored": func(c *ProfileConfig) { c.KeepAlive.Interval = time.Second },
		"REGISTER elsewhere": func(c *ProfileConfig) {
			c.KeepAlive = KeepAlive{Kind: KeepAliveRegister, Server: addr("203.0.113.20:3478")}
		},
	} {
		cfg := good
		f(&cfg)
		if _, err := a.NewProfile(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := a.NewProfile(good); err != nil {
		t.Error(err)
	}
}

func TestMessage(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		check(t, bob.Enable(t.Context()))
		rec := NewRecorder(Local{})
		check(t, alice.SetPortManager(rec))
		check(t, alice.Message(t.Context(), "sip:bob@example.com", "text/plain", []byte("hello")))
		synctest.Wait()
		es := b.events()
		m, ok := es[len(es)-1].(MessageEvent)
		if !ok || string(m.Body) != "hello" || m.From != "sip:alice@example.com" || m.ContentType != "text/plain" {
			t.Errorf("got %+v", es[len(es)-1])
		}
		wantCalls(t, rec, `
			GetMapping(SIP, UDP, 203.0.113.10:5060) = 10.0.0.1:5060, 10.0.0.1:5060
			ReleaseMapping(SIP, 10.0.0.1:5060, 10.0.0.1:5060)`)
		var r *ResponseError
		err := alice.Message(t.Context(), "sip:nobody@example.com", "text/plain", nil)
		if !errors.As(err, &r) || r.Code != sip.StatusNotFound || r.Method != "MESSAGE" {
			t.Errorf("got %v", err)
		}
	})
}

// wantCalls compares what a recorder saw with a script.
func wantCalls(t testing.TB, rec *Recorder, script string) {
	t.Helper()
	var got []string
	for _, c := range rec.Calls() {
		got = append(got, c.String())
	}
	var want []string
	for l := range strings.Lines(script) {
		if l = strings.TrimSpace(l); l != "" {
			want = append(want, l)
		}
	}
	equal(t, "calls to the port manager", strings.Join(got, "\n"), strings.Join(want, "\n"))
}
