package ua

import (
	"testing"
	"time"
)

// Whoever takes rtcp-mux back, or takes it up, by an offer or by an answer, RTCP goes on: by
// ports of its own where one end does not multiplex (RFC 5761 section 5.1.1).
func TestRTCPMuxChanges(t *testing.T) {
	type ends struct{ caller, callee bool }
	for name, x := range map[string]struct {
		first, then ends
		byCallee    bool // who sends the re-INVITE
	}{
		"the caller no longer offers":   {ends{true, true}, ends{false, true}, false},
		"the callee no longer offers":   {ends{true, true}, ends{true, false}, true},
		"the callee no longer accepts":  {ends{true, true}, ends{true, false}, false},
		"the caller no longer accepts":  {ends{true, true}, ends{false, true}, true},
		"the callee accepts now":        {ends{true, false}, ends{true, true}, false},
		"the caller accepts now":        {ends{false, true}, ends{true, true}, true},
		"nothing changes":               {ends{true, true}, ends{true, true}, false},
		"nothing changes by the callee": {ends{true, true}, ends{true, true}, true},
		"never agreed":                  {ends{true, false}, ends{true, false}, false},
		"never agreed by the callee":    {ends{false, true}, ends{false, true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b, sa, sb := pair(t, n, Options{RTCPMux: x.first.caller}, Options{RTCPMux: x.first.callee})
				look := func(when string, mux bool) {
					t.Helper()
					xa, _ := sa.MediaStats()
					xb, _ := sb.MediaStats()
					time.Sleep(30 * time.Second)
					ya, _ := sa.MediaStats()
					yb, _ := sb.MediaStats()
					for _, d := range []struct {
						who  string
						got  uint64
						bad  uint64
						same bool
					}{
						{"caller", ya.Sub(xa).RTCPReceived, ya.Malformed, ya.RTCPSendTo == ya.SendTo},
						{"callee", yb.Sub(xb).RTCPReceived, yb.Malformed, yb.RTCPSendTo == yb.SendTo},
					} {
						if d.got < 3 || d.bad != 0 || d.same != mux {
							t.Errorf("%s, %s: %d reports, %d malformed, on the RTP port: %v", when, d.who, d.got, d.bad, d.same)
						}
					}
					if ya.Sub(xa).RTPReceived != 1500 || yb.Sub(xb).RTPReceived != 1500 {
						t.Errorf("%s: RTP %d, %d", when, ya.Sub(xa).RTPReceived, yb.Sub(xb).RTPReceived)
					}
				}
				look("first", x.first.caller && x.first.callee)
				a.cfg.RTCPMux, b.cfg.RTCPMux = x.then.caller, x.then.callee
				for range 2 {
					if x.byCallee {
						check(t, sb.Refresh(t.Context()))
					} else {
						check(t, sa.Refresh(t.Context()))
					}
					look("then", x.then.caller && x.then.callee)
				}
				check(t, sa.Hangup(t.Context()))
				time.Sleep(time.Second)
				equal(t, "sockets", n.open(), 2)
			})
		})
	}
}
