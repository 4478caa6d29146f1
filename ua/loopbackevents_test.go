package ua

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/eventbody"
)

// Over the operating system's sockets: a phone is watched, called, and no longer watched.
func TestLoopbackEvents(t *testing.T) {
	defer goleak.VerifyNone(t)
	told := make(chan NotifyEvent, 10)
	a := newAgent(t, nil, "127.0.0.2:35062", loopback, func(c *Config) {
		c.OnEvent = func(e Event) {
			if e, ok := e.(NotifyEvent); ok {
				told <- e
			}
		}
	})
	b := newAgent(t, nil, "127.0.0.3:35062", loopback, func(c *Config) { c.Notifier.Packages = []EventPackage{DialogPackage()} })
	alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: addr("127.0.0.3:35062")}))(t)
	s := must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@127.0.0.3", Event: "dialog"}))(t)
	equal(t, "dialogs", len(must(eventbody.ReadDialogInfo((<-told).Body))(t).Dialogs), 0)
	call := must(a.NewSession(nil))(t)
	go call.Call(t.Context(), "sip:bob@127.0.0.3:35062")
	d := must(eventbody.ReadDialogInfo((<-told).Body))(t)
	equal(t, "dialogs", len(d.Dialogs), 1)
	equal(t, "state", d.Dialogs[0].State, "early")
	check(t, call.Hangup(t.Context()))
	equal(t, "dialogs", len(must(eventbody.ReadDialogInfo((<-told).Body))(t).Dialogs), 0)
	check(t, s.Unsubscribe(t.Context()))
	check(t, a.Close())
	check(t, b.Close())
}
