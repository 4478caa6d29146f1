package media_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
)

var bothEvents = media.Events{Send: 101, Recv: 101, Accepts: media.AllDTMF}

// heard collects digits.
type heard struct {
	mu   sync.Mutex
	list []media.DTMF
}

func (h *heard) add(d media.DTMF) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, d)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []string
	for _, d := range h.list {
		s := fmt.Sprintf("%c %v", d.Digit, d.Duration)
		if !d.Complete {
			s += " lost"
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

// The packets of RFC 4733 §2.5.1: marker on the first, updates every 50 ms, the last three
// times, one timestamp, sequence numbers and timestamps in line with the audio around.
func TestSendDTMF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := pair(t, media.Config{Seed: 1, Events: bothEvents}, media.Config{Seed: 2, Events: bothEvents})
		startBoth(t, a, b)
		start := time.Now()
		time.Sleep(105 * time.Millisecond)
		if err := a.SendDTMF(t.Context(), "5#", 130*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		time.Sleep(55 * time.Millisecond)

		type event struct {
			at       int // ms
			marker   bool
			stamp    int // ms
			event    byte
			end      bool
			duration int // units
		}
		var events []event
		var first rtp.Packet
		audio := map[int]bool{}
		for i, sent := range n.From(aRTP) {
			var p rtp.Packet
			if err := p.Unmarshal(sent.B); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = p
			}
			at := int(sent.At.Sub(start).Milliseconds())
			stamp := int(p.Timestamp-first.Timestamp) / 8
			if p.SequenceNumber != first.SequenceNumber+uint16(i) || p.SSRC != first.SSRC {
				t.Errorf("packet %d: %v", i, p.Header)
			}
			if p.PayloadType != 101 {
				if audio[at] = true; stamp != at || p.Marker != (i == 0 || at == 600) {
					t.Errorf("audio at %d ms: %v", at, p.Header)
				}
				continue
			}
			if p.Payload[1]&0x7F != 10 { // -10 dBm0, and the reserved bit is 0
				t.Errorf("volume %x", p.Payload[1])
			}
			events = append(events, event{at, p.Marker, stamp, p.Payload[0], p.Payload[1]&0x80 != 0, int(p.Payload[2])<<8 | int(p.Payload[3])})
		}
		want := []event{
			{120, true, 120, 5, false, 160}, {170, false, 120, 5, false, 560}, {220, false, 120, 5, false, 960},
			{230, false, 120, 5, true, 1040}, {280, false, 120, 5, true, 1040}, {330, false, 120, 5, true, 1040},
			{360, true, 360, 11, false, 160}, {410, false, 360, 11, false, 560}, {460, false, 360, 11, false, 960},
			{470, false, 360, 11, true, 1040}, {520, false, 360, 11, true, 1040}, {570, false, 360, 11, true, 1040},
		}
		if !slices.Equal(events, want) {
			t.Errorf("events\n%v\nwant\n%v", events, want)
		}
		for at := range audio {
			if at >= 120 && at <= 570 {
				t.Errorf("audio at %d ms beside events", at)
			}
		}
		if !audio[100] || !audio[600] || took != 570*time.Millisecond {
			t.Errorf("audio %v, SendDTMF took until %v", audio, took)
		}
		if sa, sb := a.Stats(), b.Stats(); sa.DTMFSent != 2 || sb.DTMFReceived != 2 || sb.RTPReceived != sa.RTPSent || sb.Lost != 0 || sb.Jitter != 0 || sb.WrongPayload != 0 {
			t.Errorf("a %+v b %+v", sa, sb)
		}
	})
}

func TestHearDTMF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got heard
		_, a, b := pair(t, media.Config{Events: bothEvents}, media.Config{Events: bothEvents, OnDTMF: got.add})
		startBoth(t, a, b)
		if err := a.SendDTMF(t.Context(), "0123456789*#aBCd", 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		var want []string
		for _, d := range "0123456789*#ABCD" {
			want = append(want, string(d)+" 100ms")
		}
		if got.String() != strings.Join(want, ", ") {
			t.Error(got.String())
		}
	})
}

