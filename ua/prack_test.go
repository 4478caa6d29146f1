package ua

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

func pracking(use PRACK) func(*Config) { return func(c *Config) { c.PRACK = use } }

// count is how many datagrams that begin with a text were sent.
func (n *memnet) count(prefix string) int { return len(n.packets(sipText(prefix))) }

// Every use of PRACK with every other one: who rings reliably, and who is refused.
func TestReliableRinging(t *testing.T) {
	for _, c := range []struct {
		caller, callee PRACK
		pracks         int
		code           int // of the refusal
	}{
		{NoPRACK, NoPRACK, 0, 0},
		{NoPRACK, SupportPRACK, 0, 0},
		{NoPRACK, RequirePRACK, 0, 0},
		{SupportPRACK, NoPRACK, 0, 0},
		{SupportPRACK, SupportPRACK, 2, 0},
		{SupportPRACK, RequirePRACK, 2, 0},
		{RequirePRACK, NoPRACK, 0, 420},
		{RequirePRACK, SupportPRACK, 2, 0},
	} {
		t.Run(fmt.Sprint(c.caller, c.callee), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b := newAgent(t, n, "10.0.0.1:5060", pracking(c.caller)), newAgent(t, n, "10.0.0.2:5060", pracking(c.callee))
				b.onIncoming = func(s *Session) {
					go func() {
						check(t, s.Ring(t.Context()))
						check(t, s.EarlyMedia(t.Context(), 183))
						check(t, s.Answer(t.Context()))
					}()
				}
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				var r *ResponseError
				if c.code != 0 {
					if !errors.As(err, &r) || r.Code != c.code {
						t.Errorf("got %v", err)
					}
					return
				}
				check(t, err)
				time.Sleep(100 * time.Microsecond)
				equal(t, "caller hears", hears(s), 50)
				equal(t, "callee hears", hears(b.lastSession()), 50)
				equal(t, "PRACKs", n.count("PRACK"), c.pracks)
				final := n.packets(func(d datagram) bool {
					return sipText("SIP/2.0 200")(d) && strings.HasSuffix(field(d, "CSeq"), "INVITE")
				})
				equal(t, "the 200 has a description", bodyOf(final[0]) != "", c.pracks == 0)
				check(t, s.Hold(t.Context()))
				check(t, s.Resume(t.Context()))
				equal(t, "caller hears", hears(s), 50)
				check(t, b.lastSession().Hangup(t.Context()))
				equal(t, "outcomes of a", outcomes(a.Stats()), a.Stats().Datagrams)
				equal(t, "outcomes of b", outcomes(b.Stats()), b.Stats().Datagrams)
			})
		})
	}
}

// A reliable response is repeated until its PRACK comes, and the next one waits for that; a
// lost PRACK and a lost response heal.
func TestReliableLoss(t *testing.T) {
	for _, lost := range []string{"SIP/2.0 180", "PRACK", "SIP/2.0 200"} {
		t.Run(lost, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, b := newAgent(t, n, "10.0.0.1:5060", pracking(SupportPRACK)), newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK))
				b.onIncoming = func(s *Session) {
					go func() {
						check(t, s.Ring(t.Context()))
						check(t, s.EarlyMedia(t.Context(), 183))
						check(t, s.Answer(t.Context()))
					}()
				}
				left := 2
				n.setDrop(func(d datagram) bool {
					if sipText(lost)(d) && left > 0 {
						left--
						return true
					}
					return false
				})
				began := time.Now()
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				check(t, err)
				if took := time.Since(began); lost == "SIP/2.0 180" && took.Round(100*time.Millisecond) != 500*time.Millisecond { // one copy went with the INVITE's
					t.Errorf("took %v", took)
				}
				time.Sleep(time.Second)
				equal(t, "heard", hears(s), 50)
				var order []string
				for _, e := range a.events() {
					if e, ok := e.(SessionEvent); ok && e.State == InProgress {
						order = append(order, fmt.Sprint(e.Code))
					}
				}
				equal(t, "progress", strings.Join(order, " "), "0 180 183")
				check(t, s.Hangup(t.Context()))
			})
		})
	}
}

// Without a PRACK the call is refused after 64*T1, with growing times between the copies (RFC
// 3262 section 3).
func TestNoPRACKComes(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK)), newPeer(t, n, "10.0.0.9:5060")
		b.onIncoming = func(s *Session) { go s.Ring(t.Context()) }
		p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "c1", sdpAt("10.0.0.9:4000")), "Content-Type", "Supported: 100rel\nContent-Type", 1))
		p.response(504)
		equal(t, "copies", n.count("SIP/2.0 180"), 7) // at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
		time.Sleep(time.Second)
		equal(t, "states", b.states(), "incoming, disconnected(timeout)")
	})
}

