package ua

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/servers/registrar"
)

func newRegistrar(t *testing.T, n *memnet, change func(*registrar.Config)) *registrar.Server {
	cfg := registrar.Config{Domain: "example.com", Users: map[string]string{"alice": "secret", "bob": "secret"}}
	if change != nil {
		change(&cfg)
	}
	s := must(registrar.New(n.mustListen(proxyAt), cfg))(t)
	go s.Serve()
	t.Cleanup(func() { s.Close() })
	return s
}

func enabled(t *testing.T, a *agent, user string, change func(*ProfileConfig)) *Profile {
	cfg := ProfileConfig{Account: Account{URI: "sip:" + user + "@example.com", Password: "secret"}, Registrar: addr(proxyAt)}
	if change != nil {
		change(&cfg)
	}
	p := must(a.NewProfile(cfg))(t)
	check(t, p.Enable(t.Context()))
	return p
}

// A proxy that routes to what the phone wrote, and knows nothing of NATs: learning the Contact
// makes the phone behind one reachable, and its address the only one, also after the NAT forgot.
func TestLearnContactWithTheRegistrar(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
		s := newRegistrar(t, n, nil)
		a, b := newAgent(t, n, "10.0.0.1:5060", learning), newAgent(t, n, "192.0.2.9:5060")
		a.onIncoming = answerNow
		alice := enabled(t, a, "alice", func(c *ProfileConfig) {
			c.KeepAlive = KeepAlive{Kind: KeepAliveRegister, Interval: 30 * time.Second}
		})
		bob := enabled(t, b, "bob", nil)
		for _, forgets := range []bool{false, true} {
			if forgets {
				n.flush(nat)
				time.Sleep(31 * time.Second)
			}
			bound := s.Bindings("sip:alice@example.com")
			equal(t, "bindings", len(bound), 1)
			equal(t, "private", strings.Contains(bound[0].Contact, "10.0.0.1"), false)
			call, err := b.call(t, bob, "sip:alice@example.com", nil)
			check(t, err)
			check(t, call.Hangup(t.Context()))
		}
		check(t, alice.Disable(t.Context()))
		equal(t, "bindings", len(s.Bindings("sip:alice@example.com")), 0)
	})
}

// The registrar binds the instance and the reg-id, whether it does outbound or not, and a nonce
// that runs out between two REGISTERs costs a challenge and no more.
func TestOutboundWithTheRegistrar(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		s := newRegistrar(t, n, func(c *registrar.Config) { c.NonceLifetime = time.Minute })
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
		alice := enabled(t, a, "alice", func(c *ProfileConfig) {
			c.Expires, c.Outbound = 2*time.Minute, Outbound{Instance: device, GRUU: true}
		})
		for range 30 {
			time.Sleep(time.Minute)
			bound := s.Bindings("sip:alice@example.com")
			equal(t, "bindings", len(bound), 1)
			equal(t, "instance", bound[0].Instance, "<"+device+">")
			equal(t, "reg-id", bound[0].RegID, 1)
		}
		equal(t, "state", alice.State(), Registered)
		check(t, alice.Disable(t.Context()))
		equal(t, "bindings", len(s.Bindings("sip:alice@example.com")), 0)
	})
}

// Whatever a 200 to REGISTER says, a profile knows afterwards how long it is registered, and
// what it takes from it can be written into a request.
func FuzzRegistered(f *testing.F) {
	for _, s := range []string{
		"Require: outbound\nFlow-Timer: 100\nContact: <sip:a@10.0.0.1:5060;ob>;expires=9;+sip.instance=\"<" + device + ">\";reg-id=1;pub-gruu=\"sip:a@b;gr=x\"",
		"Service-Route: <sip:203.0.113.7;lr>, <sip:h;lr>\nExpires: 60", "Contact: *\nService-Route: \"<", "m: sip:a@b;reg-id=2\nFlow-Timer: 99999999999",
		"Service-Route: <sip:[::1]:0;lr;x=\"y>\nContact: <sip:a@b>;+sip.instance",
	} {
		f.Add(s)
	}
	a, err := New(Config{LocalAddr: netip.MustParseAddr("10.0.0.1"), Options: Options{Rport: true, LearnContact: true}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, headers string) {
		p := must(a.NewProfile(ProfileConfig{
			Account: Account{URI: "sip:a@b"}, Registrar: addr(proxyAt), Outbound: Outbound{Instance: device, GRUU: true},
		}))(t)
		a.profiles = nil
		text := "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.1:5060;rport=7;received=198.51.100.1;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\n" +
			"To: <sip:a@b>;tag=2\nCall-ID: x\nCSeq: 1 REGISTER\n" + headers + "\n\n"
		m, err := sipmsg.Read([]byte(strings.ReplaceAll(text, "\n", "\r\n")), addr(proxyAt), false)
		res, ok := m.(*sipmsg.Response)
		if err != nil || !ok {
			return
		}
		at := path{via: addr("10.0.0.1:5060"), rport: true}
		p.learn(at, res)
		if d := p.granted(res, p.contactAt(at)); d <= 0 {
			t.Errorf("registered for %v", d)
		}
		p.agree(res, p.contactAt(at))
		if w := p.refreshAfter(p.granted(res, p.contactAt(at))); w <= 0 {
			t.Errorf("refresh after %v", w)
		}
		req := newRequest(sip.MESSAGE, sip.Uri{Scheme: "sip", Host: "h"}, p.ends("x", sip.Uri{Scheme: "sip", Host: "h"}), 1, at, p.routes())
		req.AppendHeader(p.mark(p.contact(at)))
		wire := sipmsg.NewSent(req).Wire
		again, err := sipmsg.Read(wire, addr(proxyAt), false)
		sent, ok := again.(*sipmsg.Request)
		if err != nil || !ok || sent.Fault != nil || sent.Malformed("route", "contact") != "" {
			t.Errorf("%q makes %q", headers, wire)
		}
	})
}