// A digit of the shortest and one of the longest duration, and packet times that do not
// divide it.
func TestDTMFDurations(t *testing.T) {
	for _, ptime := range []time.Duration{10 * time.Millisecond, 30 * time.Millisecond, 200 * time.Millisecond} {
		for _, d := range []time.Duration{40 * time.Millisecond, 250 * time.Millisecond, 8 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				var got heard
				_, a, b := pair(t, media.Config{PTime: ptime, Events: bothEvents}, media.Config{Events: bothEvents, OnDTMF: got.add})
				startBoth(t, a, b)
				if err := a.SendDTMF(t.Context(), "7", d); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second - 5*time.Millisecond) // nothing is on its way
				if want := "7 " + d.String(); got.String() != want {
					t.Errorf("ptime %v: %s, want %s", ptime, &got, want)
				}
				if s := b.Stats(); s.Lost != 0 || s.RTPReceived != a.Stats().RTPSent {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// Whatever packets of an event are lost, it is heard once.
func TestDTMFLoss(t *testing.T) {
	// 150 ms: packets at 0, 50, 100 and the last at 130, 180, 230 ms.
	for lost, want := range map[string]string{
		"":             "1 150ms, 2 150ms",
		"first":        "1 150ms, 2 150ms",
		"updates":      "1 150ms, 2 150ms",
		"two ends":     "1 150ms, 2 150ms",
		"all ends":     "1 120ms lost, 2 120ms lost",
		"all but ends": "1 150ms, 2 150ms",
		"all":          "",
	} {
		synctest.Test(t, func(t *testing.T) {
			var got heard
			n, a, b := pair(t, media.Config{Events: bothEvents}, media.Config{Events: bothEvents, OnDTMF: got.add})
			ends := 0
			n.Route = func(src, _ netip.AddrPort, p []byte) (netip.AddrPort, bool) {
				if src != ap(aRTP) || p[1]&0x7F != 101 {
					return src, true
				}
				first, end := p[1]&0x80 != 0, p[13]&0x80 != 0
				if first {
					ends = 0
				}
				if end {
					ends++
				}
				switch lost {
				case "first":
					return src, !first
				case "updates":
					return src, first || end
				case "two ends":
					return src, !end || ends == 3
				case "all ends":
					return src, !end
				case "all but ends":
					return src, end
				}
				return src, lost == ""
			}
			startBoth(t, a, b)
			if err := a.SendDTMF(t.Context(), "12", 150*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if got.String() != want {
				t.Errorf("lost: %s: heard %q, want %q", lost, &got, want)
			}
		})
	}
}

// eventPacket is a packet of telephone events.
func eventPacket(t *testing.T, seq uint16, stamp uint32, marker bool, payload ...byte) []byte {
	t.Helper()
	b, err := rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: marker, PayloadType: 101, SequenceNumber: seq, Timestamp: stamp, SSRC: 1},
		Payload: payload,
	}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Senders do other things than ours does.
func TestHearOddDTMF(t *testing.T) {
	type packet struct {
		seq     uint16
		stamp   uint32
		marker  bool
		payload []byte
	}
	for name, x := range map[string]struct {
		packets []packet
		want    string
	}{
		"one packet": {[]packet{{1, 0, true, []byte{3, 0x8A, 0, 160}}}, "3 20ms"},
		"out of order": {[]packet{
			{1, 0, true, []byte{3, 10, 0, 160}}, {3, 0, false, []byte{3, 0x8A, 3, 32}}, {2, 0, false, []byte{3, 10, 1, 144}},
		}, "3 100ms"},
		"late packet of the one before": {[]packet{
			{1, 0, true, []byte{3, 10, 0, 160}}, {3, 1600, true, []byte{4, 0x8A, 3, 32}}, {2, 0, false, []byte{3, 0x8A, 3, 32}},
		}, "3 20ms lost, 4 100ms"},
		"the same digit twice": {[]packet{
			{1, 0, true, []byte{3, 0x8A, 3, 32}}, {2, 0, false, []byte{3, 0x8A, 3, 32}}, {3, 1600, true, []byte{3, 0x8A, 3, 32}},
		}, "3 100ms, 3 100ms"},
		"another event with its timestamp": {[]packet{{1, 0, true, []byte{3, 10, 0, 160}}, {2, 0, false, []byte{4, 0x8A, 0, 160}}}, "3 20ms lost"},
		"segments": {[]packet{
			{1, 0, true, []byte{3, 10, 0xFF, 0xFF}}, {2, 0xFFFF, false, []byte{3, 10, 0, 160}}, {3, 0xFFFF, false, []byte{3, 0x8A, 3, 33}},
		}, "3 8.292s"},
		"several in one": {[]packet{{1, 0, true, []byte{1, 0x8A, 3, 32, 2, 0x8A, 3, 32}}}, "1 100ms, 2 100ms"},
		"no duration":    {[]packet{{1, 0, true, []byte{3, 0x8A, 0, 0}}, {2, 0, false, []byte{3, 0x8A, 0, 160}}}, "3 20ms"},
		"no digit":       {[]packet{{1, 0, true, []byte{16, 0x8A, 3, 32}}}, ""},
		"wrapped stamp":  {[]packet{{1, 0xFFFFFF00, true, []byte{1, 0x8A, 3, 32}}, {2, 1000, true, []byte{2, 0x8A, 3, 32}}}, "1 100ms, 2 100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got heard
				n := memnet.New()
				a := mustNew(t, media.Config{RTP: n.Listen(aRTP), Events: bothEvents, OnDTMF: got.add})
				mustStart(t, a, bRTP, bRTP)
				b := n.Listen(bRTP)
				for _, p := range x.packets {
					b.WriteTo(eventPacket(t, p.seq, p.stamp, p.marker, p.payload...), net.UDPAddrFromAddrPort(ap(aRTP)))
				}
				time.Sleep(time.Second)
				if got.String() != x.want {
					t.Errorf("heard %q, want %q", &got, x.want)
				}
				if s := a.Stats(); int(s.RTPReceived) != len(x.packets) || s.Malformed != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// An event that nobody ends is told of 200 ms after its last packet, or when the stream ends.
func TestUnendedDTMF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got heard
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP), Silent: true, Events: bothEvents, OnDTMF: got.add})
		mustStart(t, a, bRTP, bRTP)
		b := n.Listen(bRTP)
		to := net.UDPAddrFromAddrPort(ap(aRTP))
		b.WriteTo(eventPacket(t, 1, 0, true, 9, 10, 0, 160), to)
		time.Sleep(150 * time.Millisecond)
		b.WriteTo(eventPacket(t, 2, 0, false, 9, 10, 1, 144), to)
		time.Sleep(200*time.Millisecond - time.Nanosecond)
		if got.String() != "" {
			t.Errorf("too early: %s", &got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got.String() != "9 50ms lost" {
			t.Errorf("heard %q", &got)
		}
		b.WriteTo(eventPacket(t, 3, 8000, true, 8, 10, 0, 160), to)
		synctest.Wait()
		a.Close()
		if got.String() != "9 50ms lost, 8 20ms lost" {
			t.Errorf("heard %q", &got)
		}
	})
}

func TestMalformedDTMF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		a := mustNew(t, media.Config{RTP: n.Listen(aRTP), Events: bothEvents})
		mustStart(t, a, bRTP, bRTP)
		b := n.Listen(bRTP)
		for _, payload := range [][]byte{{}, {1}, {1, 10, 0}, {1, 10, 0, 160, 2}} {
			b.WriteTo(eventPacket(t, 1, 0, true, payload...), net.UDPAddrFromAddrPort(ap(aRTP)))
		}
		synctest.Wait()
		if s := a.Stats(); s.Malformed != 4 || s.RTPReceived != 0 || s.DTMFReceived != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSendDTMFRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		some := media.Events{Send: 101, Recv: 101, Accepts: 0x0FFF}
		for name, x := range map[string]struct {
			cfg      media.Config
			digits   string
			duration time.Duration
			prepare  func(*media.Stream)
			want     error
		}{
			"nothing to send":  {media.Config{Events: some}, "", 0, nil, nil},
			"not a digit":      {media.Config{Events: some}, "12x", 0, nil, media.ErrDTMF},
			"too short":        {media.Config{Events: some}, "1", 39 * time.Millisecond, nil, media.ErrDTMF},
			"too long":         {media.Config{Events: some}, "1", 9 * time.Second, nil, media.ErrDTMF},
			"negative":         {media.Config{Events: some}, "1", -1, nil, media.ErrDTMF},
			"not agreed":       {media.Config{}, "1", 0, nil, media.ErrNoEvents},
			"not this one":     {media.Config{Events: some}, "1A", 0, nil, media.ErrNoEvents},
			"silent":           {media.Config{Events: some, Silent: true}, "1", 0, nil, media.ErrNotSending},
			"on hold":          {media.Config{Events: some}, "1", 0, func(s *media.Stream) { s.SetDirection(false, true) }, media.ErrNotSending},
			"no address":       {media.Config{Events: some}, "1", 0, func(s *media.Stream) { s.SetRemote(ap("0.0.0.0:1"), ap("0.0.0.0:2")) }, media.ErrNotSending},
			"closed":           {media.Config{Events: some}, "1", 0, func(s *media.Stream) { s.Close() }, media.ErrClosed},
			"no longer agreed": {media.Config{Events: some}, "1", 0, func(s *media.Stream) { s.SetEvents(media.Events{}) }, media.ErrNoEvents},
		} {
			x.cfg.RTP = memnet.New().Listen(aRTP)
			s := mustNew(t, x.cfg)
			mustStart(t, s, bRTP, bRTP)
			if x.prepare != nil {
				x.prepare(s)
			}
			if err := s.SendDTMF(t.Context(), x.digits, x.duration); !errors.Is(err, x.want) {
				t.Errorf("%s: %v, want %v", name, err, x.want)
			}
			if s.Stats().DTMFSent != 0 {
				t.Errorf("%s: something was sent", name)
			}
			s.Close()
		}
		idle := mustNew(t, media.Config{RTP: memnet.New().Listen(aRTP), Events: some})
		if err := idle.SendDTMF(t.Context(), "1", 0); !errors.Is(err, media.ErrNotSending) {
			t.Errorf("not started: %v", err)
		}
		for _, e := range []media.Events{{Send: 128}, {Recv: 72}, {Send: media.PCMA}} {
			if _, err := media.New(media.Config{RTP: memnet.New().Listen(aRTP), PayloadType: media.PCMA, Events: e}); !errors.Is(err, media.ErrConfig) {
				t.Errorf("%+v: %v", e, err)
			}
			if err := idle.SetEvents(e); e.Send != media.PCMA && !errors.Is(err, media.ErrConfig) {
				t.Errorf("%+v: %v", e, err)
			}
		}
	})
}

