package ua

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/media"
)

const serviceAt = "10.0.0.1:5060"

// service is a user agent without an account.
func service(t *testing.T, n *memnet, s Service, change ...func(*Config)) *agent {
	t.Helper()
	return newAgent(t, n, serviceAt, append([]func(*Config){func(c *Config) { c.Service = s }}, change...)...)
}

// changed is text with one thing in it changed.
func changed(t *testing.T, text, from, to string) string {
	t.Helper()
	if !strings.Contains(text, from) {
		t.Fatalf("no %q in %q", from, text)
	}
	return strings.Replace(text, from, to, 1)
}

// RFC 3261 section 8.2: the order of inspection, and what refuses.
func TestAdmit(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		var seen []Arrival
		b := service(t, n, Service{Admit: func(a Arrival) *Refusal {
			seen = append(seen, a)
			switch a.Called {
			case "busy":
				return &Refusal{Code: 486}
			case "moved":
				return &Refusal{Code: 302, Reason: "Elsewhere", Headers: []Header{{"Contact", "<sip:bob@10.0.0.3>"}}}
			case "broken":
				return &Refusal{Code: 200}
			}
			return nil
		}})
		p := newPeer(t, n, "203.0.113.30:5060")
		for _, c := range []struct {
			user           string
			code           int
			reason, header string
		}{
			{"busy", 486, "Busy Here", ""}, {"moved", 302, "Elsewhere", "Contact: <sip:bob@10.0.0.3>"}, {"broken", 500, "Server Internal Error", ""},
		} {
			for _, text := range []string{p.invite("10.0.0.1", c.user, sdpAt("203.0.113.30:4000")), strings.ReplaceAll(p.options(c.user), "Call-ID: o", "Call-ID: o"+c.user)} {
				p.sendText(serviceAt, changed(t, text, "sip:bob@", "sip:"+c.user+"@"))
				res := p.response(c.code)
				equal(t, c.user, res.Reason, c.reason)
				if !strings.Contains(res.String(), c.header) {
					t.Errorf("no %s in %s", c.header, res)
				}
				if res.CSeq().MethodName == sip.OPTIONS && res.GetHeader("Allow") == nil {
					t.Errorf("OPTIONS without Allow: %s", res)
				}
			}
		}
		p.sendText(serviceAt, p.invite("10.0.0.1", "in", sdpAt("203.0.113.30:4000")))
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "asked", len(seen), 7)
		equal(t, "last", seen[6], Arrival{Method: "INVITE", CallID: "in", From: "sip:peer@example.net", Called: "bob", Source: addr("203.0.113.30:5060")})
		equal(t, "states", b.states(), "incoming")
		equal(t, "called", b.lastSession().Called(), "bob")
		st := b.Stats()
		equal(t, "INVITEs", st.Invites, 4)
		equal(t, "answers", fmt.Sprint(st.Answered), "map[302:2 486:2 500:2]")
	})
}

