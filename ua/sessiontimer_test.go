package ua

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func timed(expires, least time.Duration, r Refresher) func(*Config) {
	return func(c *Config) { c.SessionTimer = SessionTimer{Expires: expires, MinSE: least, Refresher: r} }
}

// field is the value of the first header field of a name in a message as sent, or "-".
func field(d datagram, name string) string {
	for _, line := range strings.Split(string(d.data), "\r\n") {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return v
		}
	}
	return "-"
}

// Two ends agree on who refreshes and how often, and the call goes on (RFC 4028 section 9,
// table 2).
func TestSessionTimer(t *testing.T) {
	const none = AnyRefresher
	for _, c := range []struct {
		name           string
		caller, callee func(*Config)
		interval       string // in the 200
		refreshes      string // which end sends re-INVITEs: caller, callee or neither
		every          time.Duration
		callerInvites  int // to set the call up
		required       bool
	}{
		{"the caller offers", timed(30*time.Minute, 0, none), timed(30*time.Minute, 0, none), "1800;refresher=uac", "caller", 15 * time.Minute, 1, true},
		{"the caller will not", timed(30*time.Minute, 0, PeerRefresher), timed(30*time.Minute, 0, PeerRefresher), "1800;refresher=uas", "callee", 15 * time.Minute, 1, true},
		{"the caller will", timed(30*time.Minute, 0, LocalRefresher), timed(30*time.Minute, 0, LocalRefresher), "1800;refresher=uac", "caller", 15 * time.Minute, 1, true},
		{"the callee will", timed(30*time.Minute, 0, none), timed(30*time.Minute, 0, LocalRefresher), "1800;refresher=uas", "callee", 15 * time.Minute, 1, true},
		{"the callee wants less", timed(30*time.Minute, 0, none), timed(10*time.Minute, 0, none), "600;refresher=uac", "caller", 5 * time.Minute, 1, true},
		{"the callee wants more", timed(10*time.Minute, 0, none), timed(30*time.Minute, 0, none), "600;refresher=uac", "caller", 5 * time.Minute, 1, true},
		{"too small", timed(10*time.Minute, 0, none), timed(30*time.Minute, 20*time.Minute, none), "1200;refresher=uac", "caller", 10 * time.Minute, 2, true},
		{"the callee knows nothing of it", timed(10*time.Minute, 0, none), func(*Config) {}, "-", "neither", 0, 1, false},
		{"the caller knows nothing of it", func(*Config) {}, timed(10*time.Minute, 0, none), "600;refresher=uas", "callee", 5 * time.Minute, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				silent := func(c *Config) { c.Silent = true }
				a, b := newAgent(t, n, "10.0.0.1:5060", c.caller, silent), newAgent(t, n, "10.0.0.2:5060", c.callee, silent)
				b.onIncoming = answerNow
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				check(t, err)
				time.Sleep(2 * time.Hour)
				equal(t, "state", s.State(), Connected)
				ok := n.packets(sipText("SIP/2.0 200"))[0]
				equal(t, "interval", field(ok, "Session-Expires"), c.interval)
				equal(t, "required", field(ok, "Require") == "timer", c.required)
				counts := map[string]int{}
				for _, d := range n.packets(sipText("INVITE")) {
					counts[d.src.String()]++
				}
				fresh := 0
				if c.every > 0 {
					fresh = int((2*time.Hour - time.Second) / c.every)
				}
				caller, callee := c.callerInvites, 0
				switch c.refreshes {
				case "caller":
					caller += fresh
				case "callee":
					callee = fresh
				}
				equal(t, "caller's INVITEs", counts["10.0.0.1:5060"], caller)
				equal(t, "callee's INVITEs", counts["10.0.0.2:5060"], callee)
				var first string // a refresh says what was said before, version included
				for _, d := range n.packets(func(d datagram) bool { return sipText("INVITE")(d) && strings.Contains(string(d.data), ";tag=") }) {
					if field(d, "CSeq") == "1 INVITE" && d.src.String() == "10.0.0.1:5060" {
						continue
					}
					if first == "" {
						first = bodyOf(d)
					}
					equal(t, "offer", bodyOf(d), first)
				}
				check(t, s.Hangup(t.Context()))
			})
		})
	}
}

// An end that has gone is noticed by both: by the one that waits for a refresh, and by the
// one whose refreshes nobody answers.
func TestSessionExpires(t *testing.T) {
	for _, c := range []struct {
		name           string
		refresher      Refresher
		caller, callee time.Duration // from the answer to the end
	}{
		{"the caller refreshes", LocalRefresher, 77 * time.Second, 60 * time.Second},
		{"the callee refreshes", PeerRefresher, 60 * time.Second, 77 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b := newAgent(t, n, "10.0.0.1:5060", timed(90*time.Second, 0, c.refresher)), newAgent(t, n, "10.0.0.2:5060", timed(90*time.Second, 0, AnyRefresher))
				b.onIncoming = answerNow
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				check(t, err)
				o := b.lastSession()
				began := time.Now()
				n.setDrop(func(datagram) bool { return true })
				for _, x := range []struct {
					s     *Session
					after time.Duration
				}{{s, c.caller}, {o, c.callee}} {
					go func() {
						<-x.s.Done()
						// The BYE waits 32 s for its answer.
						if took := time.Since(began) - 32*time.Second; took < x.after-time.Second || took > x.after+time.Second {
							t.Errorf("ended after %v, want %v", took, x.after)
						}
					}()
				}
				<-s.Done()
				<-o.Done()
				for _, x := range []*Session{s, o} {
					reason, err := x.Reason()
					equal(t, "reason", reason, SessionExpired)
					if !errors.Is(err, ErrSessionExpired) {
						t.Errorf("got %v", err)
					}
				}
				equal(t, "BYEs", len(n.packets(sipText("BYE"))) > 2, true)
			})
		})
	}
}

