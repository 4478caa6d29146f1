package media_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/media"
)

func loopback(t *testing.T) (net.PacketConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// On real sockets nothing is timed: the test waits until both have heard
// enough, and go test's own time limit is the only one.
func TestLoopback(t *testing.T) {
	var conns [4]net.PacketConn
	var addrs [4]netip.AddrPort
	for i := range conns {
		conns[i], addrs[i] = loopback(t)
	}
	fast := 2 * time.Millisecond
	a := mustNew(t, media.Config{RTP: conns[0], RTCP: conns[1], PTime: fast, Latch: media.LatchAlways})
	b := mustNew(t, media.Config{RTP: conns[2], RTCP: conns[3], PTime: fast, Strict: true})
	if err := a.Start(addrs[2], addrs[3]); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(addrs[0], addrs[1]); err != nil {
		t.Fatal(err)
	}
	for tick := time.NewTicker(fast); ; <-tick.C {
		sa, sb := a.Stats(), b.Stats()
		if sa.RTPReceived >= 20 && sb.RTPReceived >= 20 && sa.RTCPReceived+sa.RTCPEarly >= 1 {
			tick.Stop()
			break
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	for b.Stats().ByesReceived == 0 {
		time.Sleep(fast)
	}
	if s := b.Stats(); s.RTPStrictDropped != 0 || s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}
