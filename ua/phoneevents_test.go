package ua

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/eventbody"
)

// Somebody watches a phone that is called.
func TestPhoneEvents(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := newAgent(t, n, "10.0.0.2:5060", func(c *Config) {
			c.Notifier.Packages = []EventPackage{PresencePackage(), DialogPackage()}
		})
		must(b.NewProfile(ProfileConfig{Account: Account{URI: "sip:bob@example.com"}, Registrar: addr("10.0.0.9:5060")}))(t)
		b.onIncoming = answerNow
		w, alice := watcher(t, n)
		for _, event := range []string{"presence", "dialog"} {
			must(alice.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: event, Accept: []string{"application/pidf+xml", "application/dialog-info+xml"}}))(t)
		}
		c := newAgent(t, n, "10.0.0.3:5060")
		time.Sleep(time.Second)
		s, err := c.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Second)
		check(t, s.Hangup(t.Context()))
		time.Sleep(time.Second)
		var presence, dialogs []string
		for _, e := range w.events() {
			e, ok := e.(NotifyEvent)
			switch {
			case !ok:
			case e.Event == "presence":
				p := must(eventbody.ReadPresence(e.Body))(t)
				equal(t, "entity", p.Entity, "sip:bob@10.0.0.2")
				presence = append(presence, fmt.Sprint(p.Open(), len(p.Notes)))
			default:
				d := must(eventbody.ReadDialogInfo(e.Body))(t)
				equal(t, "version", int(d.Version), len(dialogs))
				text := ""
				for _, x := range d.Dialogs {
					equal(t, "Call-ID", x.CallID, s.CallID())
					text += x.State + " " + x.Direction
				}
				dialogs = append(dialogs, text)
			}
		}
		equal(t, "presence", strings.Join(presence, ", "), "true 0, true 1, true 1, true 1, true 0")
		equal(t, "dialogs", strings.Join(dialogs, ", "), ", early recipient, early recipient, confirmed recipient, ")
	})
}

// What one event makes several subscriptions tell leaves in one order.
func TestChangedInOrder(t *testing.T) {
	first := ""
	for range 20 {
		bubble(t, func(t *testing.T, n *memnet) {
			b := watched(t, n)
			for i := range 10 {
				a := newAgent(t, n, fmt.Sprintf("10.0.1.%d:5060", i))
				p := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: addr("10.0.0.2:5060")}))(t)
				must(p.Subscribe(t.Context(), SubscribeConfig{Target: "sip:bob@10.0.0.2", Event: "presence"}))(t)
			}
			time.Sleep(time.Second)
			b.Changed("presence")
			b.Changed("presence")
			time.Sleep(time.Second)
			order := ""
			for _, d := range n.packets(sipText("NOTIFY")) {
				_, body, _ := strings.Cut(string(d.data), "\r\n\r\n")
				order += d.dst.String() + " " + body + "\n"
			}
			if first == "" {
				first = order
			}
			if order != first {
				t.Errorf("first\n%s, now\n%s", first, order)
			}
		})
	}
	equal(t, "NOTIFYs", strings.Count(first, "\n"), 30)
}
