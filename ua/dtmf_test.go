package ua

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/media"
)

// digits are those that an agent was told of.
func (a *agent) digits() string {
	var b strings.Builder
	for _, e := range a.events() {
		if d, ok := e.(DTMFEvent); ok {
			b.WriteByte(d.Digit)
			if !d.Complete || d.Duration != 100*time.Millisecond || d.Session == nil {
				b.WriteString("?")
			}
		}
	}
	return b.String()
}

func TestDTMF(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b, sa, sb := pair(t, n, Options{}, Options{})
		check(t, sa.SendDTMF(t.Context(), "1*", 0))
		check(t, sb.SendDTMF(t.Context(), "#9", 0))
		time.Sleep(time.Second)
		equal(t, "callee heard", b.digits(), "1*")
		equal(t, "caller heard", a.digits(), "#9")

		check(t, sa.Hold(t.Context()))
		if err := sa.SendDTMF(t.Context(), "1", 0); !errors.Is(err, ErrMedia) || !errors.Is(err, media.ErrNotSending) {
			t.Errorf("on hold: %v", err)
		}
		check(t, sa.Resume(t.Context()))
		check(t, sa.SendDTMF(t.Context(), "3", 0))
		time.Sleep(time.Second)
		equal(t, "callee heard", b.digits(), "1*3")
		x, _ := sa.MediaStats()
		y, _ := sb.MediaStats()
		equal(t, "sent", x.DTMFSent, 3)
		equal(t, "received", y.DTMFReceived, 3)
		equal(t, "unknown", x.WrongPayload+y.WrongPayload, 0)

		check(t, sa.Hangup(t.Context()))
		if err := sa.SendDTMF(t.Context(), "1", 0); err == nil {
			t.Error("after the end")
		}
	})
}

// Who does not list telephone events gets none, and numbers are those of whoever listens.
func TestDTMFNegotiated(t *testing.T) {
	voice := media.Codec{PayloadType: media.PCMA, Name: "PCMA", ClockRate: 8000}
	events := func(number uint8, params string) []media.Codec {
		return []media.Codec{voice, {PayloadType: number, Name: "telephone-event", ClockRate: 8000, Params: params}}
	}
	for name, x := range map[string]struct {
		a, b []media.Codec
		want error
	}{
		"caller without":   {[]media.Codec{voice}, nil, media.ErrNoEvents},
		"callee without":   {nil, []media.Codec{voice}, media.ErrNoEvents},
		"caller's number":  {events(96, "0-15"), events(110, "0-15"), nil},
		"callee takes few": {nil, events(101, "0-9"), media.ErrNoEvents},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Codecs = x.a })
				b := newAgent(t, n, "10.0.0.2:5060", func(c *Config) { c.Codecs = x.b })
				b.onIncoming = answerNow
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				check(t, err)
				time.Sleep(time.Second)
				for range 2 { // the second time after a re-INVITE of the callee
					if err := s.SendDTMF(t.Context(), "*", 0); !errors.Is(err, x.want) {
						t.Errorf("%v, want %v", err, x.want)
					}
					time.Sleep(time.Second)
					check(t, b.lastSession().Refresh(t.Context()))
				}
				if x.want == nil {
					equal(t, "callee heard", b.digits(), "**")
					check(t, b.lastSession().SendDTMF(t.Context(), "5", 0))
					time.Sleep(time.Second)
					equal(t, "caller heard", a.digits(), "5")
				}
			})
		})
	}
}

func TestDTMFBeforeMedia(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060")
		s, err := a.NewSession(nil)
		check(t, err)
		if err := s.SendDTMF(t.Context(), "1", 0); !errors.Is(err, ErrState) {
			t.Error(err)
		}
	})
}