// What ends sending in the middle, and two who send at once.
func TestSendDTMFEnds(t *testing.T) {
	for name, x := range map[string]struct {
		act  func(s *media.Stream, cancel func())
		want error
		sent string
	}{
		"hold":       {func(s *media.Stream, _ func()) { s.SetDirection(false, true) }, media.ErrNotSending, "1 100ms, 2 70ms lost"},
		"close":      {func(s *media.Stream, _ func()) { s.Close() }, media.ErrClosed, "1 100ms, 2 70ms lost"},
		"cancel":     {func(_ *media.Stream, cancel func()) { cancel() }, context.Canceled, "1 100ms, 2 100ms"},
		"not agreed": {func(s *media.Stream, _ func()) { s.SetEvents(media.Events{}) }, media.ErrNoEvents, "1 100ms, 2 70ms lost"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got heard
				_, a, b := pair(t, media.Config{Events: bothEvents}, media.Config{Events: bothEvents, OnDTMF: got.add})
				startBoth(t, a, b)
				ctx, cancel := context.WithCancel(t.Context())
				errs := make(chan error, 2)
				go func() { errs <- a.SendDTMF(ctx, "123", 0) }()
				synctest.Wait()
				go func() { errs <- a.SendDTMF(ctx, "456", 0) }()
				time.Sleep(275 * time.Millisecond) // in the middle of 2
				x.act(a, cancel)
				for range 2 {
					if err := <-errs; !errors.Is(err, x.want) {
						t.Errorf("%v, want %v", err, x.want)
					}
				}
				time.Sleep(time.Second)
				if got.String() != x.sent {
					t.Errorf("heard %q, want %q", &got, x.sent)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		var got heard
		_, a, b := pair(t, media.Config{Events: bothEvents}, media.Config{Events: bothEvents, OnDTMF: got.add})
		startBoth(t, a, b)
		var wg sync.WaitGroup
		for _, digits := range []string{"12", "34"} {
			wg.Go(func() {
				if err := a.SendDTMF(t.Context(), digits, 0); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		time.Sleep(time.Second)
		if got.String() != "1 100ms, 2 100ms, 3 100ms, 4 100ms" {
			t.Errorf("heard %s", &got)
		}
	})
}

// A session description of each kind, and what it comes to.
func TestEventsAgreed(t *testing.T) {
	voice := media.Codec{PayloadType: media.PCMU, Name: "PCMU", ClockRate: 8000}
	events := func(number uint8, rate uint32, params string) []media.Codec {
		return []media.Codec{voice, {PayloadType: number, Name: "telephone-event", ClockRate: rate, Params: params}}
	}
	for name, x := range map[string]struct {
		local, remote []media.Codec
		want          media.Events
	}{
		"both by default":    {nil, media.DefaultCodecs(), media.Events{Send: 101, Recv: 101, Accepts: media.AllDTMF}},
		"another number":     {nil, events(96, 8000, "0-15"), media.Events{Send: 96, Recv: 101, Accepts: media.AllDTMF}},
		"no list":            {nil, events(101, 8000, ""), media.Events{Send: 101, Recv: 101, Accepts: media.AllDTMF}},
		"a shorter list":     {nil, events(101, 8000, "0-9, 11,16,64-66"), media.Events{Send: 101, Recv: 101, Accepts: 0x0BFF}},
		"unreadable list":    {nil, events(101, 8000, "all"), media.Events{Send: 101, Recv: 101}},
		"another clock":      {nil, events(101, 16000, ""), media.Events{}},
		"they take none":     {nil, []media.Codec{voice}, media.Events{}},
		"we take none":       {[]media.Codec{voice}, media.DefaultCodecs(), media.Events{}},
		"a number like RTCP": {nil, events(72, 8000, ""), media.Events{}},
	} {
		a, err := media.Agree(media.Description{RTP: ap(aRTP), Codecs: x.local}, media.Description{RTP: ap(bRTP), Codecs: x.remote})
		if err != nil || a.Events != x.want {
			t.Errorf("%s: %+v, %v, want %+v", name, a.Events, err, x.want)
		}
	}
	if media.AllDTMF.Has('x') || !media.AllDTMF.Has('D') || media.EventSet(1).Has('1') {
		t.Error("Has")
	}
}
