package media_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const (
	aRTP, aRTCP = "10.0.0.1:4000", "10.0.0.1:4001"
	bRTP, bRTCP = "10.0.0.2:5000", "10.0.0.2:5001"
	other       = "10.0.0.9:9000"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func mustNew(t *testing.T, cfg media.Config) *media.Stream {
	t.Helper()
	s, err := media.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustStart(t *testing.T, s *media.Stream, rtp, rtcp string) {
	t.Helper()
	if err := s.Start(ap(rtp), ap(rtcp)); err != nil {
		t.Fatal(err)
	}
}

// pair is two streams on one memNet, each with its own RTCP socket.
func pair(t *testing.T, a, b media.Config) (*memnet.Net, *media.Stream, *media.Stream) {
	t.Helper()
	n := memnet.New()
	n.Latency = time.Millisecond
	a.RTP, a.RTCP = n.Listen(aRTP), n.Listen(aRTCP)
	b.RTP, b.RTCP = n.Listen(bRTP), n.Listen(bRTCP)
	return n, mustNew(t, a), mustNew(t, b)
}

func startBoth(t *testing.T, a, b *media.Stream) {
	t.Helper()
	mustStart(t, a, bRTP, bRTCP)
	mustStart(t, b, aRTP, aRTCP)
}

// over runs for d and returns what both streams counted in it.
func over(d time.Duration, a, b *media.Stream) (media.Stats, media.Stats) {
	a0, b0 := a.Stats(), b.Stats()
	time.Sleep(d)
	return a.Stats().Sub(a0), b.Stats().Sub(b0)
}

func TestFiftyPacketsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Seed: 1}, media.Config{Seed: 1})
		startBoth(t, a, b)
		start := time.Now()
		time.Sleep(990 * time.Millisecond)
		for _, s := range []media.Stats{a.Stats(), b.Stats()} {
			if s.RTPSent != 50 || s.RTPReceived != 50 || s.Lost != 0 || s.Reordered != 0 || s.Duplicates != 0 || s.Jitter != 0 {
				t.Errorf("in the first second: %+v", s)
			}
			if s.FirstReceived != time.Millisecond || s.LastReceived != 981*time.Millisecond {
				t.Errorf("first %v, last %v", s.FirstReceived, s.LastReceived)
			}
		}
		da, db := over(time.Minute, a, b)
		if da.RTPSent != 3000 || da.RTPReceived != 3000 || db.RTPSent != 3000 || db.RTPReceived != 3000 {
			t.Errorf("in the next minute: a %+v b %+v", da, db)
		}
		var first rtp.Packet
		for i, p := range n.From(aRTP) {
			if want := start.Add(time.Duration(i) * 20 * time.Millisecond); !p.At.Equal(want) {
				t.Fatalf("packet %d left at %v, want %v", i, p.At, want)
			}
			var q rtp.Packet
			if err := q.Unmarshal(p.B); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = q
			}
			if q.SequenceNumber != first.SequenceNumber+uint16(i) || q.Timestamp != first.Timestamp+uint32(i)*160 ||
				q.SSRC != first.SSRC || q.PayloadType != media.PCMU || len(q.Payload) != 160 || q.Marker != (i == 0) {
				t.Fatalf("packet %d: %v", i, q)
			}
		}
	})
}

func TestASlowSocketDoesNotMakeItDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		slow := n.Listen(aRTP)
		slow.Delay.Store(int64(7 * time.Millisecond))
		a := mustNew(t, media.Config{RTP: slow})
		n.Listen(bRTP)
		mustStart(t, a, bRTP, bRTP)
		time.Sleep(100*time.Second - time.Millisecond)
		if got := a.Stats().RTPSent; got != 5000 {
			t.Errorf("%d packets in 100 s, want 5000", got)
		}
	})
}

func TestAStalledSenderSkipsWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		stalled := n.Listen(aRTP)
		a := mustNew(t, media.Config{RTP: stalled})
		b := mustNew(t, media.Config{RTP: n.Listen(bRTP)})
		mustStart(t, a, bRTP, bRTP)
		mustStart(t, b, aRTP, aRTP)
		time.Sleep(90 * time.Millisecond)
		stalled.Delay.Store(int64(time.Second)) // one write takes this long
		time.Sleep(100 * time.Millisecond)
		stalled.Delay.Store(0)
		time.Sleep(2*time.Second - 200*time.Millisecond)
		got := a.Stats()
		if got.RTPSent < 50 || got.RTPSent > 60 {
			t.Errorf("sent %d in 2 s with one stall of 1 s", got.RTPSent)
		}
		if lost := b.Stats().Lost; lost != 0 {
			t.Errorf("skipping looks like a loss of %d to the peer", lost)
		}
	})
}

func TestSeedDecides(t *testing.T) {
	run := func(seed uint64) string {
		var trace string
		synctest.Test(t, func(t *testing.T) {
			n, a, b := pair(t, media.Config{Seed: seed}, media.Config{Seed: seed})
			start := time.Now()
			startBoth(t, a, b)
			time.Sleep(20*time.Second - 10*time.Millisecond)
			if a.Stats().SSRC == b.Stats().SSRC {
				t.Error("two ends with one seed have one SSRC")
			}
			for _, from := range []string{aRTP, aRTCP} {
				for _, p := range n.From(from) {
					trace += fmt.Sprintf("%v %x\n", p.At.Sub(start), p.B)
				}
			}
		})
		return trace
	}
	one, again, two := run(1), run(1), run(2)
	if one != again {
		t.Errorf("one seed, two different runs\n%s", cmp.Diff(one, again))
	}
	if one == two {
		t.Error("two seeds, one run")
	}
}

// resource makes every RTP packet from one socket appear to come from another,
// as behind a NAT with address-and-port-dependent mapping.
func resource(from, as string) func(src, dst netip.AddrPort, b []byte) (netip.AddrPort, bool) {
	return func(src, dst netip.AddrPort, b []byte) (netip.AddrPort, bool) {
		if src == ap(from) {
			return ap(as), true
		}
		return src, true
	}
}

func TestPlainIgnoresTheObservedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{}, media.Config{})
		n.Route = resource(bRTP, other)
		startBoth(t, a, b)
		time.Sleep(990 * time.Millisecond)
		da, db := over(time.Second, a, b)
		if da.RTPReceived != 50 || db.RTPReceived != 50 {
			t.Errorf("received %d and %d", da.RTPReceived, db.RTPReceived)
		}
		if da.LastFrom != ap(other) || da.SendTo != ap(bRTP) || da.LatchedTo.IsValid() || da.Latches != 0 {
			t.Errorf("%+v", da)
		}
	})
}

func TestLatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Latch: media.LatchAlways}, media.Config{})
		n.Route = resource(bRTP, other)
		startBoth(t, a, b)
		time.Sleep(time.Second)
		da, db := over(time.Second, a, b)
		if da.SendTo != ap(other) || da.LatchedTo != ap(other) || da.Signalled != ap(bRTP) {
			t.Errorf("did not latch: %+v", da)
		}
		if db.RTPReceived != 0 {
			t.Errorf("b has no socket at %s and got %d", other, db.RTPReceived)
		}
		if s := a.Stats(); s.Latches != 1 || s.RTCPLatches != 0 || s.RTCPSendTo != ap(bRTCP) {
			t.Errorf("RTCP is apart: %+v", s)
		}

		a.SetRemote(ap(bRTP), ap(bRTCP)) // a session refresh
		if got := a.Stats().SendTo; got != ap(other) {
			t.Errorf("a refresh undid the latch: %v", got)
		}
		n.Lock()
		n.Route = nil
		n.Unlock()
		time.Sleep(100 * time.Millisecond)
		if s := a.Stats(); s.SendTo != ap(bRTP) || s.Latches != 2 {
			t.Errorf("did not follow back: %+v", s)
		}
		a.SetRemote(ap("10.0.0.3:7000"), ap("10.0.0.3:7001")) // a new address
		if s := a.Stats(); s.SendTo != ap("10.0.0.3:7000") || s.LatchedTo.IsValid() {
			t.Errorf("the old latch survived a new address: %+v", s)
		}
	})
}

func TestRTCPLatchesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Latch: media.LatchAlways}, media.Config{})
		n.Route = resource(bRTCP, other)
		startBoth(t, a, b)
		time.Sleep(time.Second)
		s := a.Stats()
		if s.Latches != 0 || s.SendTo != ap(bRTP) {
			t.Errorf("RTCP moved RTP: %+v", s)
		}
		if s.RTCPLatches != 1 || s.RTCPSendTo != ap(other) || s.RTCPLatchedTo != ap(other) {
			t.Errorf("RTCP did not latch: %+v", s)
		}
	})
}

func TestLatchTakesOnlyValidRTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP), Latch: media.LatchAlways})
		mustStart(t, a, bRTP, bRTP)
		stranger := n.Listen(other)
		to := net.UDPAddrFromAddrPort(ap(aRTP))
		wrongType := rtpPacket(t, 3, 1, 1)
		for _, b := range [][]byte{{}, {0x80}, make([]byte, 172), []byte("not RTP at all"), wrongType, {0x80, 0, 1}} {
			stranger.WriteTo(b, to)
		}
		synctest.Wait()
		if s := a.Stats(); s.SendTo != ap(bRTP) || s.Latches != 0 || s.Malformed != 5 || s.WrongPayload != 1 {
			t.Errorf("%+v", s)
		}
		stranger.WriteTo(rtpPacket(t, 0, 1, 1), to)
		synctest.Wait()
		if s := a.Stats(); s.SendTo != ap(other) || s.Latches != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func rtpPacket(t testing.TB, payloadType uint8, ssrc uint32, seq uint16) []byte {
	t.Helper()
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: seq, Timestamp: uint32(seq) * 160, SSRC: ssrc},
		Payload: make([]byte, 160),
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStrict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Strict: true, Latch: media.LatchAlways}, media.Config{})
		n.Route = func(src, dst netip.AddrPort, _ []byte) (netip.AddrPort, bool) {
			if src == ap(bRTP) || src == ap(bRTCP) {
				src = netip.AddrPortFrom(src.Addr(), src.Port()+1000)
			}
			return src, true
		}
		startBoth(t, a, b)
		time.Sleep(990 * time.Millisecond)
		s := a.Stats()
		if s.RTPReceived != 0 || s.RTPStrictDropped != 50 || s.StrictFrom != ap("10.0.0.2:6000") {
			t.Errorf("RTP: %+v", s)
		}
		if s.RTCPReceived != 0 || s.RTCPStrictDropped == 0 || s.RTCPStrict != ap("10.0.0.2:6001") {
			t.Errorf("RTCP: %+v", s)
		}
		if s.Latches != 0 || s.RTCPLatches != 0 {
			t.Errorf("what Strict dropped moved the target: %+v", s)
		}
	})
}

func TestSilentStillReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Silent: true}, media.Config{})
		startBoth(t, a, b)
		time.Sleep(20 * time.Second)
		if s := a.Stats(); s.RTPSent != 0 || s.RTPReceived != 1000 || s.RTCPSent < 4 {
			t.Errorf("%+v", s)
		}
		for _, p := range n.From(aRTCP) {
			if p.B[1] != 201 {
				t.Errorf("a silent stream sent RTCP type %d, want a receiver report", p.B[1])
			}
		}
		if s := b.Stats(); s.Peer.Reports == 0 || s.Peer.FractionLost != 0 || s.Peer.HighestSeq == 0 || s.RTPReceived != 0 {
			t.Errorf("b learned nothing of its own stream: %+v", s)
		}
	})
}

func TestHoldAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{}, media.Config{})
		startBoth(t, a, b)
		time.Sleep(990 * time.Millisecond)

		a.SetDirection(false, false)
		da, db := over(10*time.Second, a, b)
		if da.RTPSent != 0 || da.RTPReceived != 0 || da.RTPHeld != 500 || db.RTPReceived != 0 {
			t.Errorf("held: a %+v b %+v", da, db)
		}
		if da.RTCPSent == 0 {
			t.Error("RTCP stopped on hold")
		}

		a.SetDirection(true, true)
		da, db = over(time.Second, a, b)
		if da.RTPSent != 50 || da.RTPReceived != 50 || db.RTPReceived != 50 {
			t.Errorf("resumed: a %+v b %+v", da, db)
		}
		if lost := b.Stats().Lost; lost != 0 {
			t.Errorf("a hold looks like a loss of %d", lost)
		}
		all := n.From(aRTP)
		var before, after rtp.Header
		before.Unmarshal(all[49].B)
		after.Unmarshal(all[50].B)
		if after.SequenceNumber != before.SequenceNumber+1 || after.Timestamp != before.Timestamp+501*160 || !after.Marker {
			t.Errorf("after the hold %+v, before %+v", after, before)
		}
	})
}

func TestNowhereToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Latch: media.LatchAlways}, media.Config{})
		if err := a.Start(netip.AddrPort{}, netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if s := a.Stats(); s.RTPSent+s.RTCPSent+s.SendErrors != 0 || s.SendTo.IsValid() {
			t.Errorf("sent to nobody: %+v", s)
		}
		mustStart(t, b, aRTP, aRTCP)
		time.Sleep(990 * time.Millisecond)
		if s := a.Stats(); s.RTPSent != 49 || s.SendTo != ap(bRTP) || s.RTCPSent == 0 {
			t.Errorf("the peer named itself: %+v", s)
		}
		a.SetRemote(ap("0.0.0.0:5000"), ap("0.0.0.0:5001")) // old-style hold
		n.Lock()
		n.Route = func(netip.AddrPort, netip.AddrPort, []byte) (netip.AddrPort, bool) { return netip.AddrPort{}, false }
		n.Unlock()
		da, _ := over(time.Second, a, b)
		if da.RTPSent != 0 || da.SendErrors != 0 {
			t.Errorf("sent to 0.0.0.0: %+v", da)
		}
	})
}

func TestBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Strict: true}, media.Config{})
		mustStart(t, b, aRTP, aRTCP)
		time.Sleep(990 * time.Millisecond)
		if s := a.Stats(); s.RTPEarly != 50 || s.RTPReceived != 0 || s.RTCPEarly != 1 || s.Started || len(n.From(aRTP)) != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(10 * time.Millisecond)
		mustStart(t, a, bRTP, bRTCP)
		time.Sleep(990 * time.Millisecond)
		if s := a.Stats(); s.RTPReceived != 50 || s.Lost != 0 || !s.Started {
			t.Errorf("%+v", s)
		}
	})
}

func TestSTUNOnTheMediaSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		rtpConn, rtcpConn := n.Listen(aRTP), n.Listen(aRTCP)
		var mu sync.Mutex
		got := map[net.PacketConn]int{}
		a := mustNew(t, media.Config{RTP: rtpConn, RTCP: rtcpConn, OnSTUN: func(b []byte, from net.Addr, on net.PacketConn) {
			if from.String() != other || b[0] > 3 {
				t.Errorf("%x from %v", b, from)
			}
			mu.Lock()
			defer mu.Unlock()
			got[on]++
		}})
		server := n.Listen(other)
		server.WriteTo([]byte{1, 1, 0, 0}, net.UDPAddrFromAddrPort(ap(aRTP)))
		server.WriteTo([]byte{1, 1, 0, 0}, net.UDPAddrFromAddrPort(ap(aRTCP)))
		server.WriteTo([]byte{20, 1, 0, 0}, net.UDPAddrFromAddrPort(ap(aRTP)))
		synctest.Wait()
		if s := a.Stats(); s.STUN != 2 || s.Malformed != 1 || got[rtpConn] != 1 || got[rtcpConn] != 1 {
			t.Errorf("%v %+v", got, s)
		}
	})
}