// What is no acknowledgement of anything gets 481, and changes nothing.
func TestStrayPRACK(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK)), newPeer(t, n, "10.0.0.9:5060")
		b.onIncoming = func(s *Session) { go s.Ring(t.Context()) }
		p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "c1", sdpAt("10.0.0.9:4000")), "Content-Type", "Require: 100rel\nContent-Type", 1))
		ringing := p.response(180)
		tag, _ := ringing.To().Params.Get("tag")
		rseq := ringing.GetHeader("RSeq").Value()
		cseq := 1
		prack := func(id, rack string) {
			cseq++
			text := p.inDialog("PRACK", "10.0.0.2", id, tag, cseq, "")
			if rack != "" {
				text = strings.Replace(text, "Contact", "RAck: "+rack+"\nContact", 1)
			}
			p.sendText("10.0.0.2:5060", text)
		}
		for _, stray := range []string{"", "nonsense", "1 1 INVITE", rseq + " 2 INVITE", rseq + " 1 BYE"} {
			prack("c1", stray)
			p.response(481)
		}
		prack("c2", rseq+" 1 INVITE") // another dialog
		p.response(481)
		prack("c1", rseq+" 1 INVITE")
		p.response(200)
		prack("c1", rseq+" 1 INVITE")
		p.response(481)
		before := n.count("SIP/2.0 180")
		time.Sleep(40 * time.Second)
		equal(t, "copies", n.count("SIP/2.0 180"), before)
		equal(t, "outcomes", outcomes(b.Stats()), b.Stats().Datagrams)
		check(t, b.lastSession().Reject(t.Context(), 486, ""))
	})
	bubble(t, func(t *testing.T, n *memnet) { // a caller acknowledges nothing of ours
		b, p := newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK)), newPeer(t, n, "10.0.0.9:5060")
		s := must(b.NewSession(nil))(t)
		go func() { _ = s.Call(t.Context(), "sip:peer@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		p.accept(invite, "x", sdpAt("10.0.0.9:4000"))
		time.Sleep(time.Second)
		req := newRequest(sip.PRACK, invite.Contact().Address, ends{callID: invite.CallID().Value(), localTag: "x", local: invite.To().Address, remote: invite.From().Address, remoteTag: must(tagOf(invite))(t)}, 1, path{via: p.at}, nil)
		req.AppendHeader(sip.NewHeader("RAck", "1 1 INVITE"))
		p.send(req, "10.0.0.2:5060")
		p.response(481)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
	})
}

func tagOf(req *sip.Request) (string, error) {
	tag, ok := req.From().Params.Get("tag")
	if !ok {
		return "", errors.New("no tag")
	}
	return tag, nil
}

// Responses out of turn are not acknowledged, repetitions not again, and each early dialog has
// numbers of its own (RFC 3262 section 4).
func TestPRACKInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060", pracking(RequirePRACK)), newPeer(t, n, "10.0.0.9:5060")
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		equal(t, "required", invite.GetHeader("Require").Value(), "100rel")
		equal(t, "supported", invite.GetHeader("Supported").Value(), "100rel")
		ring := func(code int, tag, rseq, sdp string) {
			extra := []sip.Header{sip.NewHeader("Require", "100rel")}
			if rseq != "" {
				extra = append(extra, sip.NewHeader("RSeq", rseq))
			}
			p.provisional(invite, code, tag, sdp, extra...)
			time.Sleep(100 * time.Millisecond)
		}
		ring(180, "x", "7", "")
		ring(180, "x", "7", "")
		ring(183, "x", "9", sdpAt("10.0.0.9:4004")) // 8 is missing
		ring(180, "y", "100", "")
		ring(183, "x", "8", sdpAt("10.0.0.9:4000"))
		ring(183, "x", "9", "")
		ring(180, "x", "", "") // not reliable at all
		ring(180, "x", "0", "")
		var got []string
		for _, d := range n.packets(sipText("PRACK")) {
			m := must(sipmsg.Read(d.data, d.src, false))(t).(*sipmsg.Request)
			got = append(got, sipmsg.TagOf(m.To)+" "+field(d, "RAck"))
			if m.CSeq.Number > 1 {
				p.sendText("10.0.0.1:5060", string(m.Respond(200, "OK", "", nil)))
			}
		}
		// Nobody has answered meanwhile, so they come again.
		seen := map[string]bool{}
		var once []string
		for _, g := range got {
			if !seen[g] {
				once = append(once, g)
			}
			seen[g] = true
		}
		equal(t, "PRACKs", strings.Join(once, ", "), "x 7 1 INVITE, y 100 1 INVITE, x 8 1 INVITE, x 9 1 INVITE")
		rtp, _, _ := s.MediaRemote()
		equal(t, "audio to", rtp.String(), "10.0.0.9:4000")
		p.accept(invite, "x", "")
		check(t, <-result)
		ack := n.packets(sipText("ACK"))[0]
		equal(t, "ACK", field(ack, "CSeq"), "1 ACK")
		go func() {
			bye := p.request(sip.BYE)
			if bye.CSeq().SeqNo <= 5 {
				t.Errorf("BYE has CSeq %d", bye.CSeq().SeqNo)
			}
			p.reply(bye, 200, "")
		}()
		check(t, s.Hangup(t.Context()))
	})
}

