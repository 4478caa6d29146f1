package ua

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"

	"github.com/natproof/natproof/media"
)

// pair is a call between two agents with options of their own.
func pair(t *testing.T, n *memnet, oa, ob Options) (a, b *agent, sa, sb *Session) {
	t.Helper()
	a = newAgent(t, n, "10.0.0.1:5060", func(c *Config) { c.Options = oa })
	b = newAgent(t, n, "10.0.0.2:5060", func(c *Config) { c.Options = ob })
	b.onIncoming = answerNow
	s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
	check(t, err)
	time.Sleep(time.Second)
	return a, b, s, b.lastSession()
}

func TestRTCPMux(t *testing.T) {
	for _, c := range []struct {
		a, b bool
		line string
	}{{true, true, "both"}, {true, false, "offered"}, {false, true, "possible"}} {
		t.Run(c.line, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				rec := NewRecorder(Local{})
				a := newAgent(t, n, "10.0.0.1:5060", func(cfg *Config) { cfg.RTCPMux = c.a })
				b := newAgent(t, n, "10.0.0.2:5060", func(cfg *Config) { cfg.RTCPMux = c.b })
				b.onIncoming = func(s *Session) {
					check(t, s.SetPortManager(rec))
					answerNow(s)
				}
				s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
				check(t, err)
				time.Sleep(10 * time.Second)
				mux := c.a && c.b
				x, _ := s.MediaStats()
				y, _ := b.lastSession().MediaStats()
				equal(t, "RTCP on the RTP port", x.RTCPSendTo == x.SendTo, mux)
				if x.RTCPReceived == 0 || y.RTCPReceived == 0 {
					t.Errorf("RTCP: %d, %d", x.RTCPReceived, y.RTCPReceived)
				}
				asked := 0
				for _, call := range rec.Calls() {
					if call.Type == AudioRTCP {
						asked++
					}
				}
				equal(t, "RTCP mapping of the callee", asked > 0, !mux)
				check(t, s.Hangup(t.Context()))
				time.Sleep(time.Second)
				equal(t, "sockets", n.open(), 2)
			})
		})
	}
}

func TestSilentStrictLatch(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		_, _, sa, sb := pair(t, n, Options{Silent: true, Strict: true}, Options{Latch: media.LatchAlways})
		x, _ := sa.MediaStats()
		y, _ := sb.MediaStats()
		equal(t, "sent by the silent", x.RTPSent, 0)
		equal(t, "heard by the silent", x.RTPReceived > 40, true)
		// A third party's packets move the one that latches, and are nothing to the strict.
		third := n.mustListen("10.0.0.3:9000")
		p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7}, Payload: make([]byte, 160)}
		raw, _ := p.Marshal()
		for _, s := range []*Session{sa, sb} {
			_, _ = third.WriteTo(raw, netUDP(s.Mappings()[1].Internal.String()))
		}
		time.Sleep(time.Second)
		x, _ = sa.MediaStats()
		equal(t, "dropped by the strict", x.RTPStrictDropped, 1)
		y, _ = sb.MediaStats()
		equal(t, "latched to", y.LatchedTo, addr("10.0.0.3:9000"))
	})
}

