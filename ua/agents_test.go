package ua

import (
	"testing"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
	"github.com/natproof/natproof/servers/registrar"
)

// The registrar's agents and our user agent: Alice, behind a NAT, watches Bob's presence,
// which he publishes, and her own mailbox. With a private Contact the policy decides, as it
// does for calls.
func TestRegistrarsAgents(t *testing.T) {
	for policy, works := range map[registrar.Policy]bool{registrar.PolicyReceived: true, registrar.PolicyContact: false} {
		bubble(t, func(t *testing.T, n *memnet) {
			nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
			nat.filter = true
			n.setDrop(func(d datagram) bool { return nat.inside.Contains(d.dst.Addr()) && !nat.inside.Contains(d.src.Addr()) }) // no route
			srv := must(registrar.New(n.mustListen(proxyAt), registrar.Config{Domain: "example.com", Policy: policy,
				Users: map[string]string{"alice": "a", "bob": "b"}, Agents: registrar.Agents{Presence: true, Messages: true}}))(t)
			go srv.Serve()
			defer srv.Close()
			rport := func(c *Config) { c.Rport = true }
			a, b := newAgent(t, n, "10.0.0.1:5060", rport), newAgent(t, n, "192.0.2.2:5060", rport)
			alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com", User: "alice", Password: "a"}, Registrar: addr(proxyAt)}))(t)
			bob := must(b.NewProfile(ProfileConfig{Account: Account{URI: "sip:bob@example.com", User: "bob", Password: "b"}, Registrar: addr(proxyAt)}))(t)
			check(t, bob.Enable(t.Context()))
			presence := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@example.com", Event: "presence"}))(t)
			if !works {
				time.Sleep(33 * time.Second)
				equal(t, "subscriptions", len(srv.Subscriptions("bob")), 0)
				state, _ := presence.State()
				equal(t, "state", state, SubscriptionFailed)
				return
			}
			mailbox := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:alice@example.com", Event: "message-summary", Expires: 2 * time.Minute}))(t)
			time.Sleep(time.Second)
			last := func() NotifyEvent {
				t.Helper()
				es := a.events()
				for i := len(es) - 1; i >= 0; i-- {
					if e, ok := es[i].(NotifyEvent); ok {
						return e
					}
				}
				t.Fatal("no NOTIFY")
				return NotifyEvent{}
			}
			body := must(eventbody.Presence{Entity: "sip:bob@example.com", Tuples: []eventbody.Tuple{{ID: "a", Basic: eventbody.Open}}}.Write())(t)
			p := must(bob.Publish(t.Context(), PublishConfig{Event: "presence", ContentType: eventbody.PresenceType, Body: body, Expires: 2 * time.Minute}))(t)
			time.Sleep(5 * time.Second)
			equal(t, "presence", string(last().Body), string(body))
			check(t, srv.SetMessages("alice", 2, 3))
			time.Sleep(time.Second)
			equal(t, "new", must(eventbody.ReadSummary(last().Body))(t).Of(eventbody.Voice).New, 2)
			time.Sleep(3 * time.Hour) // all of it refreshed
			equal(t, "subscriptions", len(srv.Subscriptions("alice"))+len(srv.Subscriptions("bob")), 2)
			equal(t, "publications", srv.Stats().Publications, 1)
			equal(t, "failed", srv.Stats().NotifyFailed, 0)
			check(t, p.Remove(t.Context()))
			time.Sleep(5 * time.Second)
			equal(t, "tuples", len(must(eventbody.ReadPresence(last().Body))(t).Tuples), 0)
			check(t, presence.Unsubscribe(t.Context()))
			check(t, mailbox.Unsubscribe(t.Context()))
			time.Sleep(time.Minute)
			equal(t, "subscriptions", srv.Stats().Subscriptions, 0)
		})
	}
}
