package ua

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

func updating(c *Config) { c.Update, c.PRACK = true, SupportPRACK }

// Either end updates the session before the answer, once the first offer and answer are
// complete, and after it.
func TestUpdate(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060", updating), newAgent(t, n, "10.0.0.2:5060", updating)
		b.onIncoming = func(s *Session) {
			go func() {
				check(t, s.Ring(t.Context()))
				if err := s.Update(t.Context()); !errors.Is(err, ErrState) {
					t.Errorf("before the answer to the offer: %v", err)
				}
				check(t, s.EarlyMedia(t.Context(), 183))
				time.Sleep(time.Second)
				check(t, s.Update(t.Context()))
				time.Sleep(2 * time.Second)
				check(t, s.Answer(t.Context()))
			}()
		}
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.2") }()
		time.Sleep(2 * time.Second)
		equal(t, "state", s.State(), InProgress)
		check(t, s.Update(t.Context()))
		equal(t, "caller", s.State(), InProgress)
		equal(t, "callee", b.lastSession().State(), Incoming)
		equal(t, "heard early", hears(b.lastSession()), 50)
		check(t, <-result)
		check(t, s.Update(t.Context()))
		check(t, b.lastSession().Update(t.Context()))
		time.Sleep(time.Second)
		equal(t, "caller", s.State(), Connected)
		equal(t, "caller hears", hears(s), 50)
		equal(t, "callee hears", hears(b.lastSession()), 50)
		equal(t, "UPDATEs", n.count("UPDATE"), 4)
		equal(t, "INVITEs", n.count("INVITE"), 1)
		equal(t, "media", a.mediaStates(), "started, changed, changed, changed, changed")
		check(t, s.Hold(t.Context()))
		check(t, s.Update(t.Context()))
		equal(t, "still on hold", s.State(), Hold)
		check(t, s.Hangup(t.Context()))
		equal(t, "outcomes of a", outcomes(a.Stats()), a.Stats().Datagrams)
		equal(t, "outcomes of b", outcomes(b.Stats()), b.Stats().Datagrams)
	})
}

// Who does not understand UPDATE is not sent one, and an end that does not gets 405.
func TestUpdateNotAllowed(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060", updating), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		for _, x := range []*Session{s, b.lastSession()} {
			if err := x.Update(t.Context()); !errors.Is(err, ErrState) {
				t.Errorf("got %v", err)
			}
		}
		equal(t, "UPDATEs", n.count("UPDATE"), 0)
		check(t, s.Hangup(t.Context()))
	})
}

// Both update at once: both get 491 and try again after different times.
func TestUpdateGlare(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		bubble(t, func(t *testing.T, n *memnet) {
			a, b := newAgent(t, n, "10.0.0.1:5060", updating), newAgent(t, n, "10.0.0.2:5060", updating)
			b.onIncoming = answerNow
			s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
			check(t, err)
			time.Sleep(time.Second)
			results := make(chan error)
			go func() { results <- s.Update(t.Context()) }()
			go func() {
				if mixed {
					results <- b.lastSession().Hold(t.Context())
				} else {
					results <- b.lastSession().Update(t.Context())
				}
			}()
			began := time.Now()
			check(t, <-results)
			first := time.Since(began)
			check(t, <-results)
			second := time.Since(began)
			// RFC 3261 section 14.1: the caller chose the Call-ID and waits longer.
			if first > 2100*time.Millisecond || second < 2100*time.Millisecond || second > 4100*time.Millisecond {
				t.Errorf("after %v and %v", first, second)
			}
			equal(t, "491s", n.count("SIP/2.0 491"), 2)
			check(t, s.Hangup(t.Context()))
		})
	}
}