func TestTargets(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newPeer(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060", func(c *Config) {
			c.Resolve = func(_ context.Context, host string, port uint16) (netip.AddrPort, error) {
				if host != "known.example" {
					return netip.AddrPort{}, errors.New("no such host")
				}
				return netip.AddrPortFrom(addr(proxyAt).Addr(), port), nil
			}
		})
		alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com", DisplayName: "Alice A."}, Registrar: p.at}))(t)
		for target, want := range map[string]string{
			"tel:+1-555-0100;ext=1":               "sip:+15550100@example.com;user=phone",
			"1234567":                             "sip:1234567@example.com;user=phone",
			"sip:1234567@203.0.113.10;user=phone": "sip:1234567@203.0.113.10;user=phone",
			"sip:bob@known.example":               "sip:bob@known.example",
		} {
			s := must(a.NewSession(alice))(t)
			go s.Call(context.Background(), target)
			invite := p.request(sip.INVITE)
			equal(t, target, invite.Recipient.String(), want)
			equal(t, "From", invite.From().Address.String(), "sip:alice@example.com")
			equal(t, "display name", invite.From().DisplayName, "Alice A.")
			p.reply(invite, 404, "x")
			p.request(sip.ACK)
			<-s.Done()
		}
		for target, is := range map[string]error{
			"sip:bob@unknown.example": nil, "1234567": ErrConfig, "tel:1": ErrConfig, "": nil, "sip:": nil, "sips:a@b": nil,
			"sip:bob@10.0.0.9;transport=tcp": nil, "http://x": nil, "sip:bob@10.0.0.9:99999": nil,
		} {
			s := must(a.NewSession(nil))(t)
			if err := s.Call(t.Context(), target); err == nil || is != nil && !errors.Is(err, is) {
				t.Errorf("%q: got %v", target, err)
			}
		}
		b := newAgent(t, n, "10.0.0.2:5060")
		if _, err := b.call(t, nil, "sip:bob@known.example", nil); !errors.Is(err, ErrUnresolvable) {
			t.Errorf("got %v", err)
		}
		if _, err := b.NewSession(alice); !errors.Is(err, ErrConfig) {
			t.Errorf("got %v", err)
		}
	})
}

// Requests within a dialog follow the route set, loose and strict (RFC 3261 12.2.1.1).
func TestRouteSet(t *testing.T) {
	for name, c := range map[string]struct{ lr, uri, routes, to string }{
		"loose":  {";lr", "sip:peer@203.0.113.30:5060", "<sip:203.0.113.2;lr> <sip:203.0.113.1;lr>", "203.0.113.2:5060"},
		"strict": {"", "sip:203.0.113.2", "<sip:203.0.113.1> <sip:peer@203.0.113.30:5060>", "203.0.113.2:5060"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p, first := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060"), newPeer(t, n, "203.0.113.2:5060")
				s := must(a.NewSession(nil))(t)
				go s.Call(context.Background(), "sip:1@203.0.113.30")
				invite := p.request(sip.INVITE)
				res := sip.NewResponseFromRequest(invite, 200, "OK", []byte(sdpAt("203.0.113.30:4000")))
				res.To().Params.Add("tag", "x")
				for _, r := range []string{"203.0.113.1", "203.0.113.2"} {
					res.AppendHeader(sip.NewHeader("Record-Route", "<sip:"+r+c.lr+">"))
				}
				res.AppendHeader(sip.NewHeader("Contact", "<sip:peer@203.0.113.30:5060>"))
				p.send(res, invite.Source())
				ack := first.request(sip.ACK)
				equal(t, "Request-URI", ack.Recipient.String(), c.uri)
				var routes []string
				for _, h := range ack.GetHeaders("route") {
					routes = append(routes, h.Value())
				}
				equal(t, "Route", strings.Join(routes, " "), c.routes)
				time.Sleep(time.Second)
				go s.Hangup(context.Background())
				bye := first.request(sip.BYE)
				equal(t, "CSeq", bye.CSeq().SeqNo, invite.CSeq().SeqNo+1)
				first.reply(bye, 200, "")
				<-s.Done()
			})
		})
	}
}

// The ACK of a refused INVITE is lost: its repetition is acknowledged again.
func TestRefusalRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		s := must(a.NewSession(nil))(t)
		go s.Call(context.Background(), "sip:1@203.0.113.30")
		invite := p.request(sip.INVITE)
		first := ""
		for range 3 {
			p.reply(invite, 486, "x")
			ack := p.request(sip.ACK)
			if first == "" {
				first = ack.String()
			}
			equal(t, "ACK", ack.String(), first)
			time.Sleep(4 * time.Second)
		}
		time.Sleep(time.Minute)
		p.reply(invite, 486, "x") // nobody remembers
		time.Sleep(time.Second)
		equal(t, "ACKs", len(n.packets(sipText("ACK"))), 3)
		equal(t, "unmatched", a.Stats().Unmatched, 1)
		equal(t, "repeated", a.Stats().Retransmits, 2)
	})
}

