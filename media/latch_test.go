package media_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
)

var latchPolicies = []media.Latch{media.LatchOff, media.LatchAlways, media.LatchOnce, media.LatchWindow, media.LatchSameAddress}

func TestLatchWords(t *testing.T) {
	for _, l := range latchPolicies {
		if back, err := media.ParseLatch(l.String()); err != nil || back != l {
			t.Errorf("%v reads back as %v, %v", l, back, err)
		}
	}
	for _, bad := range []string{"", "true", "Always", "Latch(9)"} {
		if l, err := media.ParseLatch(bad); !errors.Is(err, media.ErrConfig) || l != media.LatchOff {
			t.Errorf("%q: %v, %v", bad, l, err)
		}
	}
	if got := media.Latch(9).String(); got != "Latch(9)" {
		t.Error(got)
	}
	for _, cfg := range []media.Config{{Latch: 9}, {Latch: media.LatchAlways, LatchFor: time.Second}, {LatchFor: 1}, {Latch: media.LatchWindow, LatchFor: -1}} {
		cfg.RTP = memnet.New().Listen(aRTP)
		if _, err := media.New(cfg); !errors.Is(err, media.ErrConfig) {
			t.Errorf("%v for %v: %v", cfg.Latch, cfg.LatchFor, err)
		}
	}
}

const (
	otherPort = "10.0.0.2:6000" // of the peer's address
	newRTP    = "10.0.0.3:7000"
)

// latchStep is, in this order, waiting, a re-INVITE, a packet, and where media goes then.
type latchStep struct {
	after time.Duration
	sdp   string // the address signalled; "" is no re-INVITE
	from  string // "" is no packet
	want  string
}