func TestInspection(t *testing.T) {
	invite := func(p *peer) string { return p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")) }
	for name, c := range map[string]struct {
		service Service
		text    func(p *peer) string
		code    int
		header  string
	}{
		"method before extensions": {Service{}, func(p *peer) string {
			return strings.Replace(strings.ReplaceAll(p.options("x"), "OPTIONS", "DANCE"), "Call-ID", "Require: x\nCall-ID", 1)
		}, 501, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE\r\n"},
		"method before scheme": {Service{}, func(p *peer) string {
			return changed(t, strings.ReplaceAll(p.options("x"), "OPTIONS", "PUBLISH"), "PUBLISH sip:", "PUBLISH urn:")
		}, 405, ""},
		"no messages": {Service{NoMessages: true}, func(p *peer) string { return strings.ReplaceAll(p.options("x"), "OPTIONS", "MESSAGE") },
			405, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n"},
		"tel": {Service{}, func(p *peer) string {
			return changed(t, p.options("x"), "OPTIONS sip:bob@10.0.0.1", "OPTIONS tel:+15550123")
		}, 416, ""},
		"tel that is spoken": {Service{Tel: true}, func(p *peer) string {
			return changed(t, p.options("x"), "OPTIONS sip:bob@10.0.0.1", "OPTIONS tel:+15550123")
		}, 200, "Accept: application/sdp\r\n"},
		"OPTIONS": {Service{}, func(p *peer) string { return p.options("x") }, 200, "Accept-Encoding: identity\r\n"},
		"another type wanted": {Service{}, func(p *peer) string { return changed(t, invite(p), "Call-ID", "Accept: text/plain\nCall-ID") },
			406, "Accept: application/sdp\r\n"},
		"SDP not wanted": {Service{}, func(p *peer) string {
			return changed(t, invite(p), "Call-ID", "Accept: application/sdp;q=0, text/*\nCall-ID")
		}, 406, ""},
		"nothing wanted":     {Service{}, func(p *peer) string { return changed(t, invite(p), "Call-ID", "Accept:\nCall-ID") }, 406, ""},
		"SDP wanted too":     {Service{}, func(p *peer) string { return changed(t, invite(p), "Call-ID", "Accept: a/b, application/sdp\nCall-ID") }, 180, ""},
		"anything wanted":    {Service{}, func(p *peer) string { return changed(t, invite(p), "Call-ID", "Accept: */*;q=0.1\nCall-ID") }, 180, ""},
		"encoded":            {Service{}, func(p *peer) string { return changed(t, invite(p), "Call-ID", "Content-Encoding: gzip\nCall-ID") }, 415, "Accept-Encoding: identity\r\n"},
		"plain":              {Service{}, func(p *peer) string { return changed(t, invite(p), "Call-ID", "Content-Encoding: identity\nCall-ID") }, 180, ""},
		"no c=":              {Service{}, func(p *peer) string { return changed(t, invite(p), "c=IN IP4 203.0.113.30\n", "") }, 400, ""},
		"a name in c=":       {Service{}, func(p *peer) string { return changed(t, invite(p), "c=IN IP4 203.0.113.30", "c=IN IP4 host.example") }, 488, `Warning: 301 10.0.0.1:5060 "`},
		"no audio":           {Service{}, func(p *peer) string { return changed(t, invite(p), "m=audio", "m=video") }, 488, `Warning: 304 10.0.0.1:5060 "`},
		"no common codec":    {Service{}, func(p *peer) string { return changed(t, invite(p), "AVP 0", "AVP 18") }, 488, `Warning: 305 10.0.0.1:5060 "`},
		"not of our codecs":  {Service{Codecs: []media.Codec{{PayloadType: 8, Name: "PCMA", ClockRate: 8000}}}, invite, 488, `Warning: 305 `},
		"nothing wrong here": {Service{}, invite, 180, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b := service(t, n, c.service)
				b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
				p := newPeer(t, n, "203.0.113.30:5060")
				text := c.text(p)
				text = strings.Replace(text, "Content-Length: "+fmt.Sprint(len(sdpAt("203.0.113.30:4000"))),
					fmt.Sprintf("Content-Length: %d", len(strings.ReplaceAll(text[strings.Index(text, "\n\n")+2:], "\n", "\r\n"))), 1)
				p.sendText(serviceAt, text)
				res := p.response(c.code)
				if !strings.Contains(res.String(), c.header) {
					t.Errorf("no %q in %s", c.header, res)
				}
			})
		})
	}
}

// An INVITE that comes again by another way is refused (RFC 3261 section 8.2.2.2); one that
// is repeated is not, and neither is the next one of its caller.
func TestMergedInvite(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
		text := p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000"))
		p.sendText(serviceAt, text)
		p.response(180)
		p.sendText(serviceAt, text)
		p.response(180)
		p.sendText(serviceAt, changed(t, text, "branch=z9hG4bKc", "branch=z9hG4bKd"))
		p.response(482)
		p.sendText(serviceAt, strings.NewReplacer("branch=z9hG4bKc", "branch=z9hG4bKe", "CSeq: 1", "CSeq: 2").Replace(text))
		p.response(180)
		equal(t, "INVITEs", b.Stats().Invites, 3)
	})
}

