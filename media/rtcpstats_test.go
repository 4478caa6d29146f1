package media_test

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
)

// What one end measures the other is told, and what one sends it says.
func TestBothEndsOfALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Seed: 1}, media.Config{Seed: 2, Silent: true})
		count := 0
		n.Route = func(src, _ netip.AddrPort, _ []byte) (netip.AddrPort, bool) {
			if src != ap(aRTP) {
				return src, true
			}
			count++
			return src, count%4 != 0
		}
		startBoth(t, a, b)
		time.Sleep(time.Minute)
		sa, sb := a.Stats(), b.Stats()
		if sb.FractionLost < 0.24 || sb.FractionLost > 0.26 || sb.FractionLost != sa.Peer.FractionLost {
			t.Errorf("b measured %v, a was told %v", sb.FractionLost, sa.Peer.FractionLost)
		}
		if sa.FractionLost != 0 || sa.Peer.Packets != 0 || sa.Peer.Octets != 0 {
			t.Errorf("b sends nothing: %+v", sa)
		}
		if p := sb.Peer; p.Packets < 2600 || p.Packets > 3000 || p.Octets != p.Packets*160 {
			t.Errorf("a said to have sent %d packets, %d octets", p.Packets, p.Octets)
		}
	})
}

// Jitter of the path is measured and told: every other packet is 10 ms late.
func TestBothEndsOfJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Seed: 1}, media.Config{Seed: 2})
		late := false
		slow := n.Socket(aRTP)
		n.Route = func(src, _ netip.AddrPort, _ []byte) (netip.AddrPort, bool) {
			if src == ap(aRTP) {
				if late = !late; late {
					slow.Delay.Store(int64(10 * time.Millisecond)) // of the next
				} else {
					slow.Delay.Store(0)
				}
			}
			return src, true
		}
		startBoth(t, a, b)
		time.Sleep(time.Minute)
		if j := b.Stats().Jitter; j < 9*time.Millisecond || j > 11*time.Millisecond {
			t.Errorf("jitter %v", j)
		}
		if told := a.Stats().Peer.Jitter; told < 9*time.Millisecond || told > 11*time.Millisecond {
			t.Errorf("a was told %v", told)
		}
	})
}

// LSR is of the source that the block is about, and of no other (RFC 3550 §6.4.1).
func TestLastSenderReportOfAnother(t *testing.T) {
	for _, sender := range []uint32{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			a := mustNew(t, media.Config{RTP: n.Listen(aRTP)})
			mustStart(t, a, bRTP, bRTP)
			b := n.Listen(bRTP)
			to := net.UDPAddrFromAddrPort(ap(aRTP))
			report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: sender, NTPTime: 0x1234_5678_9ABC_DEF0}, rtcp.NewCNAMESourceDescription(sender, "x")})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // the report at once has nothing to tell
			b.WriteTo(rtpPacket(t, 0, 1, 1), to)
			b.WriteTo(report, to)
			synctest.Wait()
			a.Close()
			sent := n.From(aRTP)
			packets, err := rtcp.Unmarshal(sent[len(sent)-1].B)
			if err != nil {
				t.Fatal(err)
			}
			block := packets[0].(*rtcp.SenderReport).Reports[0]
			want := uint32(0)
			if sender == 1 {
				want = 0x5678_9ABC
			}
			if block.SSRC != 1 || block.LastSenderReport != want {
				t.Errorf("sender report of %d: %+v", sender, block)
			}
		})
	}
}

// Reports under our own SSRC: the first is a collision, which we end, what comes from there
// again is a loop (RFC 3550 §8.2).
func TestAnSSRCCollisionByRTCP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP)})
		mustStart(t, a, bRTP, bRTP)
		synctest.Wait()
		stranger := n.Listen(other)
		say := func(ssrc uint32) {
			b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: ssrc}, rtcp.NewCNAMESourceDescription(ssrc, "x")})
			if err != nil {
				t.Fatal(err)
			}
			stranger.WriteTo(b, net.UDPAddrFromAddrPort(ap(aRTP)))
			synctest.Wait()
		}
		old := a.Stats().SSRC
		say(old)
		s := a.Stats()
		if s.SSRC == old || s.RTCPReceived != 1 || s.Looped != 0 {
			t.Errorf("collision: %+v", s)
		}
		last := n.From(aRTP)
		packets, err := rtcp.Unmarshal(last[len(last)-1].B)
		if err != nil {
			t.Fatal(err)
		}
		if bye, ok := packets[len(packets)-1].(*rtcp.Goodbye); !ok || bye.Sources[0] != old {
			t.Errorf("no BYE for the old SSRC: %v", packets)
		}
		say(s.SSRC)
		if again := a.Stats(); again.SSRC != s.SSRC || again.Looped != 1 || again.RTCPReceived != 1 {
			t.Errorf("loop: %+v", again)
		}
	})
}