// The answers of RFC 3311 section 5.2, by what has been offered and not answered.
func TestUpdateOutOfTurn(t *testing.T) {
	sdp := sdpAt("10.0.0.9:4000")
	bubble(t, func(t *testing.T, n *memnet) { // of the caller
		b, p := newAgent(t, n, "10.0.0.2:5060", updating), newPeer(t, n, "10.0.0.9:5060")
		ring := make(chan struct{})
		b.onIncoming = func(s *Session) {
			go func() {
				<-ring
				check(t, s.EarlyMedia(context.Background(), 183))
				check(t, s.Answer(context.Background()))
			}()
		}
		p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "c1", sdp), "Content-Type", "Supported: 100rel\nContent-Type", 1))
		p.response(100)
		time.Sleep(time.Second)
		tag := b.lastSession().ends.localTag
		cseq := 1
		update := func(body string, want int) *sip.Response {
			t.Helper()
			cseq++
			p.sendText("10.0.0.2:5060", p.inDialog("UPDATE", "10.0.0.2", "c1", tag, cseq, body))
			return p.response(want)
		}
		update("", 200)
		if v := update(sdp, 500).GetHeader("Retry-After"); v == nil { // the INVITE's offer has no answer
			t.Error("no Retry-After")
		}
		close(ring)
		early := p.response(183)
		update(sdp, 500) // nor is it acknowledged
		cseq++
		prack := p.inDialog("PRACK", "10.0.0.2", "c1", tag, cseq, "")
		p.sendText("10.0.0.2:5060", strings.Replace(prack, "Contact", "RAck: "+early.GetHeader("RSeq").Value()+" 1 INVITE\nContact", 1))
		for p.response(200).CSeq().MethodName != sip.INVITE {
		}
		if ok := update(sdpAt("10.0.0.9:4002"), 200); len(ok.Body()) == 0 || ok.Contact() == nil {
			t.Errorf("no answer or Contact: %s", ok)
		}
		p.sendText("10.0.0.2:5060", p.inDialog("ACK", "10.0.0.2", "c1", tag, 1, ""))
		time.Sleep(time.Second)
		equal(t, "state", b.lastSession().State(), Connected)
		rtp, _, _ := b.lastSession().MediaRemote()
		equal(t, "audio to", rtp.String(), "10.0.0.9:4002")
		update(strings.Replace(sdp, "AVP 0", "AVP 8", 1), 488)
		update("v=1\r\n", 400)
		cseq = 0
		update("", 500) // CSeq
		p.sendText("10.0.0.2:5060", p.inDialog("UPDATE", "10.0.0.2", "c1", "unknown", 20, ""))
		p.response(481)
		equal(t, "state", b.lastSession().State(), Connected)
		equal(t, "outcomes", outcomes(b.Stats()), b.Stats().Datagrams)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, b.lastSession().Hangup(t.Context()))
	})
	bubble(t, func(t *testing.T, n *memnet) { // of the callee
		a, p := newAgent(t, n, "10.0.0.1:5060", updating), newPeer(t, n, "10.0.0.9:5060")
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		cseq := uint32(0)
		update := func(tag, body string) {
			cseq++
			req := newRequest(sip.UPDATE, invite.Contact().Address, ends{callID: invite.CallID().Value(), localTag: tag, local: invite.To().Address, remote: invite.From().Address, remoteTag: must(tagOf(invite))(t)}, cseq, path{via: p.at}, nil)
			if body != "" {
				setBody(req, sdpType, []byte(body))
			}
			p.send(req, "10.0.0.1:5060")
		}
		update("x", "") // no such dialog yet
		p.response(481)
		p.provisional(invite, 180, "x", "")
		update("x", "")
		p.response(200)
		update("x", sdp) // the INVITE's offer has no answer
		p.response(491)
		p.provisional(invite, 183, "x", sdp)
		update("x", sdp) // it has, but not reliably
		p.response(491)
		p.provisional(invite, 183, "x", sdp, sip.NewHeader("Require", "100rel"), sip.NewHeader("RSeq", "1"))
		prack := p.request(sip.PRACK)
		p.reply(prack, 200, "")
		time.Sleep(time.Second)
		update("x", sdpAt("10.0.0.9:4006"))
		p.response(200)
		rtp, _, _ := s.MediaRemote()
		equal(t, "audio to", rtp.String(), "10.0.0.9:4006")
		p.accept(invite, "x", "")
		check(t, <-result)
		rtp, _, _ = s.MediaRemote()
		equal(t, "audio to", rtp.String(), "10.0.0.9:4006")
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
	})
}

// Sessions are refreshed by an UPDATE without a description where both understand it.
func TestSessionTimerByUpdate(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		timer := timed(10*time.Minute, 0, AnyRefresher)
		silent := func(c *Config) { c.Silent, c.Update = true, true }
		a, b := newAgent(t, n, "10.0.0.1:5060", timer, silent), newAgent(t, n, "10.0.0.2:5060", timer, silent)
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		time.Sleep(time.Hour + time.Second)
		equal(t, "UPDATEs", n.count("UPDATE"), 12)
		equal(t, "INVITEs", n.count("INVITE"), 1)
		for _, d := range n.packets(sipText("UPDATE")) {
			equal(t, "body", bodyOf(d), "")
			equal(t, "asked", field(d, "Session-Expires"), "600;refresher=uac")
		}
		equal(t, "media", a.mediaStates(), "started")
		check(t, b.lastSession().Hold(t.Context())) // counts as a refresh
		time.Sleep(time.Hour)
		check(t, s.Hangup(t.Context()))
	})
}

// An UPDATE that the peer answers 481 or refuses.
func TestUpdateRefused(t *testing.T) {
	for _, code := range []int{481, 488, 422} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060", updating), newPeer(t, n, "10.0.0.9:5060")
				s := must(a.NewSession(nil))(t)
				result := make(chan error)
				go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
				invite := p.request(sip.INVITE)
				p.provisional(invite, 180, "x", "", sip.NewHeader("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE"))
				p.accept(invite, "x", sdpAt("10.0.0.9:4000"))
				check(t, <-result)
				go func() {
					p.reply(p.request(sip.UPDATE), code, "")
					if code != 481 {
						p.reply(p.request(sip.BYE), 200, "")
					}
				}()
				var r *ResponseError
				if err := s.Update(t.Context()); !errors.As(err, &r) || r.Code != code || r.Method != "UPDATE" {
					t.Errorf("got %v", err)
				}
				if code == 481 {
					<-s.Done()
					return
				}
				equal(t, "state", s.State(), Connected)
				check(t, s.Hangup(t.Context()))
			})
		})
	}
}
