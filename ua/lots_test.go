package ua

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Ten calls are answered at one moment, each on a goroutine of its own. Whichever is first,
// each call has the ports and the audio that the seed gives it.
func TestAnsweredAtOneMoment(t *testing.T) {
	for _, inTurn := range []bool{false, true} {
		seen := map[string]bool{}
		for range 20 {
			bubble(t, func(t *testing.T, n *memnet) {
				b := service(t, n, Service{MediaInTurn: inTurn}, func(c *Config) { c.MediaPortMin, c.MediaPortMax = 0, 0 })
				moment := time.Now().Add(time.Second)
				var sessions []*Session
				b.onIncoming = func(s *Session) {
					sessions = append(sessions, s)
					go func() {
						time.Sleep(time.Until(moment))
						_ = s.Answer(context.Background())
					}()
				}
				p := newPeer(t, n, "203.0.113.30:5060")
				for i := range 10 {
					p.sendText(serviceAt, p.invite("10.0.0.1", fmt.Sprint("c", i), sdpAt("203.0.113.30:4000")))
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				var lines []string
				for _, s := range sessions {
					m, ok := s.MediaStats()
					x, _ := s.Negotiated()
					if !ok {
						t.Errorf("%s has no media", s.CallID())
					}
					lines = append(lines, fmt.Sprintf("%s %d %v %v %x", s.CallID(), x.Local.SessionID, x.Local.RTP, x.Local.RTCP, m.SSRC))
				}
				slices.Sort(lines)
				seen[strings.Join(lines, "\n")] = true
			})
		}
		if len(seen) != 1 {
			t.Errorf("in turn %v: %d outcomes of 20 runs", inTurn, len(seen))
		}
	}
}
