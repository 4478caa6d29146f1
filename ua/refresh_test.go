package ua

import (
	"strings"
	"testing"
	"time"
)

// A short registration never lapses, not even where the first REGISTER of a refresh and all
// its copies are lost.
func TestShortExpiryIsRefreshedInTime(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.Expires = 2 * time.Minute })
		check(t, alice.Enable(t.Context()))
		start := time.Now()
		// Forty seconds, around the first refresh, in which the registrar hears nothing.
		n.setDrop(func(d datagram) bool {
			since := time.Since(start)
			return d.dst == p.at && since > time.Minute && since < 100*time.Second
		})
		time.Sleep(time.Hour)
		heard := []time.Duration{0}
		for _, d := range n.packets(sipText("REGISTER")) {
			if since := d.at.Sub(start); since > 100*time.Second {
				heard = append(heard, since)
			}
		}
		for i := 1; i < len(heard); i++ {
			if gap := heard[i] - heard[i-1]; gap > 2*time.Minute {
				t.Errorf("not registered between %v and %v", heard[i-1], heard[i])
			}
		}
		if len(heard) < 40 {
			t.Errorf("%d REGISTERs", len(heard))
		}
		for _, e := range a.events() {
			if r, ok := e.(RegistrationEvent); ok && r.State == Registered {
				equal(t, "expires", r.Expires, 2*time.Minute)
			}
		}
		equal(t, "asked for", strings.Contains(p.seenRegisters()[0].Contact().Value(), ";expires=120"), true)
	})
}
