package ua

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/stunclient"
)

const stunAt = "203.0.113.20:3478"

func newSTUN(t testing.TB, change ...func(*STUNConfig)) *STUN {
	cfg := STUNConfig{Server: addr(stunAt)}
	for _, f := range change {
		f(&cfg)
	}
	return must(NewSTUN(cfg))(t)
}

// Two agents behind NATs of their own, filtering by address and port: the STUN manager's
// addresses and both sides' sending make the call.
func TestCallThroughNATs(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		for _, x := range []string{"10.0.1.0/24 198.51.100.1", "10.0.2.0/24 192.0.2.1"} {
			inside, outside, _ := strings.Cut(x, " ")
			n.addNAT(inside, outside).filter = true
		}
		stunServer(n, stunAt)
		p := newProxy(t, n, proxyAt)
		a, b := newAgent(t, n, "10.0.1.2:5060"), newAgent(t, n, "10.0.2.2:5060")
		b.onIncoming = answerNow
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		check(t, alice.SetPortManager(newSTUN(t)))
		check(t, bob.SetPortManager(newSTUN(t)))
		check(t, alice.Enable(t.Context()))
		check(t, bob.Enable(t.Context()))
		equal(t, "contact", p.contact("bob"), "sip:bob@192.0.2.1:61001")
		s, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		time.Sleep(5 * time.Minute) // the mappings are kept meanwhile
		for _, x := range []*Session{s, b.lastSession()} {
			before, _ := x.MediaStats()
			time.Sleep(time.Second)
			after, _ := x.MediaStats()
			if got := after.Sub(before); got.RTPReceived != 50 || after.RTCPReceived < 10 {
				t.Errorf("media: %d RTP in a second, %d RTCP in all", got.RTPReceived, after.RTCPReceived)
			}
			rtp, rtcp, _ := x.MediaRemote()
			if rtp.Addr().IsPrivate() || rtcp.Port() != rtp.Port()+1 {
				t.Errorf("remote %s %s", rtp, rtcp)
			}
		}
		check(t, s.Hangup(t.Context()))
		check(t, alice.Disable(t.Context()))
		check(t, bob.Disable(t.Context()))
	})
}

// The Binding requests leave from the ports they are about, again and again until the end.
func TestSTUNRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		stunServer(n, stunAt)
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		s := must(a.NewSession(nil))(t)
		check(t, s.SetPortManager(newSTUN(t, func(c *STUNConfig) { c.Refresh = 10 * time.Second })))
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:1@203.0.113.30") }()
		p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.31:4000"))
		p.request(sip.ACK)
		check(t, <-result)
		rtp := s.Mappings()[1].Internal
		for _, remote := range []string{"203.0.113.31:4000", "203.0.113.31:4001"} { // punched before the ACK
			to := n.packets(func(d datagram) bool { return d.dst == addr(remote) })
			if len(to) == 0 || to[0].data[1] != 0x11 || to[0].at.After(n.packets(sipText("ACK"))[0].at) {
				t.Errorf("to %s: %v", remote, to)
			}
		}
		asked := func() int {
			return len(n.packets(func(d datagram) bool { return d.dst == addr(stunAt) && d.src == rtp }))
		}
		time.Sleep(31 * time.Second)
		equal(t, "asked from the RTP port", asked(), 4)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
		count := len(n.packets(func(d datagram) bool { return d.dst == addr(stunAt) }))
		time.Sleep(time.Minute)
		equal(t, "asked after the end", len(n.packets(func(d datagram) bool { return d.dst == addr(stunAt) })), count)
	})
}

func TestSTUNOptions(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		stunServer(n, stunAt)
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		pm := newSTUN(t, func(c *STUNConfig) { c.NoRefresh, c.NoPunch = true, true })
		for range 2 { // the SIP port is asked for each time
			s := must(a.NewSession(nil))(t)
			check(t, s.SetPortManager(pm))
			result := make(chan error)
			go func() { result <- s.Call(t.Context(), "sip:1@203.0.113.30") }()
			p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.31:4000"))
			check(t, <-result)
		}
		time.Sleep(5 * time.Minute)
		equal(t, "asked", len(n.packets(func(d datagram) bool { return d.dst == addr(stunAt) })), 6)
		punches := n.packets(func(d datagram) bool { return d.dst == addr("203.0.113.31:4000") && d.data[0] < 4 })
		equal(t, "punches", len(punches), 0)
	})
}

// No server: four requests in the five seconds a manager has, then the call fails.
func TestSTUNServerSilent(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060")
		start := time.Now()
		_, err := a.call(t, nil, "sip:1@203.0.113.30", newSTUN(t))
		if !errors.Is(err, ErrPortMappingUnavailable) || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		equal(t, "asked", len(n.packets(func(d datagram) bool { return d.dst == addr(stunAt) })), 4)
	})
}

func TestSTUNRefreshFails(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		stunServer(n, stunAt)
		p := newProxy(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p)
		var errs []error
		check(t, alice.SetPortManager(newSTUN(t, func(c *STUNConfig) {
			c.Refresh = 10 * time.Second
			c.OnError = func(m Mapping, err error) { errs = append(errs, err) }
		})))
		check(t, alice.Enable(t.Context()))
		n.setDrop(func(d datagram) bool { return d.dst == addr(stunAt) })
		time.Sleep(time.Minute)
		synctest.Wait()
		n.setDrop(nil)
		time.Sleep(time.Minute)
		if len(errs) != 1 || !errors.Is(errs[0], stunclient.ErrTimeout) {
			t.Errorf("errors: %v", errs)
		}
		equal(t, "state", alice.State(), Registered)
		check(t, alice.Disable(t.Context()))
	})
}

// The media mapping changes in the middle of a call: the event says so, and Refresh
// tells the peer.
func TestRefreshAfterAMappingEvent(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
		stunServer(n, stunAt)
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Rport = true })
		b := newAgent(t, n, "203.0.113.30:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:b@203.0.113.30", newSTUN(t))
		check(t, err)
		was, _, _ := b.lastSession().MediaRemote()
		n.flush(nat)
		time.Sleep(30 * time.Second)
		changes := 0
		for _, e := range a.events() {
			if m, ok := e.(MappingEvent); ok && m.Session == s {
				changes++
			}
		}
		equal(t, "changes", changes, 3)
		check(t, s.Refresh(t.Context()))
		now, _, _ := b.lastSession().MediaRemote()
		if now == was || now != s.Mappings()[1].External {
			t.Errorf("was %s, is %s", was, now)
		}
		check(t, s.Hangup(t.Context()))
	})
}

func TestSTUNRefused(t *testing.T) {
	for _, c := range []STUNConfig{{}, {Server: addr("1.2.3.4:0")}, {Server: addr(stunAt), Refresh: -1}, {Server: addr(stunAt), Refresh: 1, NoRefresh: true}} {
		if _, err := NewSTUN(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
	s := newSTUN(t)
	if err := s.ReleaseMapping(t.Context(), Mapping{}); !errors.Is(err, ErrUnknownMapping) {
		t.Errorf("got %v", err)
	}
	if err := s.UpdateRemoteAddress(t.Context(), Mapping{}, netip.AddrPort{}); !errors.Is(err, ErrUnknownMapping) {
		t.Errorf("got %v", err)
	}
}
