package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// hears is how many packets of audio a session gets within a second.
func hears(s *Session) uint64 {
	before, _ := s.MediaStats()
	time.Sleep(time.Second)
	after, _ := s.MediaStats()
	return after.Sub(before).RTPReceived
}

// mediaStates lists the media events seen.
func (a *agent) mediaStates() string {
	var list []string
	for _, e := range a.events() {
		if m, ok := e.(MediaEvent); ok {
			list = append(list, m.State.String())
		}
	}
	return strings.Join(list, ", ")
}

// provisional answers an INVITE with a provisional response and a description.
func (p *peer) provisional(req *sip.Request, code int, tag, sdp string, extra ...sip.Header) {
	res := sip.NewResponseFromRequest(req, code, reasonPhrase(code), []byte(sdp))
	res.To().Params.Add("tag", tag)
	res.AppendHeader(sip.NewHeader("Contact", "<sip:peer@"+p.at.String()+">"))
	for _, h := range extra {
		res.AppendHeader(h)
	}
	if sdp != "" {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	p.send(res, req.Source())
}

// mediaAt puts media on an address of its own: a caller learns of it from the answer.
func mediaAt(a string) func(*Config) {
	return func(c *Config) { c.MediaAddr = netip.MustParseAddr(a) }
}

func bodyOf(d datagram) string {
	_, body, _ := strings.Cut(string(d.data), "\r\n\r\n")
	return body
}

// Audio flows both ways before the answer, and goes on after it; both say the same.
func TestEarlyMedia(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = func(s *Session) {
			go func() {
				check(t, s.Ring(t.Context()))
				check(t, s.EarlyMedia(t.Context(), 183))
				time.Sleep(3 * time.Second)
				check(t, s.Answer(t.Context()))
			}()
		}
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.2") }()
		time.Sleep(time.Second)
		equal(t, "caller", s.State(), InProgress)
		equal(t, "callee", b.lastSession().State(), Incoming)
		equal(t, "caller hears early", hears(s), 50)
		equal(t, "callee hears early", hears(b.lastSession()), 50)
		check(t, <-result)
		time.Sleep(100 * time.Microsecond) // off the beat
		equal(t, "caller hears", hears(s), 50)
		equal(t, "callee hears", hears(b.lastSession()), 50)
		early, final := n.packets(sipText("SIP/2.0 183")), n.packets(sipText("SIP/2.0 200"))
		equal(t, "200", bodyOf(final[0]), bodyOf(early[0]))
		check(t, s.Hold(t.Context()))
		equal(t, "heard on hold", hears(b.lastSession()), 0)
		check(t, s.Resume(t.Context()))
		check(t, s.Hangup(t.Context()))
		time.Sleep(time.Second)
		equal(t, "caller", a.mediaStates(), "started, changed, changed, stopped")
		equal(t, "callee", b.mediaStates(), "started, changed, changed, stopped")
	})
}

// The first answer counts (RFC 3261 section 13.2.1); one that cannot be read is none.
func TestFirstAnswerCounts(t *testing.T) {
	for _, c := range []struct {
		name       string
		early      []string // tag and description in turn, each a 183
		tag, final string   // of the 200
		hears      string   // where our audio goes in the end
		fails      error
	}{
		{"repeated", []string{"x", sdpAt("10.0.0.9:4000")}, "x", sdpAt("10.0.0.9:4000"), "10.0.0.9:4000", nil},
		{"the 200 says another", []string{"x", sdpAt("10.0.0.9:4000")}, "x", sdpAt("10.0.0.9:4002"), "10.0.0.9:4000", nil},
		{"the 200 says nothing", []string{"x", sdpAt("10.0.0.9:4000")}, "x", "", "10.0.0.9:4000", nil},
		{"a second 183 says another", []string{"x", sdpAt("10.0.0.9:4000"), "x", sdpAt("10.0.0.9:4002")}, "x", "", "10.0.0.9:4000", nil},
		{"the other fork answers", []string{"x", sdpAt("10.0.0.9:4000")}, "y", sdpAt("10.0.0.9:4002"), "10.0.0.9:4002", nil},
		{"two forks, the second answers", []string{"x", sdpAt("10.0.0.9:4000"), "y", sdpAt("10.0.0.9:4004")}, "y", sdpAt("10.0.0.9:4002"), "10.0.0.9:4002", nil},
		{"garbage", []string{"x", "v=1\r\n"}, "x", sdpAt("10.0.0.9:4002"), "10.0.0.9:4002", nil},
		{"no tag", []string{"", sdpAt("10.0.0.9:4000")}, "x", sdpAt("10.0.0.9:4002"), "10.0.0.9:4002", nil},
		{"the other fork has another codec", []string{"x", sdpAt("10.0.0.9:4000")}, "y", strings.Replace(sdpAt("10.0.0.9:4002"), "AVP 0", "AVP 8", 1), "", ErrMedia},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "10.0.0.9:5060")
				s := must(a.NewSession(nil))(t)
				result := make(chan error)
				go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
				invite := p.request(sip.INVITE)
				for i := 0; i < len(c.early); i += 2 {
					p.provisional(invite, 183, c.early[i], c.early[i+1])
				}
				time.Sleep(time.Second)
				p.accept(invite, c.tag, c.final)
				go func() { p.reply(p.request(sip.BYE), 200, "") }()
				if err := <-result; c.fails != nil {
					if !errors.Is(err, c.fails) {
						t.Errorf("got %v", err)
					}
					equal(t, "ACKs", len(n.packets(sipText("ACK "))), 1)
					return
				}
				rtp, _, _ := s.MediaRemote()
				equal(t, "signalled", rtp.String(), c.hears)
				stats, _ := s.MediaStats()
				equal(t, "sent to", stats.SendTo.String(), c.hears)
				check(t, s.Hangup(t.Context()))
			})
		})
	}
}

