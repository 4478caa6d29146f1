package ua

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

func netUDP(s string) net.Addr { return net.UDPAddrFromAddrPort(addr(s)) }

func TestDirectCall(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = func(s *Session) {
			go func() {
				check(t, s.Ring(t.Context()))
				time.Sleep(2 * time.Second)
				check(t, s.Answer(t.Context()))
			}()
		}
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(2*time.Second + time.Millisecond)
		for _, x := range []*Session{s, b.lastSession()} {
			equal(t, "state", x.State(), Connected)
			st, _ := x.MediaStats()
			if st.RTPReceived < 99 || st.RTCPReceived < 1 || st.Malformed > 0 {
				t.Errorf("media: %+v", st)
			}
		}
		check(t, s.Hangup(t.Context()))
		synctest.Wait()
		time.Sleep(time.Second)
		equal(t, "caller", a.states(), "in progress, in progress, connected, disconnected(normal)")
		equal(t, "callee", b.states(), "incoming, answering, connected, disconnected(normal)")
		equal(t, "sockets", n.open(), 2)
	})
}

func TestHangupByCallee(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Second)
		check(t, b.lastSession().Hangup(t.Context()))
		<-s.Done()
		equal(t, "caller", a.states(), "in progress, connected, disconnected(normal)")
	})
}

func TestCallThroughProxyWithAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, "203.0.113.10:5060")
		p.password = "secret"
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		check(t, alice.Enable(t.Context()))
		check(t, bob.Enable(t.Context()))
		s, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		time.Sleep(time.Second)
		other := b.lastSession()
		equal(t, "profile of the callee", other.Profile(), bob)
		equal(t, "peer of the callee", other.Peer(), "sip:alice@example.com")
		check(t, other.Hangup(t.Context())) // through the proxy, by its Record-Route
		<-s.Done()
		byes := n.packets(sipText("BYE"))
		equal(t, "BYEs", len(byes), 2)
		equal(t, "BYE sent to", byes[0].dst, p.at)
		check(t, alice.Disable(t.Context()))
		check(t, bob.Disable(t.Context()))
		equal(t, "contacts left", p.count(), 0)
	})
}

func (a *agent) profile(t testing.TB, user string, p *proxy, change ...func(*ProfileConfig)) *Profile {
	t.Helper()
	cfg := ProfileConfig{
		Account:   Account{URI: "sip:" + user + "@example.com", Password: "secret"},
		Registrar: p.at,
	}
	for _, f := range change {
		f(&cfg)
	}
	return must(a.NewProfile(cfg))(t)
}

func TestReject(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = func(s *Session) { go s.Reject(context.Background(), 486, "") }
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		var r *ResponseError
		if !errors.As(err, &r) || r.Code != 486 || r.Reason != "Busy Here" || r.Method != "INVITE" {
			t.Fatalf("got %v", err)
		}
		reason, _ := s.Reason()
		equal(t, "reason", reason, Busy)
		equal(t, "callee", b.states(), "incoming, disconnected(busy)")
	})
}

func TestNobodyAnswersINVITE(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060")
		start := time.Now()
		s, err := a.call(t, nil, "sip:bob@10.0.0.9:5070", nil)
		equal(t, "time", time.Since(start), 32*time.Second) // Timer B
		var e *TimeoutError
		if !errors.Is(err, ErrTransactionTimeout) || !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		equal(t, "error", *e, TimeoutError{Method: "INVITE", To: addr("10.0.0.9:5070"), From: addr("10.0.0.1:5060"), Via: addr("10.0.0.1:5060")})
		reason, _ := s.Reason()
		equal(t, "reason", reason, Timeout)
		equal(t, "INVITEs", len(n.packets(sipText("INVITE"))), 7)
	})
}