// The INVITE is repeated: the answer is too, and there is one call.
func TestInviteRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
		for range 3 {
			p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")))
			p.response(180)
		}
		equal(t, "states", b.states(), "incoming")
		s := b.lastSession()
		equal(t, "source", s.Source(), p.at)
		equal(t, "Call-ID", s.CallID(), "c")
		check(t, s.Reject(t.Context(), 603, ""))
		p.response(603)
		if err := s.Answer(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("got %v", err)
		}
		if err := s.Ring(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("got %v", err)
		}
	})
}

// A BYE arrives while our own re-INVITE waits: it does not hold up the end.
func TestByeDuringReinvite(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:1@203.0.113.30") }()
		p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.30:4000"))
		check(t, <-result)
		go func() { result <- s.Hold(t.Context()) }()
		invite := p.request(sip.INVITE)
		e := s.ends
		p.sendText("10.0.0.1:5060", strings.NewReplacer("tag=pc;", "", "<sip:peer@example.net>;tag=pc", "<sip:1@203.0.113.30>;tag=x", "Call-ID: c", "Call-ID: "+e.callID).
			Replace(p.inDialog("BYE", "10.0.0.1", "c", e.localTag, 1, "")))
		start := time.Now()
		if err := <-result; !errors.Is(err, ErrState) {
			t.Errorf("got %v", err)
		}
		<-s.Done()
		if time.Since(start) > time.Second {
			t.Errorf("took %v", time.Since(start))
		}
		_ = invite
		equal(t, "states", a.states(), "in progress, connected, disconnected(normal)")
	})
}

// The server forgot its nonce: a stale challenge is answered, a plain one is too, once.
func TestNonceForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		p.password = "secret"
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p)
		check(t, alice.Enable(t.Context()))
		p.set(func() { p.nonce++ })
		time.Sleep(55 * time.Minute)
		equal(t, "REGISTERs", len(p.seenRegisters()), 4)
		equal(t, "state", alice.State(), Registered)
		p.set(func() { p.password = "changed" })
		time.Sleep(time.Hour)
		equal(t, "REGISTERs", len(p.seenRegisters()), 5) // the nonce is the one that was just answered
		equal(t, "state", alice.State(), Rejected)
		equal(t, "enabled", alice.Enabled(), false)
	})
}

func TestCallRefusedByTheServersOwnRules(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		p.password = "secret"
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p, func(c *ProfileConfig) { c.Account.Password = "wrong" })
		_, err := a.call(t, alice, "sip:bob@example.com", nil)
		if !errors.Is(err, ErrAuthentication) {
			t.Errorf("got %v", err)
		}
		// Without credentials the challenge itself is the answer.
		s := must(a.NewSession(nil))(t)
		var r *ResponseError
		if err := s.Call(t.Context(), "sip:bob@203.0.113.10"); !errors.As(err, &r) || r.Code != 407 {
			t.Errorf("got %v", err)
		}
	})
}

func TestOfferDescribesMappings(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		for rtcp, line := range map[string]string{
			"198.51.100.1:7001": "", "198.51.100.1:7003": "a=rtcp:7003\r\n", "198.51.100.2:7001": "a=rtcp:7001 IN IP4 198.51.100.2\r\n",
		} {
			pm := must(NewStatic(
				StaticMapping{Type: SIP, External: addr("198.51.100.1:5060")},
				StaticMapping{Type: AudioRTP, External: addr("198.51.100.1:7000")},
				StaticMapping{Type: AudioRTCP, External: addr(rtcp)},
			))(t)
			s := must(a.NewSession(nil))(t)
			check(t, s.SetPortManager(pm))
			go s.Call(context.Background(), "sip:1@203.0.113.30")
			invite := p.request(sip.INVITE)
			body := string(invite.Body())
			equal(t, rtcp, strings.Contains(body, "a=rtcp:"), line != "")
			if !strings.Contains(body, line) {
				t.Errorf("no %q in %s", line, body)
			}
			d := must(media.Parse(invite.Body()))(t)
			equal(t, "RTCP", d.RTCP, addr(rtcp))
			p.reply(invite, 486, "x")
			p.request(sip.ACK)
			<-s.Done()
			synctest.Wait()
		}
	})
}