// The port manager hears of everything before the packets that need it.
func TestEarlyMediaAndPortManagers(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060", mediaAt("10.0.0.3"))
		caller, callee := NewRecorder(Local{}), NewRecorder(Local{})
		b.onIncoming = func(s *Session) {
			check(t, s.SetPortManager(callee))
			go func() {
				check(t, s.EarlyMedia(t.Context(), 180))
				check(t, s.EarlyMedia(t.Context(), 183)) // says the same again
				time.Sleep(time.Minute + time.Second)
				check(t, s.Reject(t.Context(), 486, ""))
			}()
		}
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", caller)
		var r *ResponseError
		if !errors.As(err, &r) || r.Code != 486 {
			t.Errorf("got %v", err)
		}
		equal(t, "180 and 183", len(n.packets(sipText("SIP/2.0 180")))+len(n.packets(sipText("SIP/2.0 183"))), 3) // one after a minute
		var calls []string
		for _, c := range caller.Calls() {
			calls = append(calls, fmt.Sprint(c.Method, " ", c.Type))
		}
		equal(t, "caller's", strings.Join(calls, ", "), "GetMapping SIP, GetMapping RTP, GetMapping RTCP, "+
			"UpdateRemoteAddress RTP, UpdateRemoteAddress RTCP, ReleaseMapping SIP, ReleaseMapping RTP, ReleaseMapping RTCP")
		equal(t, "callee's", len(callee.Calls()), 6)
		equal(t, "state", s.State(), Disconnected)
		time.Sleep(time.Second)
		equal(t, "caller", a.mediaStates(), "started, stopped")
		equal(t, "callee", b.mediaStates(), "started, stopped")
		synctest.Wait()
		equal(t, "sockets", n.open(), 2)
	})
}

// A port manager that fails while the phone rings ends the call, by a CANCEL.
func TestEarlyMediaWithoutPort(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060", mediaAt("10.0.0.3"))
		b.onIncoming = func(s *Session) { go func() { _ = s.EarlyMedia(context.Background(), 183) }() }
		pm := &funcManager{update: func(context.Context, Mapping, netip.AddrPort) error { return errors.New("no") }}
		s := must(a.NewSession(nil))(t)
		check(t, s.SetPortManager(pm))
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err := s.Call(ctx, "sip:bob@10.0.0.2")
		if !errors.Is(err, ErrPortMappingFailed) {
			t.Errorf("got %v", err)
		}
		reason, _ := s.Reason()
		equal(t, "reason", reason, PortMapping)
		equal(t, "CANCELs", len(n.packets(sipText("CANCEL"))), 1)
		time.Sleep(time.Second)
		equal(t, "callee", b.states(), "incoming, disconnected(canceled)")
	})
}

func TestEarlyMediaOutOfPlace(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060"), newPeer(t, n, "10.0.0.9:5060")
		p.sendText("10.0.0.2:5060", p.invite("10.0.0.2", "c1", ""))
		time.Sleep(time.Second)
		s := b.lastSession()
		if err := s.EarlyMedia(t.Context(), 183); !errors.Is(err, ErrState) {
			t.Errorf("without an offer: %v", err)
		}
		for _, code := range []int{100, 200} {
			if err := s.EarlyMedia(t.Context(), code); !errors.Is(err, ErrConfig) {
				t.Errorf("%d: %v", code, err)
			}
		}
		if err := must(b.NewSession(nil))(t).EarlyMedia(t.Context(), 183); !errors.Is(err, ErrState) {
			t.Errorf("outgoing: %v", err)
		}
		check(t, s.Reject(t.Context(), 486, ""))
		if err := s.EarlyMedia(t.Context(), 183); err == nil {
			t.Error("after the end")
		}
	})
}