func TestCancel(t *testing.T) {
	for _, how := range []string{"context", "hangup"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
				b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
				s := must(a.NewSession(nil))(t)
				ctx, cancel := context.WithCancel(t.Context())
				result := make(chan error)
				go func() { result <- s.Call(ctx, "sip:bob@10.0.0.2") }()
				time.Sleep(3 * time.Second)
				if how == "context" {
					cancel()
				} else {
					check(t, s.Hangup(t.Context()))
				}
				err := <-result
				cancel()
				if !errors.Is(err, ErrCanceled) {
					t.Errorf("got %v", err)
				}
				equal(t, "caller", a.states(), "in progress, in progress, disconnected(canceled)")
				time.Sleep(time.Second)
				equal(t, "callee", b.states(), "incoming, disconnected(canceled)")
				equal(t, "CANCELs", len(n.packets(sipText("CANCEL"))), 1)
				equal(t, "487s", len(n.packets(sipText("SIP/2.0 487"))), 1)
				equal(t, "ACKs", len(n.packets(sipText("ACK"))), 1)
			})
		})
	}
}

// The CANCEL must wait for a provisional response (RFC 3261 section 9.1).
func TestCancelBeforeAnyResponse(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "10.0.0.9:5060")
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(ctx, "sip:bob@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		time.Sleep(time.Second)
		equal(t, "CANCELs early", len(n.packets(sipText("CANCEL"))), 0)
		p.reply(invite, 180, "x")
		c := p.request(sip.CANCEL)
		equal(t, "branch", c.Via().Params.GetOr("branch", ""), invite.Via().Params.GetOr("branch", "-"))
		p.reply(c, 200, "x")
		p.reply(invite, 487, "x")
		p.request(sip.ACK)
		err := <-result
		if !errors.Is(err, ErrCanceled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// A peer that ignores the CANCEL is waited for 64*T1.
func TestCancelIgnored(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "10.0.0.9:5060")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s := must(a.NewSession(nil))(t)
		start := time.Now()
		result := make(chan error)
		go func() { result <- s.Call(ctx, "sip:bob@10.0.0.9") }()
		p.reply(p.request(sip.INVITE), 180, "x")
		if err := <-result; !errors.Is(err, ErrCanceled) {
			t.Errorf("got %v", err)
		}
		equal(t, "time", time.Since(start), 33*time.Second)
	})
}

// The 200 and the CANCEL cross: the call is acknowledged and hung up.
func TestCancelRaceWith200(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "10.0.0.9:5060")
		ctx, cancel := context.WithCancel(t.Context())
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(ctx, "sip:bob@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		p.reply(invite, 180, "x")
		time.Sleep(time.Second)
		cancel()
		p.accept(invite, "x", sdpAt("10.0.0.9:4000"))
		p.request(sip.CANCEL)
		p.request(sip.ACK)
		p.reply(p.request(sip.BYE), 200, "")
		if err := <-result; !errors.Is(err, ErrCanceled) {
			t.Errorf("got %v", err)
		}
	})
}

// RFC 3261 section 13.3.1.4: 200 repeated at T1, doubling to T2, for 64*T1; then BYE.
func TestLostACK(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		n.setDrop(sipText("ACK"))
		start := time.Now()
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		<-b.lastSession().Done()
		equal(t, "callee", b.states(), "incoming, answering, disconnected(timeout)")
		_, err = b.lastSession().Reason()
		if !errors.Is(err, ErrTransactionTimeout) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start).Round(10 * time.Millisecond); took != 32*time.Second {
			t.Errorf("took %v", took)
		}
		<-s.Done()
		equal(t, "caller", a.states(), "in progress, connected, disconnected(normal)")
		oks := n.packets(func(d datagram) bool {
			return strings.HasPrefix(string(d.data), "SIP/2.0 200") && strings.Contains(string(d.data), "INVITE") && d.src == addr("10.0.0.2:5060")
		})
		equal(t, "200s", len(oks), 11) // at 0, .5, 1.5, 3.5, then every 4 s
		equal(t, "ACKs", len(n.packets(sipText("ACK"))), 11)
	})
}

func TestLost200IsRepeatedAndAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		lost := 0
		n.setDrop(func(d datagram) bool {
			if sipText("SIP/2.0 200")(d) && lost < 2 {
				lost++
				return true
			}
			return false
		})
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Second)
		equal(t, "callee", b.lastSession().State(), Connected)
		check(t, s.Hangup(t.Context()))
	})
}

