package media_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
)

// A peer that gives up rtcp-mux in the middle gets RTCP from, and at, a socket of its own.
func TestAddRTCP(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			a := mustNew(t, media.Config{RTP: n.Listen(aRTP), ReadLate: late})
			b := mustNew(t, media.Config{RTP: n.Listen(bRTP), RTCP: n.Listen(bRTCP)})
			mustStart(t, a, bRTP, bRTP)
			mustStart(t, b, aRTP, aRTP)
			time.Sleep(20 * time.Second)
			if err := a.AddRTCP(n.Listen(aRTCP)); err != nil {
				t.Fatal(err)
			}
			a.SetRemote(ap(bRTP), ap(bRTCP))
			b.SetRemote(ap(aRTP), ap(aRTCP))
			sent := len(n.From(aRTCP)) + len(n.From(bRTCP))
			da, db := over(20*time.Second, a, b)
			if sent != 0 || da.RTCPReceived < 3 || db.RTCPReceived < 3 || len(n.From(aRTCP)) < 3 || len(n.From(bRTCP)) < 3 || a.Stats().Malformed != 0 {
				t.Errorf("a %+v b %+v", da, db)
			}
			if err := a.AddRTCP(n.Listen(other)); !errors.Is(err, media.ErrConfig) {
				t.Errorf("a second one: %v", err)
			}
			a.Close()
			if err := a.AddRTCP(n.Listen(other)); !errors.Is(err, media.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		conn := n.Listen(aRTP)
		a := mustNew(t, media.Config{RTP: conn, ReadLate: true})
		for _, bad := range []error{a.AddRTCP(nil), a.AddRTCP(conn)} {
			if !errors.Is(bad, media.ErrConfig) {
				t.Error(bad)
			}
		}
		if err := a.AddRTCP(n.Listen(aRTCP)); err != nil { // before Start, which reads it
			t.Fatal(err)
		}
		b := mustNew(t, media.Config{RTP: n.Listen(bRTP), RTCP: n.Listen(bRTCP)})
		startBoth(t, a, b)
		time.Sleep(20 * time.Second)
		if a.Stats().RTCPReceived < 3 || b.Stats().RTCPReceived < 3 {
			t.Errorf("a %+v b %+v", a.Stats(), b.Stats())
		}
	})
}
