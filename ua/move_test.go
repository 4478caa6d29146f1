package ua

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A NAT that restarts in mid-call: the call is renewed, and everything gets through again.
func TestRenewAfterRestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		stunServer(n, "203.0.113.20:3478")
		nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "192.0.2.2:5060")
		b.onIncoming = answerNow
		rec := NewRecorder(must(NewSTUN(STUNConfig{Server: addr("203.0.113.20:3478"), Refresh: time.Hour}))(t))
		s, err := a.call(t, nil, "sip:bob@192.0.2.2", rec)
		check(t, err)
		time.Sleep(time.Second)
		o := b.lastSession()
		equal(t, "heard", hears(s), 50)
		n.flush(nat)
		n.mu.Lock()
		nat.next += 100
		n.mu.Unlock()
		equal(t, "heard after the restart", hears(s), 0)
		check(t, s.Renew(t.Context()))
		time.Sleep(time.Second)
		equal(t, "caller hears", hears(s), 50)
		equal(t, "callee hears", hears(o), 50)
		rtp, _, _ := o.MediaRemote()
		equal(t, "signalled", rtp, s.Mappings()[1].External)
		var calls []string
		for _, c := range rec.Calls()[3:] {
			calls = append(calls, c.Method+" "+c.Type.String())
		}
		equal(t, "manager", strings.Join(calls, ", "), "GetMapping SIP, GetMapping RTP, GetMapping RTCP, "+
			"ReleaseMapping SIP, ReleaseMapping RTP, ReleaseMapping RTCP")
		check(t, o.Hangup(t.Context())) // by the new Contact
		<-s.Done()
		equal(t, "sockets", n.open(), 3)
	})
}

// What a list forwards is forwarded still, and is free for the next call afterwards.
func TestRenewOfAList(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		pm := forwarded(t)
		for range 2 {
			s, err := a.call(t, nil, "sip:bob@10.0.0.2", pm)
			check(t, err)
			before := s.Mappings()
			check(t, s.Hold(t.Context()))
			check(t, s.Renew(t.Context()))
			equal(t, "state", s.State(), Hold)
			for i, m := range s.Mappings() {
				equal(t, "mapping", m, before[i])
			}
			check(t, s.Renew(t.Context()))
			check(t, s.Resume(t.Context()))
			check(t, s.Hangup(t.Context()))
		}
		equal(t, "used", len(pm.used), 0)
		equal(t, "free", len(pm.free), 3)
	})
}

// The host gets another address: profile and call follow, with old-style and new sockets
// alike, and the peer reaches both.
func TestMove(t *testing.T) {
	for _, asymmetric := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			p := newProxy(t, n, "203.0.113.10:5060")
			a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Asymmetric, c.Rport = asymmetric, asymmetric })
			b := newAgent(t, n, "10.0.0.2:5060")
			b.onIncoming = answerNow
			alice, bob := a.profile(t, "alice", p, func(c *ProfileConfig) { c.KeepAlive.Kind = KeepAliveOPTIONS }), b.profile(t, "bob", p)
			check(t, alice.Enable(t.Context()))
			check(t, bob.Enable(t.Context()))
			s, err := a.call(t, alice, "sip:bob@example.com", nil)
			check(t, err)
			time.Sleep(time.Second)
			o := b.lastSession()
			sockets := n.open()
			check(t, a.Move(t.Context(), netip.MustParseAddr("10.0.0.5")))
			equal(t, "address", a.Addr(), addr("10.0.0.5:5060"))
			equal(t, "contact", p.contact("alice"), "sip:alice@10.0.0.5:5060")
			equal(t, "sockets", n.open(), sockets)
			time.Sleep(time.Second)
			equal(t, "caller hears", hears(s), 50)
			equal(t, "callee hears", hears(o), 50)
			stats, _ := o.MediaStats()
			equal(t, "from", stats.LastFrom.Addr().String(), "10.0.0.5")
			equal(t, "RTCP from", stats.RTCPLastFrom.Addr().String(), "10.0.0.5")
			check(t, a.Move(t.Context(), netip.MustParseAddr("10.0.0.5"))) // asks again
			time.Sleep(10 * time.Minute)
			for _, d := range n.packets(func(d datagram) bool { return d.src.Addr().String() == "10.0.0.1" }) {
				if time.Since(d.at) < 10*time.Minute {
					t.Fatalf("from the old address: %v", d)
				}
			}
			check(t, o.Hangup(t.Context()))
			<-s.Done()
			equal(t, "caller", a.states(), "in progress, connected, connected, connected, disconnected(normal)")
			next := must(b.NewSession(bob))(t)
			a.mu.Lock()
			a.onIncoming = answerNow
			a.mu.Unlock()
			check(t, next.Call(t.Context(), "sip:alice@example.com"))
			check(t, a.Shutdown(t.Context()))
			equal(t, "registered", p.count(), 1)
			for _, e := range a.events() {
				if u, ok := e.(UnsentEvent); ok {
					t.Errorf("%+v", u)
				}
				if e, ok := e.(SocketEvent); ok {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// Calls that are being set up end: their peers know the old address only.
func TestMoveWhileRinging(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.2") }()
		time.Sleep(time.Second)
		check(t, a.Move(t.Context(), netip.MustParseAddr("10.0.0.5")))
		if err := <-result; !errors.Is(err, ErrMoved) {
			t.Errorf("got %v", err)
		}
		check(t, b.Move(t.Context(), netip.MustParseAddr("10.0.0.6")))
		if _, err := b.lastSession().Reason(); !errors.Is(err, ErrMoved) {
			t.Errorf("got %v", err)
		}
		for _, bad := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.MustParseAddr("224.0.0.1")} {
			if err := a.Move(t.Context(), bad); !errors.Is(err, ErrConfig) {
				t.Errorf("to %v: %v", bad, err)
			}
		}
	})
}