func TestHoldAndResume(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Second)
		o := b.lastSession()
		check(t, s.Hold(t.Context()))
		time.Sleep(time.Second)
		equal(t, "caller", s.State(), Hold)
		equal(t, "callee", o.State(), Hold)
		before, _ := s.MediaStats()
		time.Sleep(time.Second)
		after, _ := s.MediaStats()
		equal(t, "heard on hold", after.Sub(before).RTPReceived, 0)
		equal(t, "sent on hold", after.Sub(before).RTPSent, 0)
		check(t, s.Resume(t.Context()))
		time.Sleep(time.Second)
		equal(t, "caller", s.State(), Connected)
		equal(t, "callee", o.State(), Connected)
		before, _ = s.MediaStats()
		time.Sleep(time.Second)
		after, _ = s.MediaStats()
		equal(t, "heard after", after.Sub(before).RTPReceived, 50)
		check(t, s.Hangup(t.Context()))
	})
}

// HoldAudio goes on sending; either way the peer is told sendonly.
func TestHoldWithAudio(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.HoldAudio = true })
		b := newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		check(t, s.Hold(t.Context()))
		before, _ := b.lastSession().MediaStats()
		time.Sleep(time.Second)
		after, _ := b.lastSession().MediaStats()
		equal(t, "heard", after.Sub(before).RTPReceived, 50)
		check(t, s.Hangup(t.Context()))
	})
}

// Who holds a call that the peer holds offers inactive (RFC 3264 section 8.4), and each
// may resume first.
func TestBothHold(t *testing.T) {
	for _, callerFirst := range []bool{true, false} {
		bubble(t, func(t *testing.T, n *memnet) {
			a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
			b.onIncoming = answerNow
			caller, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			check(t, err)
			time.Sleep(time.Second)
			callee := b.lastSession()
			offers := func() string {
				var list []string
				for _, d := range n.packets(sipText("INVITE")) {
					m := must(sip.ParseMessage(d.data))(t)
					list = append(list, must(media.Parse(m.Body()))(t).Direction.String())
				}
				return strings.Join(list, ", ")
			}
			heard := func(s *Session) uint64 {
				before, _ := s.MediaStats()
				time.Sleep(time.Second)
				after, _ := s.MediaStats()
				return after.Sub(before).RTPReceived
			}
			check(t, caller.Hold(t.Context()))
			time.Sleep(time.Second)
			check(t, callee.Hold(t.Context()))
			time.Sleep(time.Second)
			equal(t, "offers", offers(), "sendrecv, sendonly, inactive")
			equal(t, "heard", heard(caller)+heard(callee), 0)
			first, second := caller, callee
			if !callerFirst {
				first, second = callee, caller
			}
			check(t, first.Resume(t.Context()))
			equal(t, "heard", heard(first)+heard(second), 0) // the other still holds, and sends none
			equal(t, "state", first.State(), Hold)
			check(t, second.Resume(t.Context()))
			equal(t, "heard", heard(first), 50)
			equal(t, "heard", heard(second), 50)
			equal(t, "state", second.State(), Connected)
			check(t, caller.Hangup(t.Context()))
		})
	}
}

// Both hold at once: both get 491 and try again after different times.
func TestGlare(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Second)
		results := make(chan error)
		go func() { results <- s.Hold(t.Context()) }()
		go func() { results <- b.lastSession().Hold(t.Context()) }()
		check(t, <-results)
		check(t, <-results)
		time.Sleep(time.Second)
		equal(t, "491s", len(n.packets(sipText("SIP/2.0 491"))), 2)
		equal(t, "caller", s.State(), Hold)
		equal(t, "callee", b.lastSession().State(), Hold)
	})
}

// How long they wait is the seed's choice.
func TestGlareIsDeterministic(t *testing.T) {
	var took [2][2]time.Duration
	for i := range took {
		bubble(t, func(t *testing.T, n *memnet) {
			a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
			b.onIncoming = answerNow
			s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			check(t, err)
			time.Sleep(time.Second)
			began := time.Now()
			done := make(chan struct{})
			for j, x := range []*Session{s, b.lastSession()} {
				go func() {
					check(t, x.Renew(t.Context()))
					took[i][j] = time.Since(began).Round(time.Millisecond)
					done <- struct{}{}
				}()
			}
			<-done
			<-done
			check(t, s.Hangup(t.Context()))
		})
	}
	equal(t, "times", took[1], took[0])
	if took[0][0] < 2100*time.Millisecond || took[0][1] > 2100*time.Millisecond { // RFC 3261 section 14.1
		t.Errorf("caller after %v, callee after %v", took[0][0], took[0][1])
	}
}

