package ua

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The same over the operating system's sockets: two agents, no server.
func TestLoopbackCall(t *testing.T) {
	defer goleak.VerifyNone(t)
	connected, heard := make(chan *Session, 1), make(chan struct{})
	a := newAgent(t, nil, "127.0.0.2:35060", loopback)
	b := newAgent(t, nil, "127.0.0.3:35060", loopback, func(c *Config) {
		c.OnEvent = func(e Event) {
			s, ok := e.(SessionEvent)
			switch {
			case ok && s.State == Incoming:
				go func() { _ = s.Session.Answer(t.Context()) }()
			case ok && s.State == Connected:
				connected <- s.Session
			}
		}
	})
	s, err := a.call(t, nil, "sip:bob@127.0.0.3:35060", nil)
	check(t, err)
	o := <-connected
	go func() {
		defer close(heard)
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for {
			x, _ := s.MediaStats()
			y, _ := o.MediaStats()
			if x.RTPReceived > 2 && y.RTPReceived > 2 && x.RTCPReceived > 0 && y.RTCPReceived > 0 {
				return
			}
			select {
			case <-s.Done():
				return
			case <-look.C:
			}
		}
	}()
	<-heard
	check(t, o.Hangup(t.Context()))
	<-s.Done()
	st, _ := s.MediaStats()
	if st.RTPReceived < 3 {
		t.Errorf("%+v", st)
	}
	check(t, a.Close())
	check(t, b.Close())
}

func loopback(c *Config) { c.MediaPortMin, c.MediaPortMax = 0, 0 }

func TestStartFails(t *testing.T) {
	a := newAgent(t, nil, "127.0.0.2:35060", loopback)
	b := must(New(Config{LocalAddr: a.Addr().Addr(), SIPPort: a.Addr().Port()}))(t)
	if err := b.Start(t.Context()); err == nil {
		t.Error("two clients on one port")
	}
	if err := b.Start(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := a.Start(t.Context()); !errors.Is(err, ErrAlreadyStarted) {
		t.Errorf("got %v", err)
	}
	c := must(New(Config{LocalAddr: a.Addr().Addr()}))(t)
	s := must(c.NewSession(nil))(t)
	if err := s.Call(t.Context(), "sip:x@127.0.0.1"); !errors.Is(err, ErrNotStarted) {
		t.Errorf("got %v", err)
	}
	check(t, c.Close())
}

func TestConfigRefused(t *testing.T) {
	good := netip.MustParseAddr("10.0.0.1")
	for name, c := range map[string]Config{
		"no address":  {},
		"any address": {LocalAddr: netip.MustParseAddr("0.0.0.0")},
		"odd range":   {LocalAddr: good, MediaPortMin: 4001, MediaPortMax: 4002},
		"low range":   {LocalAddr: good, MediaPortMin: 2, MediaPortMax: 8},
		"backwards":   {LocalAddr: good, MediaPortMin: 5000, MediaPortMax: 4000},
		"end":         {LocalAddr: good, MediaPortMin: 65535, MediaPortMax: 65535},
		"timeout":     {LocalAddr: good, PortManagerTimeout: -1},
		"user agent":  {LocalAddr: good, UserAgent: "a\nb"},
		"hold":        {LocalAddr: good, Options: Options{HoldAudio: true, Silent: true}},
		"latch":       {LocalAddr: good, Options: Options{Latch: 99}},
		"window":      {LocalAddr: good, Options: Options{Latch: media.LatchAlways, LatchFor: time.Second}},
	} {
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