// Without new mappings everything stays as it was, and the profile goes on trying.
func TestMoveWithoutPort(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, "203.0.113.10:5060")
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		fails := false
		pm := &funcManager{get: func(ctx context.Context, r MappingRequest) (Mapping, error) {
			if fails && r.Type != AudioRTP {
				return Mapping{}, errors.New("no")
			}
			return Local{}.GetMapping(ctx, r)
		}}
		alice := a.profile(t, "alice", p)
		check(t, alice.SetPortManager(pm))
		check(t, alice.Enable(t.Context()))
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", pm)
		check(t, err)
		fails = true
		if err := s.Renew(t.Context()); !errors.Is(err, ErrPortMappingUnavailable) {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		equal(t, "heard", hears(s), 50)
		if err := a.Move(t.Context(), netip.MustParseAddr("10.0.0.5")); !errors.Is(err, ErrPortMappingUnavailable) {
			t.Errorf("got %v", err)
		}
		fails = false
		time.Sleep(time.Minute)
		equal(t, "registered", alice.State(), Registered)
		check(t, s.Renew(t.Context()))
		time.Sleep(time.Second)
		equal(t, "heard", hears(s), 50)
		check(t, s.Hangup(t.Context()))
	})
}

// Behind a NAT, a move asks the server from the new sockets, and nothing of the old ones is kept.
func TestMoveWithSTUN(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		stunServer(n, "203.0.113.20:3478")
		p := newProxy(t, n, "203.0.113.10:5060")
		n.addNAT("10.0.0.0/24", "198.51.100.1")
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "192.0.2.2:5060")
		b.onIncoming = answerNow
		pm := must(NewSTUN(STUNConfig{Server: addr("203.0.113.20:3478")}))(t)
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		check(t, alice.SetPortManager(pm))
		check(t, alice.Enable(t.Context()))
		check(t, bob.Enable(t.Context()))
		s, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		was := s.Mappings()
		check(t, a.Move(t.Context(), netip.MustParseAddr("10.0.0.7")))
		for i, m := range s.Mappings() {
			if m.Internal.Addr().String() != "10.0.0.7" || m.External == was[i].External {
				t.Errorf("%v was %v", m, was[i])
			}
		}
		equal(t, "kept", len(pm.entries), 3)
		contact, _ := alice.Mapping()
		equal(t, "contact", p.contact("alice"), "sip:alice@"+contact.External.String())
		time.Sleep(time.Minute) // beyond a refresh
		equal(t, "caller hears", hears(s), 50)
		equal(t, "callee hears", hears(b.lastSession()), 50)
		check(t, b.lastSession().Hangup(t.Context()))
		<-s.Done()
		check(t, a.Shutdown(t.Context()))
		equal(t, "kept", len(pm.entries), 0)
		equal(t, "registered", p.count(), 1)
	})
}