// A refresh that fails is tried again before the session expires; one that the peer makes
// counts as well; and a 2xx without Session-Expires ends the timer (RFC 4028 section 7.2).
func TestSessionRefreshFails(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060", timed(10*time.Minute, 0, LocalRefresher)), newPeer(t, n, "10.0.0.9:5060")
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
		accept := func(invite *sip.Request, tag string, extra ...sip.Header) {
			res := sip.NewResponseFromRequest(invite, 200, "OK", []byte(sdpAt("10.0.0.9:4000")))
			if tag != "" {
				res.To().Params.Add("tag", tag)
			}
			for _, h := range append(extra, sip.NewHeader("Contact", "<sip:peer@10.0.0.9:5060>"), sip.NewHeader("Content-Type", "application/sdp")) {
				res.AppendHeader(h)
			}
			p.send(res, invite.Source())
		}
		invite := p.request(sip.INVITE)
		equal(t, "asked", invite.GetHeader("Session-Expires").Value(), "600;refresher=uac")
		equal(t, "supported", invite.GetHeader("Supported").Value(), "timer")
		accept(invite, "x", sip.NewHeader("Session-Expires", "100;refresher=uac"), sip.NewHeader("Require", "timer"))
		check(t, <-result)
		began := time.Now()
		next := func() *sip.Request {
			for {
				if m, src := p.recv(); m != nil {
					if r, ok := m.(*sip.Request); ok && r.Method == sip.INVITE {
						r.SetSource(src.String())
						return r
					}
				}
			}
		}
		p.reply(next(), 500, "")
		equal(t, "first", time.Since(began).Round(time.Second), 50*time.Second)
		p.reply(next(), 422, "", sip.NewHeader("Min-SE", "200"))
		equal(t, "second", time.Since(began).Round(time.Second), 59*time.Second)
		third := next()
		equal(t, "asked", third.GetHeader("Session-Expires").Value(), "200;refresher=uac")
		equal(t, "least", third.GetHeader("Min-SE").Value(), "200")
		accept(third, "") // without a timer
		time.Sleep(time.Hour)
		equal(t, "state", s.State(), Connected)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
	})
}

// A session is given up with BYE when its refresh is answered 408 or 481, and when there is nothing but
// a provisional response until it expires (RFC 4028).
func TestSessionRefreshIsNotAnswered(t *testing.T) {
	for _, x := range []struct {
		name   string
		answer int
		after  time.Duration
	}{{"408", 408, 45 * time.Second}, {"481", 481, 45 * time.Second}, {"nothing but 100", 100, 90 * time.Second}} {
		t.Run(x.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060", timed(90*time.Second, 0, LocalRefresher)), newPeer(t, n, "10.0.0.9:5060")
				s := must(a.NewSession(nil))(t)
				result := make(chan error)
				go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
				invite := p.request(sip.INVITE)
				res := sip.NewResponseFromRequest(invite, 200, "OK", []byte(sdpAt("10.0.0.9:4000")))
				res.To().Params.Add("tag", "x")
				for _, h := range []sip.Header{sip.NewHeader("Session-Expires", "90;refresher=uac"), sip.NewHeader("Require", "timer"),
					sip.NewHeader("Contact", "<sip:peer@10.0.0.9:5060>"), sip.NewHeader("Content-Type", "application/sdp")} {
					res.AppendHeader(h)
				}
				p.send(res, invite.Source())
				check(t, <-result)
				began := time.Now()
				p.request(sip.ACK)
				p.reply(p.request(sip.INVITE), x.answer, "")
				bye := p.request(sip.BYE)
				equal(t, "after", time.Since(began).Round(time.Second), x.after)
				p.reply(bye, 200, "")
				<-s.Done()
				reason, err := s.Reason()
				equal(t, "reason", reason, SessionExpired)
				equal(t, "error", errors.Is(err, ErrSessionExpired), true)
			})
		})
	}
}

func TestSessionTimerRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060", timed(30*time.Minute, 5*time.Minute, AnyRefresher)), newPeer(t, n, "10.0.0.9:5060")
		b.onIncoming = answerNow
		send := func(id, fields string) {
			p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", id, sdpAt("10.0.0.9:4000")), "Content-Type", fields+"Content-Type", 1))
		}
		send("c1", "Supported: timer\nx: 200\n")
		equal(t, "Min-SE", p.response(422).GetHeader("Min-SE").Value(), "300")
		send("c2", "Session-Expires: soon\n")
		p.response(400)
		send("c3", "Session-Expires: 200\n") // cannot be told by a 422
		equal(t, "who knows nothing", p.response(200).GetHeader("Session-Expires").Value(), "300;refresher=uas")
		send("c4", "Require: timer\nSupported: timer\nMin-SE: 3600\n")
		equal(t, "who has a minimum", p.response(200).GetHeader("Session-Expires").Value(), "3600;refresher=uac")
		send("c5", "Require: teleport\n")
		equal(t, "unsupported", p.response(420).GetHeader("Unsupported").Value(), "teleport")
	})
	for _, bad := range []SessionTimer{{Expires: time.Minute}, {Expires: 100500 * time.Millisecond}, {MinSE: time.Hour}, {Expires: time.Hour, MinSE: time.Minute}, {Expires: time.Hour, Refresher: 9}} {
		if _, err := New(Config{LocalAddr: addr("10.0.0.1:1").Addr(), Options: Options{SessionTimer: bad}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
