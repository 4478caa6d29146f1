package gateway_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
)

// A caller presses keys; the gateway remembers the last thousand.
func TestDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		answer := newPhone(t, n, phoneAt).call(offer(phoneRTP, "a=fmtp:101 0-15"))
		stream, err := media.New(media.Config{
			RTP: n.Listen(phoneRTP), RTCP: n.Listen(netip.AddrPortFrom(ap(phoneRTP).Addr(), ap(phoneRTP).Port()+1).String()),
			Events: media.Events{Send: 101, Recv: 101, Accepts: media.AllDTMF},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stream.Close() })
		if err := stream.Start(answer.RTP, answer.RTCP); err != nil {
			t.Fatal(err)
		}
		if err := stream.SendDTMF(background, "12#*", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c := only(t, s); c.Digits != "12#*" || c.Media.DTMFReceived != 4 {
			t.Errorf("%q %+v", c.Digits, c.Media)
		}
		if err := stream.SendDTMF(background, strings.Repeat("0", 998), 40*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c := only(t, s); c.Digits != "#*"+strings.Repeat("0", 998) || c.Agreed.Events.Recv != 101 {
			t.Errorf("%q %+v", c.Digits, c.Agreed)
		}
	})
}
