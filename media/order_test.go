package media_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
)

// The packet that is due at the very instant of Close leaves, whoever runs first.
func TestCloseOnTheBeat(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			a := mustNew(t, media.Config{RTP: n.Listen(aRTP), RTCP: n.Listen(aRTCP), Seed: 1})
			mustStart(t, a, bRTP, bRTCP)
			time.Sleep(time.Second)
			a.Close()
			if s := a.Stats(); s.RTPSent != 51 {
				t.Fatalf("%d packets within a second and at its end, want 51", s.RTPSent)
			}
		})
	}
}

// What the sockets hold when a stream that reads late starts is received, after its own
// first packets have left: the first report says nothing of it.
func TestReadLate(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			rtpConn, rtcpConn := n.Listen(aRTP), n.Listen(aRTCP)
			b := mustNew(t, media.Config{RTP: n.Listen(bRTP), RTCP: n.Listen(bRTCP), Seed: 1})
			mustStart(t, b, aRTP, aRTCP)
			time.Sleep(90 * time.Millisecond)
			a := mustNew(t, media.Config{RTP: rtpConn, RTCP: rtcpConn, Seed: 1, ReadLate: true})
			mustStart(t, a, bRTP, bRTCP)
			synctest.Wait()
			if s := a.Stats(); s.RTPReceived != 5 || s.RTPEarly != 0 || s.RTCPReceived != 1 || s.RTCPEarly != 0 {
				t.Fatalf("%+v", s)
			}
			if first := n.From(aRTCP)[0].B; first[0]&0x1f != 0 { // the count of report blocks (RFC 3550 §6.4.1)
				t.Fatalf("the first report has %d blocks", first[0]&0x1f)
			}
		})
	}
}

// A stream that never starts reads nothing and ends.
func TestReadLateWithoutStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP), ReadLate: true})
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}
