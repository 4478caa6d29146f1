package ua

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/eventbody"
	"github.com/natproof/natproof/servers/registrar"
)

// Alice, behind a NAT that lets in nobody but whom she has sent to, watches Bob's calls through
// a proxy that stays on the way. With private Contacts the proxy's policy decides: by what it
// writes a NOTIFY finds her, by what she wrote it does not, and Timer N says so.
func TestSubscribeThroughProxy(t *testing.T) {
	for policy, works := range map[registrar.Policy]bool{registrar.PolicyReceived: true, registrar.PolicyContact: false} {
		bubble(t, func(t *testing.T, n *memnet) {
			nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
			nat.filter = true
			n.setDrop(func(d datagram) bool { return nat.inside.Contains(d.dst.Addr()) && !nat.inside.Contains(d.src.Addr()) }) // no route
			srv := must(registrar.New(n.mustListen(proxyAt), registrar.Config{Domain: "example.com", Policy: policy}))(t)
			go srv.Serve()
			defer srv.Close()
			rport := func(c *Config) { c.Rport = true }
			a := newAgent(t, n, "10.0.0.1:5060", rport)
			b := newAgent(t, n, "192.0.2.2:5060", rport, func(c *Config) { c.Notifier.Packages = []EventPackage{DialogPackage()} })
			alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: addr(proxyAt)}))(t)
			bob := must(b.NewProfile(ProfileConfig{Account: Account{URI: "sip:bob@example.com"}, Registrar: addr(proxyAt)}))(t)
			check(t, bob.Enable(t.Context()))
			s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@example.com", Event: "dialog", Expires: 5 * time.Minute}))(t)
			if !works {
				<-time.After(33 * time.Second)
				var te *TimeoutError
				es := a.events()
				if e, ok := es[len(es)-1].(SubscriptionEvent); !ok || !errors.As(e.Err, &te) || te.Method != string(sip.NOTIFY) {
					t.Errorf("got %+v", es[len(es)-1])
				}
				state, _ := s.State()
				equal(t, "state", state, SubscriptionFailed)
				return
			}
			time.Sleep(time.Second)
			c := newAgent(t, n, "192.0.2.3:5060")
			call := must(c.NewSession(nil))(t)
			go call.Call(t.Context(), "sip:bob@192.0.2.2")
			time.Sleep(time.Second)
			es := a.events()
			e, ok := es[len(es)-1].(NotifyEvent)
			if !ok {
				t.Fatalf("got %+v", es[len(es)-1])
			}
			d := must(eventbody.ReadDialogInfo(e.Body))(t)
			equal(t, "dialogs", len(d.Dialogs), 1)
			equal(t, "state", d.Dialogs[0].State, "early")
			check(t, call.Hangup(t.Context()))
			time.Sleep(20 * time.Minute) // refreshed through the proxy
			equal(t, "watchers", len(b.Watchers("dialog")), 1)
			equal(t, "events", strings.Count(a.subscriptions(), "notify_wait"), 1) // one subscription all the time
			check(t, s.Unsubscribe(t.Context()))
			time.Sleep(time.Second)
			equal(t, "watchers", len(b.Watchers("dialog")), 0)
		})
	}
}
