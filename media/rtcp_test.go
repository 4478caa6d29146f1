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

// RFC 3550 §6.2 and §6.3.1: at least 2.5 s for the first interval, 5 s for the
// others, times 0.5..1.5, over e - 3/2.
const (
	least, most           = 2.5 / 1.21828182846, 7.5 / 1.21828182846
	leastFirst, mostFirst = least / 2, most / 2
)

func TestRTCPIntervals(t *testing.T) {
	var sum float64
	var count int
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			slow := media.Config{Seed: seed, PTime: 200 * time.Millisecond}
			n, a, b := pair(t, slow, slow)
			start := time.Now()
			startBoth(t, a, b)
			time.Sleep(2 * time.Minute)
			sent := n.From(aRTCP)
			if at := sent[0].At.Sub(start); at != 0 {
				t.Errorf("the early packet left after %v", at)
			}
			if at := sent[1].At.Sub(start).Seconds(); at < leastFirst || at > mostFirst {
				t.Errorf("seed %d: the first scheduled packet left after %.3f s, want %.3f..%.3f", seed, at, leastFirst, mostFirst)
			}
			for i := 2; i < len(sent); i++ {
				d := sent[i].At.Sub(sent[i-1].At).Seconds()
				if d < least || d > most {
					t.Errorf("seed %d: interval %d is %.3f s, want %.3f..%.3f", seed, i, d, least, most)
				}
				sum += d
				count++
			}
		})
	}
	// The division by e - 3/2 makes up for timer reconsideration: 5 s on average.
	if mean := sum / float64(count); mean < 4.8 || mean > 5.2 {
		t.Errorf("the mean of %d intervals is %.3f s, want about 5", count, mean)
	}
}

func TestReportContents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Seed: 3, CNAME: "a@example.org"}, media.Config{Seed: 4, Silent: true})
		startBoth(t, a, b)
		start := time.Now()
		time.Sleep(30 * time.Second)
		firstSR := uint32(0)
		for i, p := range n.From(aRTCP) {
			packets, err := rtcp.Unmarshal(p.B)
			if err != nil {
				t.Fatal(err)
			}
			if err := rtcp.CompoundPacket(packets).Validate(); err != nil {
				t.Errorf("packet %d: %v", i, err)
			}
			sr, ok := packets[0].(*rtcp.SenderReport)
			if !ok {
				t.Fatalf("packet %d of a sender is %T", i, packets[0])
			}
			if firstSR == 0 {
				firstSR = sr.RTPTime
			}
			elapsed := p.At.Sub(start)
			if want := uint32(elapsed/(20*time.Millisecond)) + 1; sr.PacketCount != want || sr.OctetCount != want*160 {
				t.Errorf("at %v: %d packets, %d octets, want %d packets", elapsed, sr.PacketCount, sr.OctetCount, want)
			}
			if got, want := float64(sr.RTPTime-firstSR), elapsed.Seconds()*8000; got < want-1 || got > want+1 {
				t.Errorf("at %v: RTP time %v, want %v", elapsed, got, want)
			}
			if got := time.Unix(int64(sr.NTPTime>>32)-2208988800, 0).UTC(); got.Sub(p.At.UTC()).Abs() > time.Second {
				t.Errorf("NTP time %v at %v", got, p.At)
			}
			if name, _ := rtcp.CompoundPacket(packets).CNAME(); name != "a@example.org" {
				t.Errorf("CNAME %q", name)
			}
		}
		if s := a.Stats(); s.Peer.Reports == 0 || s.Peer.Lost != 0 || s.Peer.Jitter != 0 {
			t.Errorf("%+v", s.Peer)
		}
	})
}

func TestAReportSaysWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Seed: 1}, media.Config{Seed: 2})
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
		got, lost := a.Stats().Peer, b.Stats().Lost
		if got.FractionLost < 0.24 || got.FractionLost > 0.26 {
			t.Errorf("fraction lost %v, want a quarter", got.FractionLost)
		}
		if lost < 740 || lost > 751 || got.Lost < 600 || got.Lost > lost {
			t.Errorf("b lost %d and reported %d", lost, got.Lost)
		}
	})
}

func TestRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{}, media.Config{})
		for _, c := range []string{aRTCP, bRTCP} {
			n.Socket(c).Delay.Store(int64(29 * time.Millisecond)) // and 1 ms of the net
		}
		startBoth(t, a, b)
		time.Sleep(30 * time.Second)
		if rtt := a.Stats().RoundTrip; rtt < 59*time.Millisecond || rtt > 61*time.Millisecond {
			t.Errorf("round trip %v, want 60ms", rtt)
		}
	})
}

func TestMux(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP)})
		bHasBoth := mustNew(t, media.Config{RTP: n.Listen(bRTP), RTCP: n.Listen(bRTCP), Latch: media.LatchAlways})
		n.Route = resource(aRTP, other)
		mustStart(t, a, bRTP, bRTP)
		mustStart(t, bHasBoth, aRTP, aRTP) // a multiplexes
		time.Sleep(20 * time.Second)
		if s := bHasBoth.Stats(); s.RTCPReceived == 0 || s.RTPReceived == 0 || s.Malformed != 0 {
			t.Errorf("%+v", s)
		}
		if s := bHasBoth.Stats(); s.SendTo != ap(other) || s.RTCPSendTo != ap(other) {
			t.Errorf("multiplexed RTCP did not move with RTP: %+v", s)
		}
		if len(n.From(bRTCP)) != 0 {
			t.Error("RTCP to a multiplexing peer must leave from the RTP port (RFC 5761 §5.1.1)")
		}
		n.Lock()
		n.Route = nil
		n.Unlock()
		time.Sleep(20 * time.Second)
		if s := a.Stats(); s.RTCPReceived == 0 || s.Malformed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestRTPOnTheRTCPSocketIsMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := pair(t, media.Config{}, media.Config{})
		mustStart(t, a, bRTCP, bRTP) // the wrong way round
		mustStart(t, b, aRTP, aRTCP)
		time.Sleep(990 * time.Millisecond)
		if s := b.Stats(); s.Malformed != 50 || s.RTPReceived != 0 || s.RTCPReceived != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestMalformedRTCP(t *testing.T) {
	good, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1}, rtcp.NewCNAMESourceDescription(1, "x")})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), good...)) }
	cases := map[string][]byte{
		"header only":        good[:4],
		"truncated":          good[:len(good)-1],
		"length too long":    edit(func(b []byte) []byte { b[3] = 200; return b }),
		"length too short":   edit(func(b []byte) []byte { b[3] = 0; return b }),
		"second version":     edit(func(b []byte) []byte { b[8] = b[8]&0x3F | 0x40; return b }),
		"begins with SDES":   good[8:],
		"padding first":      edit(func(b []byte) []byte { b[0] |= 0x20; return b }),
		"more blocks":        edit(func(b []byte) []byte { b[0] |= 31; return b }),
		"trailing bytes":     append(append([]byte(nil), good...), 1, 2, 3),
		"version 1":          edit(func(b []byte) []byte { b[0] = b[0]&0x3F | 0x40; return b }),
		"SDES item too long": edit(func(b []byte) []byte { b[17] = 250; return b }),
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, a, _ := pair(t, media.Config{Latch: media.LatchAlways}, media.Config{})
				mustStart(t, a, bRTP, bRTCP)
				n.Listen(other).WriteTo(b, net.UDPAddrFromAddrPort(ap(aRTCP)))
				time.Sleep(2 * time.Millisecond)
				if s := a.Stats(); s.Malformed != 1 || s.RTCPReceived != 0 || s.RTCPLatches != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
