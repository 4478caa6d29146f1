package ua

import (
	"net"
	"testing"
	"time"

	"github.com/natproof/natproof/media"
)

// A peer whose media comes from another port than it says is called; then a stranger sends a
// packet; then the peer moves, and one packet of the old place is late. Where media goes after
// each.
func TestLatchPolicies(t *testing.T) {
	const said, from, stranger, moved = "203.0.113.30:4000", "203.0.113.30:60000", "192.0.2.66:666", "203.0.113.31:4000"
	for _, x := range []struct {
		policy                     media.Latch
		first, attacked, late, end string
	}{
		{media.LatchOff, said, said, moved, moved},
		{media.LatchAlways, from, stranger, from, moved},
		{media.LatchOnce, from, from, from, from}, // the late one is the first since the re-INVITE
		{media.LatchWindow, from, from, from, moved},
		{media.LatchSameAddress, from, from, moved, moved},
	} {
		t.Run(x.policy.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b := newAgent(t, n, "10.0.0.1:5060", func(c *Config) {
					c.Latch = x.policy
					if x.policy == media.LatchWindow {
						c.LatchFor = 2 * time.Second
					}
				})
				b.onIncoming = answerNow
				p := newPeer(t, n, "203.0.113.30:5060")
				p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c", sdpAt(said)))
				res := p.response(200)
				to := must(media.Parse(res.Body()))(t).RTP
				tag, _ := res.To().Params.Get("tag")
				p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c", tag, 1, ""))
				time.Sleep(time.Second)
				seq := byte(0)
				goesTo := func(src string) string {
					seq++
					conn := n.mustListen(src)
					conn.WriteTo(append([]byte{0x80, 0, 0, seq, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 160)...), net.UDPAddrFromAddrPort(to))
					time.Sleep(500 * time.Millisecond)
					conn.Close()
					st, _ := b.lastSession().MediaStats()
					return st.SendTo.String()
				}
				equal(t, "first", goesTo(from), x.first)
				time.Sleep(time.Second)
				equal(t, "attacked", goesTo(stranger), x.attacked)
				goesTo(from)
				p.sendText("10.0.0.1:5060", p.inDialog("INVITE", "10.0.0.1", "c", tag, 2, sdpAt(moved)))
				p.response(200)
				p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c", tag, 2, ""))
				time.Sleep(100 * time.Millisecond)
				equal(t, "late", goesTo(from), x.late)
				equal(t, "at the end", goesTo(moved), x.end)
			})
		})
	}
}