func TestTelURI(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{Tel: true}), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = answerNow
		p.sendText(serviceAt, changed(t, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")), "sip:bob@10.0.0.1", "tel:+1-555-0123;ext=4"))
		equal(t, "Contact", p.response(200).Contact().Address.String(), "sip:"+serviceAt)
		equal(t, "called", b.lastSession().Called(), "+1-555-0123;ext=4")
	})
}

// Provisional responses: those asked for, the 180 again each minute (RFC 3261 section
// 13.3.1.1), none after the final one.
func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
		p.sendText(serviceAt, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")))
		time.Sleep(10 * time.Millisecond)
		s := b.lastSession()
		check(t, s.Progress(t.Context(), 100, ""))
		check(t, s.Progress(t.Context(), 183, ""))
		check(t, s.Ring(t.Context()))
		for _, code := range []int{199, 99, 200} {
			if err := s.Progress(t.Context(), code, "Waiting"); (err == nil) != (code == 199) {
				t.Errorf("%d: %v", code, err)
			}
		}
		time.Sleep(2*time.Minute + time.Second)
		check(t, s.Answer(t.Context()))
		if err := s.Ring(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("rings after the answer: %v", err)
		}
		time.Sleep(10 * time.Second)
		var got []string
		for _, d := range n.packets(func(d datagram) bool { return d.src == b.Addr() }) {
			line, _, _ := strings.Cut(string(d.data), "\r\n")
			got = append(got, strings.TrimPrefix(line, "SIP/2.0 "))
		}
		equal(t, "responses", strings.Join(got[:7], ", "),
			"100 Trying, 183 Session Progress, 180 Ringing, 199 Waiting, 199 Progress, 199 Progress, 200 OK")
		equal(t, "repeats", s.Repeats(), len(got)-7)
	})
}

func TestExpires(t *testing.T) {
	expiring := func(t *testing.T, p *peer) string {
		return changed(t, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")), "Call-ID", "Expires: 20\nCall-ID")
	}
	t.Run("unanswered", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
			start := time.Now()
			p.sendText(serviceAt, expiring(t, p))
			p.response(487)
			equal(t, "after", time.Since(start).Round(time.Second), 20*time.Second)
			equal(t, "states", b.states(), "incoming, disconnected(expired)")
			if _, err := b.lastSession().Reason(); !errors.Is(err, ErrExpired) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("answered", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *memnet) {
			b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
			b.onIncoming = answerNow
			p.sendText(serviceAt, expiring(t, p))
			tag, _ := p.response(200).To().Params.Get("tag")
			p.sendText(serviceAt, p.inDialog("ACK", "10.0.0.1", "c", tag, 1, ""))
			time.Sleep(time.Minute)
			equal(t, "state", b.lastSession().State(), Connected)
		})
	})
}

// A BYE in the early dialog ends the INVITE too (RFC 3261 section 15.1.2).
func TestByeWhileRinging(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
		p.sendText(serviceAt, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")))
		tag, _ := p.response(180).To().Params.Get("tag")
		p.sendText(serviceAt, p.inDialog("BYE", "10.0.0.1", "c", tag, 2, ""))
		equal(t, "first", p.response(200).CSeq().MethodName, sip.BYE)
		equal(t, "then", p.response(487).CSeq().MethodName, sip.INVITE)
		equal(t, "states", b.states(), "incoming, disconnected(normal)")
	})
}

// Hangup before the ACK waits for it, and leaves the end to the 200 that nobody acknowledges.
func TestHangupWithoutACK(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = answerNow
		p.sendText(serviceAt, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")))
		p.response(200)
		start := time.Now()
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, b.lastSession().Hangup(t.Context()))
		equal(t, "after", time.Since(start).Round(time.Second), 32*time.Second)
		equal(t, "states", b.states(), "incoming, answering, disconnected(timeout)")
		equal(t, "repeats", b.lastSession().Repeats(), 10)
	})
}