// A request above 1300 bytes must not go over UDP (RFC 3261 section 18.1.1).
func TestTooLargeARequest(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		p := newProxy(t, n, proxyAt)
		a := newAgent(t, n, "10.0.0.1:5060")
		alice := a.profile(t, "alice", p)
		err := alice.Message(t.Context(), "sip:bob@example.com", "text/plain", make([]byte, 1200))
		if !errors.Is(err, ErrMessageTooLarge) {
			t.Errorf("got %v", err)
		}
		equal(t, "INVITE", len(n.packets(sipText("MESSAGE"))), 0)
	})
}

// Responses have no limit of size (RFC 3261 section 18.1.1 is about requests). What the
// socket does not take all the same is counted and told.
func TestLargeResponses(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		most := 65507
		b := newAgent(t, n, "10.0.0.1:5060", func(c *Config) {
			c.Listen = func(ctx context.Context, at netip.AddrPort) (net.PacketConn, error) {
				conn, err := n.listen(ctx, at)
				return &limited{conn.(*memConn), &most}, err
			}
		})
		b.onIncoming = answerNow
		p := newPeer(t, n, "203.0.113.30:5060")
		route := strings.Repeat("<sip:"+strings.Repeat("r", 60)+".example.com;lr>, ", 15) + "<sip:203.0.113.30;lr>"
		text := strings.Replace(p.invite("10.0.0.1", "c", sdpAt("203.0.113.30:4000")), "Contact:", "Record-Route: "+route+"\nContact:", 1)
		p.sendText("10.0.0.1:5060", text)
		res := p.response(200)
		if len(res.String()) < 1300 {
			t.Errorf("only %d bytes", len(res.String()))
		}
		most = 1472
		p.sendText("10.0.0.1:5060", strings.NewReplacer("z9hG4bKc", "z9hG4bKd", "Call-ID: c", "Call-ID: d").Replace(text))
		time.Sleep(time.Second)
		var told *UnsentEvent
		for _, e := range b.events() {
			if u, ok := e.(UnsentEvent); ok && told == nil {
				told = &u
			}
		}
		if told == nil || told.Method != "INVITE" || told.Code != 200 || told.CallID != "d" || told.To != p.at || told.Size < 1472 || !errors.Is(told.Err, syscall.EMSGSIZE) {
			t.Errorf("told %+v", told)
		}
		if b.Stats().SendErrors == 0 {
			t.Error("not counted")
		}
	})
}

// limited is a socket that takes no datagram above a size.
type limited struct {
	*memConn
	most *int
}

func (c *limited) WriteTo(b []byte, to net.Addr) (int, error) {
	if len(b) > *c.most {
		return 0, syscall.EMSGSIZE
	}
	return c.memConn.WriteTo(b, to)
}

// A response whose Via an application level gateway has rewritten names somebody else: it
// is discarded (RFC 3261 section 18.1.2), counted and told.
func TestForeignViaIsDiscarded(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		s := must(a.NewSession(nil))(t)
		done := make(chan error, 1)
		go func() { done <- s.Call(context.Background(), "sip:1@203.0.113.30") }()
		invite := p.request(sip.INVITE)
		ours := sip.NewResponseFromRequest(invite, 486, "Busy Here", nil)
		foreign := sip.NewResponseFromRequest(invite, 486, "Busy Here", nil)
		foreign.Via().Host = "192.0.2.9"
		p.send(foreign, "10.0.0.1:5060")
		time.Sleep(time.Second)
		equal(t, "discarded", a.Stats().ForeignVia, 1)
		var told DiscardEvent
		for _, e := range a.events() {
			if d, ok := e.(DiscardEvent); ok {
				told = d
			}
		}
		equal(t, "event", told, DiscardEvent{
			Method: "INVITE", CallID: invite.CallID().Value(), Code: 486, Sent: "10.0.0.1:5060", Got: "192.0.2.9:5060",
		})
		p.send(ours, "10.0.0.1:5060")
		var refused *ResponseError
		if err := <-done; !errors.As(err, &refused) || refused.Code != 486 {
			t.Errorf("the call ended with %v", err)
		}
	})
}
