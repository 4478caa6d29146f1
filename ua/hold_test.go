package ua

import (
	"net"
	"testing"
	"time"

	"github.com/natproof/natproof/media"
)

// The ways in which peers hold (RFC 3264 section 8.4), in a re-INVITE and in the offer that
// begins the call.
func TestHoldReceived(t *testing.T) {
	const at = "203.0.113.30:4000"
	plain := sdpAt(at)
	old := func(t *testing.T, attributes ...string) string {
		return changed(t, sdpAt(at, attributes...), "c=IN IP4 203.0.113.30", "c=IN IP4 0.0.0.0")
	}
	for _, x := range []struct {
		name       string
		sdp        string
		answer     media.Direction
		state      SessionState
		send, recv bool
		reports    bool // RTCP goes on
	}{
		{"inactive", sdpAt(at, "inactive"), media.Inactive, Hold, false, false, true},
		{"sendonly", sdpAt(at, "sendonly"), media.RecvOnly, Hold, false, true, true},
		{"0.0.0.0", old(t), media.SendRecv, Hold, false, true, false},
		{"0.0.0.0 and sendonly", old(t, "sendonly"), media.RecvOnly, Hold, false, true, false},
		{"0.0.0.0 and inactive", old(t, "inactive"), media.Inactive, Hold, false, false, false},
		{"0.0.0.0 and a=rtcp", old(t, "rtcp:4001 IN IP4 203.0.113.30"), media.SendRecv, Hold, false, true, false},
		{"for the session", changed(t, plain, "t=0 0\r\n", "t=0 0\r\na=inactive\r\n"), media.Inactive, Hold, false, false, true},
		{"recvonly is none", sdpAt(at, "recvonly"), media.SendOnly, Connected, true, false, true},
	} {
		for _, first := range []bool{false, true} {
			name := x.name
			if first {
				name += ", at first"
			}
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T, n *memnet) {
					b := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Latch = media.LatchAlways })
					b.onIncoming = answerNow
					p := newPeer(t, n, "203.0.113.30:5060")
					voice := n.mustListen(at)
					cseq, tag := 0, ""
					say := func(sdp string) media.Description {
						t.Helper()
						cseq++
						if cseq == 1 {
							p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c", sdp))
						} else {
							p.sendText("10.0.0.1:5060", p.inDialog("INVITE", "10.0.0.1", "c", tag, cseq, sdp))
						}
						res := p.response(200)
						tag, _ = res.To().Params.Get("tag")
						p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c", tag, cseq, ""))
						time.Sleep(time.Second)
						return must(media.Parse(res.Body()))(t)
					}
					if !first {
						say(plain)
					}
					answer := say(x.sdp)
					s := b.lastSession()
					equal(t, "answer", answer.Direction, x.answer)
					equal(t, "state", s.State(), x.state)

					before, _ := s.MediaStats()
					for seq := range byte(10) { // the peer's music, 20 ms after each other
						voice.WriteTo(append([]byte{0x80, 0, 0, seq, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 160)...), net.UDPAddrFromAddrPort(answer.RTP))
						time.Sleep(20 * time.Millisecond)
					}
					time.Sleep(30 * time.Second)
					after, _ := s.MediaStats()
					d := after.Sub(before)
					equal(t, "sends", d.RTPSent > 0, x.send)
					equal(t, "reports", d.RTCPSent > 0, x.reports)
					equal(t, "errors", d.SendErrors, 0)
					wantHeard, wantHeld := uint64(10), uint64(0)
					if !x.recv {
						wantHeard, wantHeld = 0, 10
					}
					equal(t, "heard", d.RTPReceived, wantHeard)
					equal(t, "came all the same", d.RTPHeld, wantHeld)

					equal(t, "answer to the resume", say(plain).Direction, media.SendRecv)
					equal(t, "state", s.State(), Connected)
					before, _ = s.MediaStats()
					time.Sleep(time.Second)
					after, _ = s.MediaStats()
					equal(t, "sent after", after.Sub(before).RTPSent, 50)
					equal(t, "to", after.SendTo, addr(at))
					p.sendText("10.0.0.1:5060", p.inDialog("BYE", "10.0.0.1", "c", tag, cseq+1, ""))
					p.response(200)
				})
			})
		}
	}
}