// Prepare finds out that there are no ports before anything rings.
func TestPrepare(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := service(t, n, Service{MediaInTurn: true}, func(c *Config) { c.MediaPortMin, c.MediaPortMax = 40000, 40001 })
		p := newPeer(t, n, "203.0.113.30:5060")
		p.sendText(serviceAt, p.invite("10.0.0.1", "first", sdpAt("203.0.113.30:4000")))
		time.Sleep(time.Second)
		first := b.lastSession()
		check(t, first.Prepare(t.Context()))
		check(t, first.Prepare(t.Context())) // nothing more
		equal(t, "calls to the manager", b.Stats().ManagerCalls, 3)
		equal(t, "mappings", len(first.Mappings()), 3)

		p.sendText(serviceAt, p.invite("10.0.0.1", "second", sdpAt("203.0.113.30:4000")))
		time.Sleep(time.Second)
		second := b.lastSession()
		if err := second.Prepare(t.Context()); !errors.Is(err, ErrPortMappingUnavailable) {
			t.Errorf("got %v", err)
		}
		check(t, second.Refuse(t.Context(), Refusal{Code: 503, Headers: []Header{{"Retry-After", "5"}}}))
		equal(t, "Retry-After", p.response(503).GetHeader("Retry-After").Value(), "5")
		if err := second.Prepare(t.Context()); err == nil {
			t.Error("prepares a call that is over")
		}
		if err := first.Refuse(t.Context(), Refusal{Code: 200}); !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
		check(t, first.Answer(t.Context()))
		equal(t, "calls to the manager", b.Stats().ManagerCalls, 6) // three of second: SIP, RTP, release of SIP
		p.response(200)
		check(t, b.Close())
		equal(t, "sockets left", n.open(), 1)
	})
}

// What is said of media: codecs in our order, packet time, address, ports in turn; and what
// comes of it.
func TestMediaOfAService(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := service(t, n, Service{
			Codecs: []media.Codec{{PayloadType: 8, Name: "PCMA", ClockRate: 8000}, {PayloadType: 96, Name: "telephone-event", ClockRate: 8000}},
			PTime:  30 * time.Millisecond, MediaAddr: netip.MustParseAddr("10.0.0.77"), MediaInTurn: true,
		}, func(c *Config) { c.MediaPortMin, c.MediaPortMax = 40000, 40005 })
		b.onIncoming = answerNow
		p := newPeer(t, n, "203.0.113.30:5060")
		for i, want := range []string{"10.0.0.77:40000", "10.0.0.77:40002", "10.0.0.77:40004", "10.0.0.77:40000"} {
			id := fmt.Sprint("c", i)
			p.sendText(serviceAt, p.invite("10.0.0.1", id, ""))
			res := p.response(200)
			d := must(media.Parse(res.Body()))(t)
			equal(t, "RTP", d.RTP, addr(want))
			equal(t, "codecs", fmt.Sprint(d.Codecs), "[{8 PCMA 8000 } {96 telephone-event 8000 }]")
			equal(t, "a=ptime", d.PTime, 30*time.Millisecond)
			s := b.lastSession()
			if _, ok := s.Negotiated(); ok {
				t.Error("negotiated before the ACK")
			}
			tag, _ := res.To().Params.Get("tag")
			sdp := changed(t, sdpAt("203.0.113.30:4000", "ptime:40"), "AVP 0", "AVP 8")
			p.sendText(serviceAt, p.inDialog("ACK", "10.0.0.1", id, tag, 1, sdp))
			time.Sleep(time.Second)
			x, ok := s.Negotiated()
			if !ok || x.Agreed.Codec.Name != "PCMA" || x.Agreed.PTime != 40*time.Millisecond || x.Remote.RTP != addr("203.0.113.30:4000") || x.Local.RTP != addr(want) {
				t.Errorf("%+v", x)
			}
			p.sendText(serviceAt, p.inDialog("INVITE", "10.0.0.1", id, tag, 2, changed(t, sdp, "AVP 8", "AVP 8 101")+"a=rtpmap:101 telephone-event/8000\r\n"))
			again := must(media.Parse(p.response(200).Body()))(t)
			equal(t, "codecs kept", len(again.Codecs), 2)
			equal(t, "version", again.SessionVersion, d.SessionVersion+1) // RFC 3264 section 8
			p.sendText(serviceAt, p.inDialog("ACK", "10.0.0.1", id, tag, 2, ""))
			p.sendText(serviceAt, p.inDialog("BYE", "10.0.0.1", id, tag, 3, ""))
			p.response(200)
			time.Sleep(time.Second)
			n, ok := s.Negotiated()
			if !ok || n.Agreed.Codec.Name != "PCMA" {
				t.Errorf("after the end: %+v", n)
			}
		}
	})
}

