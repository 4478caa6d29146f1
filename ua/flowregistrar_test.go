package ua

import (
	"testing"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
	"github.com/natproof/natproof/servers/registrar"
)

// Alice, behind a NAT and with private Contacts, registers by a flow with a server that routes
// by Contact: calls find her by the flow, requests of a dialog by its token or her GRUU, those
// of a subscription too, and when the NAT forgets the flow is mended.
func TestFlowsWithTheRegistrar(t *testing.T) {
	for _, gruu := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
			nat.filter = true
			n.setDrop(func(d datagram) bool { return nat.inside.Contains(d.dst.Addr()) && !nat.inside.Contains(d.src.Addr()) }) // no route
			srv := must(registrar.New(n.mustListen(proxyAt), registrar.Config{
				Domain: "example.com", Users: map[string]string{"alice": "a", "bob": "b"},
				Outbound: true, GRUU: true, FlowTimer: 2 * time.Minute, Agents: registrar.Agents{Presence: true},
			}))(t)
			go srv.Serve()
			defer srv.Close()
			rport := func(c *Config) { c.Rport = true }
			a, b := newAgent(t, n, "10.0.0.1:5060", rport), newAgent(t, n, "192.0.2.2:5060", rport)
			a.onIncoming, b.onIncoming = answerNow, answerNow
			alice := must(a.NewProfile(ProfileConfig{
				Account: Account{URI: "sip:alice@example.com", User: "alice", Password: "a"}, Registrar: addr(proxyAt),
				Outbound: Outbound{Instance: device, GRUU: gruu}, KeepAlive: KeepAlive{Kind: KeepAliveSTUN},
			}))(t)
			bob := must(b.NewProfile(ProfileConfig{Account: Account{URI: "sip:bob@example.com", User: "bob", Password: "b"}, Registrar: addr(proxyAt)}))(t)
			check(t, alice.Enable(t.Context()))
			check(t, bob.Enable(t.Context()))
			pub, _ := alice.GRUU()
			equal(t, "GRUU", pub != "", gruu)

			call := func(when, from, to string, by *agent, p *Profile) {
				t.Helper()
				s, err := by.call(t, p, to, nil)
				if err != nil {
					t.Errorf("gruu %v, %s, %s calls %s: %v", gruu, when, from, to, err)
					return
				}
				o := a.lastSession()
				if by == a {
					o = b.lastSession()
				}
				time.Sleep(3 * time.Minute)
				check(t, o.Hold(t.Context())) // by the Contact of who has called
				time.Sleep(time.Second)
				check(t, s.Hold(t.Context())) // and of who was called
				check(t, o.Hangup(t.Context()))
				<-s.Done()
			}
			call("first", "bob", "sip:alice@example.com", b, bob)
			call("first", "alice", "sip:bob@example.com", a, alice)
			if gruu {
				call("first", "bob", pub, b, bob)
			}
			sub := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@example.com", Event: "presence"}))(t)
			time.Sleep(10 * time.Minute)
			body := must(eventbody.Presence{Entity: "sip:bob@example.com", Tuples: []eventbody.Tuple{{ID: "a", Basic: eventbody.Open}}}.Write())(t)
			must(bob.Publish(t.Context(), PublishConfig{Event: "presence", ContentType: eventbody.PresenceType, Body: body}))(t)
			time.Sleep(time.Second)
			heard := 0
			for _, e := range a.events() {
				if e, ok := e.(NotifyEvent); ok && string(e.Body) == string(body) {
					heard++
				}
			}
			equal(t, "presence", heard, 1)
			check(t, sub.Unsubscribe(t.Context()))

			n.flush(nat)
			n.mu.Lock()
			nat.next += 100
			n.mu.Unlock()
			time.Sleep(3 * time.Minute)
			call("after the NAT has forgotten", "bob", "sip:alice@example.com", b, bob)
			equal(t, "outcomes", outcomes(a.Stats()), a.Stats().Datagrams)
		})
	}
}
