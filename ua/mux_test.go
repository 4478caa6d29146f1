package ua

import (
	"testing"
	"time"
)

// Whoever takes rtcp-mux back, or takes it up, by an offer or by an answer, RTCP goes on: by
// ports of its own where one end does not multiplex (RFC 5761 section 5.1.1).
func TestRTCPMuxChanges(t *testing.T) {
	for name, x := range map[string]struct {
		first, then muxed
		byCallee    bool // who sends the offer
	}{
		"the caller no longer offers":   {muxed{true, true}, muxed{false, true}, false},
		"the callee no longer offers":   {muxed{true, true}, muxed{true, false}, true},
		"the callee no longer accepts":  {muxed{true, true}, muxed{true, false}, false},
		"the caller no longer accepts":  {muxed{true, true}, muxed{false, true}, true},
		"the callee accepts now":        {muxed{true, false}, muxed{true, true}, false},
		"the caller accepts now":        {muxed{false, true}, muxed{true, true}, true},
		"nothing changes":               {muxed{true, true}, muxed{true, true}, false},
		"nothing changes by the callee": {muxed{true, true}, muxed{true, true}, true},
		"never agreed":                  {muxed{true, false}, muxed{true, false}, false},
		"never agreed by the callee":    {muxed{false, true}, muxed{false, true}, true},
	} {
		t.Run(name, func(t *testing.T) { muxChanges(t, x.first, x.then, x.byCallee, false) })
		t.Run(name+" by UPDATE", func(t *testing.T) { muxChanges(t, x.first, x.then, x.byCallee, true) })
	}
}

// muxed says who multiplexes.
type muxed struct{ caller, callee bool }

func muxChanges(t *testing.T, first, then muxed, byCallee, update bool) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, sa, sb := pair(t, n, Options{RTCPMux: first.caller, Update: update}, Options{RTCPMux: first.callee, Update: update})
		offer := (*Session).Refresh
		if update {
			offer = (*Session).Update
		}
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
		look("first", first.caller && first.callee)
		a.cfg.RTCPMux, b.cfg.RTCPMux = then.caller, then.callee
		for range 2 {
			if byCallee {
				check(t, offer(sb, t.Context()))
			} else {
				check(t, offer(sa, t.Context()))
			}
			look("then", then.caller && then.callee)
		}
		check(t, sa.Hangup(t.Context()))
		time.Sleep(time.Second)
		equal(t, "sockets", n.open(), 2)
	})
}
