package ua

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// sentAt lists what left an address at one moment: the method or code, and the Call-ID or user.
func sentAt(t *testing.T, n *memnet, from string, at time.Time) string {
	var list []string
	for _, d := range n.packets(func(d datagram) bool { return d.src == addr(from) && d.at.Equal(at) }) {
		m, err := sip.ParseMessage(d.data)
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *sip.Request:
			name := m.CallID().Value()
			if m.Method == sip.REGISTER || m.Method == sip.CANCEL {
				name = m.To().Address.User
			}
			list = append(list, string(m.Method)+" "+name)
		case *sip.Response:
			list = append(list, fmt.Sprint(m.StatusCode, " ", m.CallID().Value()))
		}
	}
	return strings.Join(list, ", ")
}

// Nobody answers what Shutdown sends: it all leaves at once, in the order in which the
// sessions were made, whatever their Call-IDs are and whichever goroutine is first.
func TestShutdownTellsInOrder(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := newAgent(t, n, serviceAt), newPeer(t, n, "203.0.113.30:5060")
			b.onIncoming = func(s *Session) {
				if s.CallID() != "ringing" {
					answerNow(s)
				}
			}
			talk := func(id string, ack bool) {
				p.sendText(serviceAt, p.invite("10.0.0.1", id, sdpAt("203.0.113.30:4000")))
				if id == "ringing" {
					time.Sleep(time.Second) // until there is a session
					return
				}
				tag, _ := p.response(200).To().Params.Get("tag")
				if ack {
					p.sendText(serviceAt, p.inDialog("ACK", "10.0.0.1", id, tag, 1, ""))
				}
				time.Sleep(100 * time.Millisecond)
			}
			for _, id := range []string{"z", "y", "x", "w"} {
				talk(id, true)
			}
			talk("ringing", false)
			s := must(b.NewSession(nil))(t)
			go func() { _ = s.Call(context.Background(), "sip:callee@203.0.113.30") }()
			p.reply(p.request(sip.INVITE), 180, "one")
			time.Sleep(time.Second)
			talk("v", true)
			talk("no ACK", false) // the BYE has to wait
			for _, id := range []string{"u", "t", "a"} {
				talk(id, true)
			}
			synctest.Wait()
			now := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			check(t, b.Shutdown(ctx))
			equal(t, "sent", sentAt(t, n, serviceAt, now),
				"BYE z, BYE y, BYE x, BYE w, 603 ringing, CANCEL callee, BYE v, BYE u, BYE t, BYE a")
		})
	}
}

func TestShutdownUnregistersInOrder(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, n *memnet) {
			p := newProxy(t, n, "203.0.113.10:5060")
			a := newAgent(t, n, "10.0.0.1:5060")
			for _, user := range []string{"dora", "carol", "bob", "alice"} {
				check(t, a.profile(t, user, p).Enable(t.Context()))
			}
			p.set(func() { p.silent = true })
			now := time.Now()
			check(t, a.Shutdown(t.Context()))
			equal(t, "sent", sentAt(t, n, "10.0.0.1:5060", now), "REGISTER dora, REGISTER carol, REGISTER bob, REGISTER alice")
		})
	}
}