func TestAnSSRCCollisionEndsItselfAndALoopIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP)})
		mustStart(t, a, bRTP, bRTP)
		stranger := n.Listen(other)
		to := net.UDPAddrFromAddrPort(ap(aRTP))
		synctest.Wait()
		old := a.Stats().SSRC
		stranger.WriteTo(rtpPacket(t, 0, old, 7), to)
		synctest.Wait()
		s := a.Stats()
		if s.SSRC == old || s.RTPReceived != 1 || s.RemoteSSRC != old || s.Looped != 0 {
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
		stranger.WriteTo(rtpPacket(t, 0, s.SSRC, 8), to)
		synctest.Wait()
		if again := a.Stats(); again.SSRC != s.SSRC || again.Looped != 1 || again.RTPReceived != 1 {
			t.Errorf("loop: %+v", again)
		}
	})
}

func TestLossReorderingDuplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP)})
		mustStart(t, a, bRTP, bRTP)
		b := n.Listen(bRTP)
		for _, seq := range []uint16{65530, 65531, 65533, 65532, 65533, 65535, 0, 3} {
			b.WriteTo(rtpPacket(t, 0, 1, seq), net.UDPAddrFromAddrPort(ap(aRTP)))
		}
		synctest.Wait()
		s := a.Stats()
		// 65534, 1 and 2 are missing; one duplicate hides one of them in Lost (RFC 3550 §6.4.1).
		if s.RTPReceived != 8 || s.Reordered != 1 || s.Duplicates != 1 || s.Lost != 2 || s.HighestSeq != 65536+3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestConfigRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memnet.New().Listen(aRTP)
		for name, cfg := range map[string]media.Config{
			"no socket":       {},
			"one socket":      {RTP: c, RTCP: c},
			"payload type":    {RTP: c, PayloadType: 128},
			"RTCP type":       {RTP: c, PayloadType: 72},
			"negative ptime":  {RTP: c, PTime: -time.Second},
			"long ptime":      {RTP: c, PTime: time.Second},
			"half a sample":   {RTP: c, PTime: 20*time.Millisecond + 1},
			"too big":         {RTP: c, PTime: 100 * time.Millisecond, ClockRate: 48000},
			"long CNAME":      {RTP: c, CNAME: string(make([]byte, 256))},
			"less than a bit": {RTP: c, ClockRate: 1},
		} {
			if _, err := media.New(cfg); !errors.Is(err, media.ErrConfig) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{CNAME: "a@example.org"}, media.Config{})
		startBoth(t, a, b)
		if err := a.Start(ap(bRTP), ap(bRTCP)); !errors.Is(err, media.ErrStarted) {
			t.Errorf("second Start: %v", err)
		}
		time.Sleep(10 * time.Second)
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := a.Start(ap(bRTP), ap(bRTCP)); !errors.Is(err, media.ErrClosed) {
			t.Errorf("Start after Close: %v", err)
		}
		sent := len(n.From(aRTP))
		time.Sleep(10 * time.Second)
		if len(n.From(aRTP)) != sent {
			t.Error("it sends after Close")
		}
		s := b.Stats()
		if s.ByesReceived != 1 || s.RemoteCNAME != "a@example.org" {
			t.Errorf("%+v", s)
		}
		for _, c := range []string{aRTP, aRTCP} {
			if _, err := n.Socket(c).WriteTo(nil, net.UDPAddrFromAddrPort(ap(bRTP))); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s is still open: %v", c, err)
			}
		}
		idle := mustNew(t, media.Config{RTP: n.Listen(other)})
		if err := idle.Close(); err != nil || len(n.From(other)) != 0 {
			t.Errorf("a stream never started: %v, sent %d", err, len(n.From(other)))
		}
	})
}

// broken is a socket that only fails.
type broken struct{ *memnet.Conn }

func (broken) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, errors.New("broken") }
func (broken) WriteTo([]byte, net.Addr) (int, error)  { return 0, errors.New("broken") }

func TestABrokenSocketIsCountedAndLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustNew(t, media.Config{RTP: broken{memnet.New().Listen(aRTP)}})
		mustStart(t, a, bRTP, bRTP)
		time.Sleep(990 * time.Millisecond)
		if s := a.Stats(); s.ReadErrors != 16 || s.SendErrors != 51 {
			t.Errorf("%+v", s)
		}
	})
}