func TestRedirect(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		for _, fail := range []bool{false, true} {
			a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.FailOnRedirect = fail })
			p := newPeer(t, n, "10.0.0.9:5060")
			go func() {
				p.reply(p.request(sip.INVITE), 302, "x",
					sip.NewHeader("Contact", "<sip:nobody@10.0.0.8>;q=0.1"), sip.NewHeader("Contact", "<sip:bob@10.0.0.2>;q=0.9"))
				p.request(sip.ACK)
				p.Close()
			}()
			s, err := a.call(t, nil, "sip:bob@10.0.0.9", nil)
			var r *ResponseError
			switch {
			case !fail:
				check(t, err)
				check(t, s.Hangup(t.Context()))
			case !errors.As(err, &r) || r.Code != 302 || strings.Join(r.Contacts, " ") != "sip:bob@10.0.0.2 sip:nobody@10.0.0.8":
				t.Errorf("got %v", err)
			}
			time.Sleep(time.Second)
			a.Close()
		}
	})
}

// A second 2xx with another To tag is another dialog: it is acknowledged and ended.
func TestForkedAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "10.0.0.9:5060")
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		p.accept(invite, "one", sdpAt("10.0.0.9:4000"))
		check(t, <-result)
		p.accept(invite, "two", sdpAt("10.0.0.9:4002"))
		for _, m := range []sip.RequestMethod{sip.ACK, sip.ACK, sip.BYE} {
			req := p.request(m)
			if m == sip.BYE {
				equal(t, "tag", req.To().Params.GetOr("tag", ""), "two")
				p.reply(req, 200, "")
			}
		}
		equal(t, "state", s.State(), Connected)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
	})
}

// An INVITE without a description asks us for an offer; the answer comes with the ACK.
func TestDelayedOffer(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060"), newPeer(t, n, "10.0.0.9:5060")
		rtp := n.mustListen("10.0.0.9:4000")
		b.onIncoming = answerNow
		p.sendText("10.0.0.2:5060", p.invite("10.0.0.2", "c1", ""))
		res := p.response(200)
		tag, _ := res.To().Params.Get("tag")
		p.sendText("10.0.0.2:5060", p.inDialog("ACK", "10.0.0.2", "c1", tag, 1, sdpAt("10.0.0.9:4000")))
		time.Sleep(time.Second)
		equal(t, "state", b.lastSession().State(), Connected)
		if rtp.waiting() < 40 {
			t.Errorf("%d packets of media", rtp.waiting())
		}
	})
}

func TestShutdownHangsUpAndUnregisters(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, "203.0.113.10:5060")
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		check(t, alice.Enable(t.Context()))
		check(t, bob.Enable(t.Context()))
		_, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		check(t, a.Shutdown(t.Context()))
		time.Sleep(time.Second)
		equal(t, "callee", b.states(), "incoming, answering, connected, disconnected(normal)")
		equal(t, "contacts", p.count(), 1)
		if err := alice.Enable(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// Close in the middle of everything leaves nothing behind: synctest fails the test if a
// goroutine remains.
func TestCloseAtAnyTime(t *testing.T) {
	for _, after := range []time.Duration{0, time.Microsecond, time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond, 4 * time.Millisecond, time.Second, 20 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				stunServer(n, "203.0.113.20:3478")
				p := newProxy(t, n, "203.0.113.10:5060")
				a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
				b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
				pm := must(NewSTUN(STUNConfig{Server: addr("203.0.113.20:3478")}))(t)
				bob := b.profile(t, "bob", p)
				alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.KeepAlive.Kind = KeepAliveOPTIONS })
				check(t, alice.SetPortManager(pm))
				go func() {
					_ = bob.Enable(context.Background())
					_ = alice.Enable(context.Background())
					s, err := a.NewSession(alice)
					if err == nil {
						_ = s.Call(context.Background(), "sip:bob@example.com")
					}
				}()
				time.Sleep(after)
				check(t, a.Close())
				check(t, a.Close())
				check(t, b.Close())
				synctest.Wait()
				equal(t, "sockets", n.open(), 2)
				if len(pm.entries) > 0 {
					t.Error("mappings left")
				}
			})
		})
	}
}