// A hundred calls at once, each with its own ports and its own audio.
func TestManySessions(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := service(t, n, Service{}, func(c *Config) { c.MediaPortMin, c.MediaPortMax = 40000, 40999 })
		b.onIncoming = answerNow
		var calls []*Session
		for i := range 100 {
			a := newAgent(t, n, fmt.Sprintf("10.0.1.%d:5060", i+1))
			s, err := a.call(t, nil, fmt.Sprintf("sip:%d@10.0.0.1", i), nil)
			check(t, err)
			calls = append(calls, s)
		}
		time.Sleep(time.Second)
		var before []media.Stats
		for _, s := range calls {
			m, _ := s.MediaStats()
			before = append(before, m)
		}
		time.Sleep(time.Second)
		for i, s := range calls {
			m, _ := s.MediaStats()
			equal(t, fmt.Sprint("heard by ", i), m.Sub(before[i]).RTPReceived, 50)
		}
		seen := map[string]bool{}
		for _, e := range b.events() {
			if s, ok := e.(SessionEvent); ok && s.State == Connected {
				seen[s.Session.Called()] = true
			}
		}
		equal(t, "called", len(seen), 100)
		check(t, calls[7].Hangup(t.Context()))
		equal(t, "next", calls[8].State(), Connected)
		equal(t, "INVITEs", b.Stats().Invites, 100)
	})
}

// A response is never too large for UDP: RFC 3261 section 18.1.1 limits requests.
func TestLongRecordRoute(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = func(s *Session) {
			go func() {
				_ = s.Ring(context.Background())
				_ = s.Answer(context.Background())
			}()
		}
		route := "<sip:203.0.113.30;lr;x=" + strings.Repeat("y", 3000) + ">"
		p.sendText(serviceAt, changed(t, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")), "Call-ID", "Record-Route: "+route+"\nCall-ID"))
		p.response(180)
		equal(t, "Record-Route", p.response(200).GetHeader("Record-Route").Value(), route)
	})
}

func TestSocketEvent(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := service(t, n, Service{})
		check(t, b.sips[0].conn.Close())
		var told []SocketEvent
		for _, e := range b.events() {
			if s, ok := e.(SocketEvent); ok {
				told = append(told, s)
			}
		}
		if len(told) != 1 || !errors.Is(told[0].Err, net.ErrClosed) || told[0].Local != addr(serviceAt) {
			t.Errorf("%+v", told)
		}
		c := newAgent(t, n, "10.0.0.2:5060")
		check(t, c.Close())
		synctest.Wait()
		equal(t, "told of Close", len(c.events()), 0)
	})
}

func TestServiceRefused(t *testing.T) {
	for name, s := range map[string]Service{
		"MediaAddr": {MediaAddr: netip.IPv4Unspecified()},
		"PTime":     {PTime: time.Second},
		"Codecs":    {Codecs: []media.Codec{{PayloadType: 101, Name: "telephone-event", ClockRate: 8000}}},
	} {
		if _, err := New(Config{LocalAddr: netip.MustParseAddr("10.0.0.1"), Service: s}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The ACK may be here before the call that sends the 200 has returned.
func TestACKAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := service(t, n, Service{}), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = answerNow
		n.setDrop(func(d datagram) bool {
			if d.src != b.Addr() || !strings.HasPrefix(string(d.data), "SIP/2.0 200") {
				return false
			}
			ok, _ := sipmsg.Peek(d.data)
			ack := strings.ReplaceAll(p.inDialog("ACK", "10.0.0.1", "c", ok.ToTag, 1, ""), "\n", "\r\n")
			go b.stack.Receive(b.sips[0].sock, []byte(ack), addr("203.0.113.30:5060"))
			return false
		})
		p.sendText(serviceAt, p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")))
		time.Sleep(time.Minute)
		equal(t, "states", b.states(), "incoming, answering, connected")
		equal(t, "repeats", b.lastSession().Repeats(), 0)
	})
}