func TestLatchPolicies(t *testing.T) {
	tests := []struct {
		name   string
		policy media.Latch
		steps  []latchStep
	}{
		// A stranger's one packet between those of a peer that a NAT gave another port.
		{"off", media.LatchOff, []latchStep{
			{from: otherPort, want: bRTP}, {from: other, want: bRTP}, {from: bRTP, want: bRTP},
		}},
		{"always", media.LatchAlways, []latchStep{
			{from: otherPort, want: otherPort}, {from: other, want: other}, {from: otherPort, want: otherPort},
		}},
		{"once", media.LatchOnce, []latchStep{
			{from: otherPort, want: otherPort}, {from: other, want: otherPort}, {from: bRTP, want: otherPort},
		}},
		{"once, the stranger is first", media.LatchOnce, []latchStep{
			{from: other, want: other}, {from: otherPort, want: other},
		}},
		{"once, the signalled source is first", media.LatchOnce, []latchStep{
			{from: bRTP, want: bRTP}, {from: other, want: bRTP}, {from: otherPort, want: bRTP},
		}},
		{"window", media.LatchWindow, []latchStep{
			{from: otherPort, want: otherPort}, {from: other, want: other}, {from: otherPort, want: otherPort},
			{after: 5*time.Second - time.Nanosecond, from: bRTP, want: bRTP},
			{after: time.Nanosecond, from: other, want: bRTP},
		}},
		{"window, nobody in it", media.LatchWindow, []latchStep{
			{after: 5 * time.Second, from: otherPort, want: bRTP},
		}},
		{"same-address", media.LatchSameAddress, []latchStep{
			{from: otherPort, want: otherPort}, {from: other, want: otherPort}, {from: "10.0.0.2:6002", want: "10.0.0.2:6002"},
		}},

		// One late packet of the old address after a re-INVITE, then those of the new one.
		{"off, moved", media.LatchOff, []latchStep{
			{sdp: newRTP, from: bRTP, want: newRTP}, {from: newRTP, want: newRTP},
		}},
		{"always, moved", media.LatchAlways, []latchStep{
			{from: otherPort, want: otherPort},
			{sdp: newRTP, want: newRTP}, {from: otherPort, want: otherPort}, {from: newRTP, want: newRTP},
		}},
		{"once, moved", media.LatchOnce, []latchStep{
			{from: otherPort, want: otherPort},
			{sdp: newRTP, want: newRTP}, {from: newRTP, want: newRTP}, {from: otherPort, want: newRTP},
		}},
		{"once, moved, the late one first", media.LatchOnce, []latchStep{
			{from: otherPort, want: otherPort},
			{sdp: newRTP, from: otherPort, want: otherPort}, {from: newRTP, want: otherPort},
			{sdp: newRTP, want: otherPort}, {from: newRTP, want: newRTP}, // another re-INVITE
		}},
		{"window, moved", media.LatchWindow, []latchStep{
			{from: otherPort, want: otherPort}, {after: 6 * time.Second, want: otherPort},
			{sdp: newRTP, from: otherPort, want: otherPort}, {from: newRTP, want: newRTP},
			{after: 5 * time.Second, from: otherPort, want: newRTP},
		}},
		{"same-address, moved", media.LatchSameAddress, []latchStep{
			{from: otherPort, want: otherPort},
			{sdp: newRTP, from: otherPort, want: newRTP}, {from: "10.0.0.3:9000", want: "10.0.0.3:9000"},
		}},

		// A re-INVITE that moves nothing, as a session refresh, keeps what was latched to.
		{"always, refreshed", media.LatchAlways, []latchStep{
			{from: otherPort, want: otherPort}, {sdp: bRTP, want: otherPort},
		}},
		{"once, refreshed", media.LatchOnce, []latchStep{
			{from: otherPort, want: otherPort}, {sdp: bRTP, want: otherPort},
			{from: "10.0.0.2:6002", want: "10.0.0.2:6002"}, {from: otherPort, want: "10.0.0.2:6002"},
		}},

		// To an old-style hold (RFC 3264 §8.4) nothing is sent.
		{"always, held", media.LatchAlways, []latchStep{
			{sdp: "0.0.0.0:5000", from: bRTP, want: "0.0.0.0:5000"}, {sdp: bRTP, from: otherPort, want: otherPort},
		}},
		{"same-address, held", media.LatchSameAddress, []latchStep{
			{sdp: "0.0.0.0:5000", from: bRTP, want: "0.0.0.0:5000"}, {sdp: bRTP, from: otherPort, want: otherPort},
		}},
	}
	kinds := []struct {
		name   string
		to     string
		packet func(t *testing.T, i int) []byte
		target func(media.Stats) (at netip.AddrPort, latches, refused uint64)
	}{
		{"RTP", aRTP, func(t *testing.T, i int) []byte { return rtpPacket(t, 0, 1, uint16(i)) }, func(s media.Stats) (netip.AddrPort, uint64, uint64) {
			return s.SendTo, s.Latches, s.LatchRefused
		}},
		{"RTCP", aRTCP, func(t *testing.T, _ int) []byte {
			b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1}, rtcp.NewCNAMESourceDescription(1, "x")})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}, func(s media.Stats) (netip.AddrPort, uint64, uint64) {
			return s.RTCPSendTo, s.RTCPLatches, s.RTCPLatchRefused
		}},
	}
	for _, kind := range kinds {
		for _, x := range tests {
			t.Run(kind.name+"/"+x.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := memnet.New()
					a := mustNew(t, media.Config{RTP: n.Listen(aRTP), RTCP: n.Listen(aRTCP), Latch: x.policy})
					signal := func(to string, f func(rtp, rtcp netip.AddrPort)) {
						if kind.name == "RTP" {
							f(ap(to), netip.AddrPort{})
						} else {
							f(netip.AddrPort{}, ap(to))
						}
					}
					signal(bRTP, func(rtp, rtcp netip.AddrPort) { a.Start(rtp, rtcp) })
					at, moves, kept := ap(bRTP), uint64(0), uint64(0)
					for i, step := range x.steps {
						time.Sleep(step.after)
						if step.sdp != "" {
							signal(step.sdp, a.SetRemote)
							at, _, _ = kind.target(a.Stats())
						}
						if step.from != "" {
							n.Listen(step.from).WriteTo(kind.packet(t, i), net.UDPAddrFromAddrPort(ap(kind.to)))
							synctest.Wait()
							switch {
							case ap(step.want) != at:
								moves++
							case ap(step.from) != at && x.policy != media.LatchOff:
								kept++
							}
						}
						got, latches, refused := kind.target(a.Stats())
						if at = ap(step.want); got != at {
							t.Fatalf("step %d: sends to %v, want %v", i+1, got, at)
						}
						if latches != moves || refused != kept {
							t.Fatalf("step %d: latched %d times and not %d, want %d and %d", i+1, latches, refused, moves, kept)
						}
					}
					if s := a.Stats(); s.RTPReceived+s.RTCPReceived == 0 {
						t.Error("what did not move media was not received")
					}
				})
			})
		}
	}
}

// Where RTCP shares the port of RTP it goes along with it, and a stranger's reports do not
// take it away once the source has settled.
func TestLatchOnceMultiplexed(t *testing.T) {
	for _, first := range []string{bRTP, other} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			a := mustNew(t, media.Config{RTP: n.Listen(aRTP), Latch: media.LatchOnce})
			mustStart(t, a, bRTP, bRTP)
			to := net.UDPAddrFromAddrPort(ap(aRTP))
			n.Listen(first).WriteTo(rtpPacket(t, 0, 1, 1), to)
			synctest.Wait()
			b, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1}, rtcp.NewCNAMESourceDescription(1, "x")})
			n.Listen("10.0.0.66:666").WriteTo(b, to)
			synctest.Wait()
			if s := a.Stats(); s.SendTo != ap(first) || s.RTCPSendTo != ap(first) || s.RTCPLatchRefused != 1 {
				t.Errorf("first %s: %+v", first, s)
			}
		})
	}
}

// Config.LatchFor is the window.
func TestLatchFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP), Latch: media.LatchWindow, LatchFor: time.Minute})
		mustStart(t, a, bRTP, bRTP)
		time.Sleep(59 * time.Second)
		n.Listen(other).WriteTo(rtpPacket(t, 0, 1, 1), net.UDPAddrFromAddrPort(ap(aRTP)))
		synctest.Wait()
		if s := a.Stats(); s.SendTo != ap(other) {
			t.Errorf("%+v", s)
		}
	})
}