// An INVITE without an offer that requires reliable responses gets the offer in the first one,
// and its answer comes with the PRACK (RFC 3262 section 5).
func TestOfferInReliableResponse(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK)), newPeer(t, n, "10.0.0.9:5060")
		rtp := n.mustListen("10.0.0.9:4000")
		b.onIncoming = func(s *Session) {
			go func() {
				check(t, s.Ring(t.Context()))
				check(t, s.Answer(t.Context()))
			}()
		}
		p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "c1", ""), "Content-Type", "Require: 100rel\nContent-Type", 1))
		ringing := p.response(180)
		if len(ringing.Body()) == 0 {
			t.Fatalf("no offer: %s", ringing)
		}
		tag, _ := ringing.To().Params.Get("tag")
		time.Sleep(100 * time.Millisecond)
		equal(t, "200 before the PRACK", n.count("SIP/2.0 200"), 0)
		prack := p.inDialog("PRACK", "10.0.0.2", "c1", tag, 2, sdpAt("10.0.0.9:4000"))
		p.sendText("10.0.0.2:5060", strings.Replace(prack, "Contact", "RAck: "+ringing.GetHeader("RSeq").Value()+" 1 INVITE\nContact", 1))
		for {
			ok := p.response(200)
			if ok.CSeq().MethodName == sip.INVITE {
				equal(t, "description in the 200", string(ok.Body()), "")
				break
			}
		}
		p.sendText("10.0.0.2:5060", p.inDialog("ACK", "10.0.0.2", "c1", tag, 1, ""))
		time.Sleep(time.Second)
		equal(t, "state", b.lastSession().State(), Connected)
		if rtp.waiting() < 40 {
			t.Errorf("%d packets of audio", rtp.waiting())
		}
	})
}

// Another offer in a PRACK is answered in its 200.
func TestOfferInPRACK(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK)), newPeer(t, n, "10.0.0.9:5060")
		b.onIncoming = func(s *Session) { go s.EarlyMedia(t.Context(), 183) }
		p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "c1", sdpAt("10.0.0.9:4000")), "Content-Type", "Supported: 100rel\nContent-Type", 1))
		early := p.response(183)
		tag, _ := early.To().Params.Get("tag")
		prack := p.inDialog("PRACK", "10.0.0.2", "c1", tag, 2, sdpAt("10.0.0.9:4002"))
		p.sendText("10.0.0.2:5060", strings.Replace(prack, "Contact", "RAck: "+early.GetHeader("RSeq").Value()+" 1 INVITE\nContact", 1))
		if ok := p.response(200); len(ok.Body()) == 0 {
			t.Errorf("no answer: %s", ok)
		}
		rtp, _, _ := b.lastSession().MediaRemote()
		equal(t, "audio to", rtp.String(), "10.0.0.9:4002")
		check(t, b.lastSession().Reject(t.Context(), 486, ""))
	})
}

// An offer in the PRACK of a response that has not answered the first one is refused, and the
// call goes on.
func TestOfferInPRACKTooSoon(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.2:5060", pracking(SupportPRACK)), newPeer(t, n, "10.0.0.9:5060")
		b.onIncoming = func(s *Session) { go s.Ring(t.Context()) }
		p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "c1", sdpAt("10.0.0.9:4000")), "Content-Type", "Supported: 100rel\nContent-Type", 1))
		ringing := p.response(180)
		tag, _ := ringing.To().Params.Get("tag")
		prack := p.inDialog("PRACK", "10.0.0.2", "c1", tag, 2, sdpAt("10.0.0.9:4002"))
		p.sendText("10.0.0.2:5060", strings.Replace(prack, "Contact", "RAck: "+ringing.GetHeader("RSeq").Value()+" 1 INVITE\nContact", 1))
		p.response(500)
		check(t, b.lastSession().EarlyMedia(t.Context(), 183))
		rtp, _, _ := b.lastSession().MediaRemote()
		equal(t, "audio to", rtp.String(), "10.0.0.9:4000")
		check(t, b.lastSession().Reject(t.Context(), 486, ""))
		equal(t, "outcomes", outcomes(b.Stats()), b.Stats().Datagrams)
	})
}

// Through a proxy that asks for credentials and stays in the way.
func TestPRACKThroughProxy(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, "203.0.113.10:5060")
		p.password = "secret"
		a, b := newAgent(t, n, "10.0.0.1:5060", updating), newAgent(t, n, "10.0.0.2:5060", updating)
		b.onIncoming = func(s *Session) {
			go func() {
				check(t, s.EarlyMedia(t.Context(), 183))
				time.Sleep(time.Second)
				check(t, s.Update(t.Context()))
				check(t, s.Answer(t.Context()))
			}()
		}
		alice, bob := a.profile(t, "alice", p), b.profile(t, "bob", p)
		check(t, alice.Enable(t.Context()))
		check(t, bob.Enable(t.Context()))
		s, err := a.call(t, alice, "sip:bob@example.com", nil)
		check(t, err)
		for _, method := range []string{"PRACK", "UPDATE"} {
			equal(t, method, n.count(method), 2) // each by way of the proxy
		}
		check(t, s.Update(t.Context()))
		equal(t, "heard", hears(s), 50)
		check(t, b.lastSession().Hangup(t.Context()))
	})
}
