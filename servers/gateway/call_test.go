package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const phoneRTP = phoneIP + ":4000"

func TestACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		n.Latency = time.Millisecond
		changes := make(chan string, 10)
		s := start(t, n, gateway.Config{RingTime: 3 * time.Second, Seed: 1, OnChange: func(c gateway.Call) {
			changes <- c.State.String() + c.Cause.String()
		}})
		p := newPhone(t, n, phoneAt)
		began := time.Now()
		p.invite(offer(phoneRTP))
		p.next(100)
		ringing := p.next(180)
		if got := only(t, s); got.State != gateway.Ringing || got.Number != "1234567" || got.Source != ap(phoneAt) {
			t.Errorf("%+v", got)
		}
		ok := p.next(200)
		if got := time.Since(began); got != 3*time.Second+2*time.Millisecond {
			t.Errorf("answered after %v", got)
		}
		if a, b := ringing.To().Value(), ok.To().Value(); a != b {
			t.Errorf("To is %s in the 180 and %s in the 200", a, b)
		}
		if got := ok.Contact().Address.String(); got != "sip:1234567@"+gwSIP {
			t.Errorf("Contact %s", got)
		}
		answer, err := media.Parse(ok.Body())
		if err != nil {
			t.Fatal(err)
		}
		if answer.RTP != ap("203.0.113.5:16384") || answer.RTCP != ap("203.0.113.5:16385") {
			t.Errorf("media at %v %v", answer.RTP, answer.RTCP)
		}
		p.ack("")
		stream := voice(t, n, phoneRTP, answer)
		time.Sleep(990 * time.Millisecond)
		before, mine := only(t, s), stream.Stats()
		time.Sleep(10 * time.Second)
		after := only(t, s)
		gw, ph := after.Media.Sub(before.Media), stream.Stats().Sub(mine)
		if gw.RTPSent != 500 || gw.RTPReceived != 500 || ph.RTPReceived != 500 || gw.RTCPReceived == 0 || ph.RTCPReceived == 0 {
			t.Errorf("gateway %+v\nphone %+v", gw, ph)
		}
		if after.State != gateway.Talking || after.Agreed.Codec.Name != "PCMU" || after.Remote.RTP != ap(phoneRTP) {
			t.Errorf("%+v", after)
		}
		p.in("BYE", "")
		p.next(200)
		time.Sleep(time.Second)
		end := only(t, s)
		if end.State != gateway.Ended || end.Cause != gateway.CallerHungUp || end.Media.RTPReceived < 500 {
			t.Errorf("%+v", end)
		}
		still := stream.Stats().RTPReceived
		time.Sleep(time.Second)
		if stream.Stats().RTPReceived != still {
			t.Error("media goes on after BYE")
		}
		for _, want := range []string{"ringing", "answered", "talking", "endedcaller hung up"} {
			if got := <-changes; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		if st := s.Stats(); st.Invites != 1 || st.Answered[200] != 2 || len(st.Answered) != 1 || st.Malformed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestTheGatewayHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{TalkTime: 10 * time.Second})
		p := newPhone(t, n, phoneAt)
		p.call(offer(phoneRTP))
		began := time.Now()
		bye, at := p.nextRequest(sip.BYE)
		if at.Sub(began) != 10*time.Second {
			t.Errorf("BYE after %v", at.Sub(began))
		}
		if got := bye.Recipient.String(); got != "sip:alice@"+phoneAt {
			t.Errorf("Request-URI %s", got)
		}
		if bye.CallID().Value() != p.callID || bye.To().Value() != p.from || bye.From().Value() != p.to || bye.CSeq().SeqNo != 1 {
			t.Errorf("not in the dialog:\n%s", bye)
		}
		if state := only(t, s).State; state != gateway.Hangup {
			t.Errorf("state %v", state)
		}
		p.answer(bye, 200)
		time.Sleep(time.Millisecond)
		if c := only(t, s); c.State != gateway.Ended || c.Cause != gateway.GatewayHungUp {
			t.Errorf("%+v", c)
		}
	})
}

func TestRequestsGoByTheRouteSet(t *testing.T) {
	for _, tc := range []struct{ name, recordRoute, uri, routes, hop string }{
		{"loose", "Record-Route: <sip:198.51.100.50:5070;lr>, <sip:198.51.100.51;lr>",
			"sip:alice@" + phoneAt, "<sip:198.51.100.50:5070;lr> <sip:198.51.100.51;lr>", "198.51.100.50:5070"},
		{"strict", "Record-Route: <sip:198.51.100.50>\r\nRecord-Route: <sip:198.51.100.51;lr>",
			"sip:198.51.100.50", "<sip:198.51.100.51;lr> <sip:alice@" + phoneAt + ">", "198.51.100.50:5060"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				s := start(t, n, gateway.Config{})
				p := newPhone(t, n, phoneAt)
				proxy := newPhone(t, n, tc.hop)
				p.invite(offer(phoneRTP), tc.recordRoute)
				p.next(100)
				p.next(180)
				if got := len(p.next(200).GetHeaders("Record-Route")); got != 2 {
					t.Errorf("%d Record-Route in the 200", got)
				}
				p.ack("")
				time.Sleep(time.Millisecond)
				if err := s.Hangup(p.callID); err != nil {
					t.Fatal(err)
				}
				bye, _ := proxy.nextRequest(sip.BYE)
				var routes []string
				for _, h := range bye.GetHeaders("Route") {
					routes = append(routes, h.Value())
				}
				if bye.Recipient.String() != tc.uri || strings.Join(routes, " ") != tc.routes {
					t.Errorf("BYE %s by %v", bye.Recipient.String(), routes)
				}
				proxy.answer(bye, 200)
				p.silence(time.Second)
			})
		})
	}
}

// The limit of RFC 3261 §18.1.1 is for requests: all responses leave.
func TestALongRecordRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP), "Record-Route: <sip:198.51.100.50;lr;x="+strings.Repeat("y", 800)+">")
		p.next(100)
		p.next(180)
		if ok := p.next(200); len(ok.String()) < 1300 {
			t.Errorf("only %d bytes", len(ok.String()))
		}
		p.ack("")
		time.Sleep(time.Millisecond)
		if c := only(t, s); c.State != gateway.Talking {
			t.Errorf("%+v", c)
		}
	})
}

// RFC 3261 §13.3.1.4: T1 = 0.5 s, doubled up to T2 = 4 s, for 64*T1 = 32 s.
func TestTheOKIsRepeatedUntilItsACK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(180)
		p.next(200)
		first := time.Now()
		for _, want := range []float64{0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5} {
			p.next(200)
			if got := time.Since(first).Seconds(); got != want {
				t.Errorf("repeated after %v s, want %v", got, want)
			}
		}
		if err := s.Hangup(p.callID); err != nil { // must wait for the ACK
			t.Fatal(err)
		}
		bye, at := p.nextRequest(sip.BYE)
		if at.Sub(first) != 32*time.Second {
			t.Errorf("BYE after %v", at.Sub(first))
		}
		p.answer(bye, 200)
		time.Sleep(time.Millisecond)
		if c := only(t, s); c.Cause != gateway.NoACK || c.Retransmissions != 10 || !c.Established.IsZero() {
			t.Errorf("%+v", c)
		}
	})
}

func TestALateACKStopsTheRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(180)
		p.next(200)
		p.next(200)
		p.ack("")
		p.ack("") // a retransmission of it
		p.silence(40 * time.Second)
		if c := only(t, s); c.State != gateway.Talking || c.Retransmissions != 1 {
			t.Errorf("%+v", c)
		}
	})
}

func TestAnACKInTheINVITEsTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(180)
		p.next(200)
		p.write(p.request("ACK", "sip:"+gwSIP, "")) // the INVITE's own branch
		p.silence(40 * time.Second)
		if c := only(t, s); c.State != gateway.Talking {
			t.Errorf("%+v", c)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{RingTime: 30 * time.Second})
		p := newPhone(t, n, phoneAt)
		to := p.to
		p.invite(offer(phoneRTP))
		p.next(100)
		ringing := p.next(180)
		time.Sleep(5 * time.Second)
		p.to = to
		p.write(p.request("CANCEL", number, ""))
		canceled := p.next(200)
		terminated := p.next(487)
		if a, b := ringing.To().Value(), terminated.To().Value(); a != b {
			t.Errorf("To is %s in the 180 and %s in the 487", a, b)
		}
		if a, b := ringing.To().Value(), canceled.To().Value(); a != b {
			t.Errorf("To is %s in the 180 and %s in the 200 for the CANCEL", a, b)
		}
		p.write(p.request("ACK", number, ""))
		p.silence(40 * time.Second)
		if c := only(t, s); c.Cause != gateway.Canceled || c.Media.RTPSent != 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestEndedWhileRinging(t *testing.T) {
	ring := func(t *testing.T, lines ...string) (*gateway.Server, *phone) {
		n := memnet.New()
		s := start(t, n, gateway.Config{RingTime: 150 * time.Second})
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP), lines...)
		p.next(100)
		p.next(180)
		return s, p
	}
	t.Run("BYE", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := ring(t)
			p.in("BYE", "")
			first, second := p.any().msg.(*sip.Response), p.any().msg.(*sip.Response)
			statuses := map[sip.RequestMethod]int{first.CSeq().MethodName: first.StatusCode, second.CSeq().MethodName: second.StatusCode}
			if statuses[sip.BYE] != 200 || statuses[sip.INVITE] != 487 {
				t.Errorf("%v", statuses)
			}
			synctest.Wait()
			if c := only(t, s); c.Cause != gateway.CallerHungUp {
				t.Errorf("%+v", c)
			}
		})
	})
	t.Run("Expires", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := ring(t, "Expires: 20")
			began := time.Now()
			p.next(487)
			if d := time.Since(began); d != 20*time.Second {
				t.Errorf("after %v", d)
			}
			synctest.Wait()
			if c := only(t, s); c.Cause != gateway.Expired {
				t.Errorf("%+v", c)
			}
		})
	})
	t.Run("a long ring is repeated", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, p := ring(t)
			began := time.Now()
			p.next(180)
			if d := time.Since(began); d != time.Minute {
				t.Errorf("after %v", d)
			}
			p.next(180)
			p.next(200)
			p.ack("")
		})
	})
	t.Run("Hangup", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, p := ring(t)
			if err := s.Hangup(p.callID); !errors.Is(err, gateway.ErrNotReady) {
				t.Errorf("%v", err)
			}
			if err := s.Hangup("nobody"); !errors.Is(err, gateway.ErrNoCall) {
				t.Errorf("%v", err)
			}
			go s.Shutdown(background)
			p.next(503)
		})
	})
}

func TestReinvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.call(offer(phoneRTP))
		time.Sleep(time.Millisecond)
		again := func(body string) media.Description {
			t.Helper()
			p.in("INVITE", body)
			res := p.next(200)
			p.ack("")
			time.Sleep(time.Millisecond)
			d, err := media.Parse(res.Body())
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		const moved = phoneIP + ":7000"
		if d := again(offer(moved)); d.SessionVersion != 2 || d.Direction != media.SendRecv {
			t.Errorf("%+v", d)
		}
		if c := only(t, s); c.Media.SendTo != ap(moved) || c.Media.RTCPSendTo != ap(phoneIP+":7001") || c.Reinvites != 1 {
			t.Errorf("media goes to %v: %+v", c.Media.SendTo, c)
		}

		if d := again(offer(moved, "a=sendonly")); d.Direction != media.RecvOnly || d.SessionVersion != 3 {
			t.Errorf("%+v", d)
		}
		held := only(t, s)
		time.Sleep(time.Second)
		if c := only(t, s); c.Media.RTPSent != held.Media.RTPSent || c.Agreed.Send {
			t.Errorf("sends on hold: %+v", c)
		}

		again(string(sdp("0.0.0.0", "m=audio 7000 RTP/AVP 0"))) // old-style hold
		held = only(t, s)
		time.Sleep(time.Second)
		if c := only(t, s); c.Media.RTPSent != held.Media.RTPSent || c.Media.SendErrors != 0 {
			t.Errorf("sends on hold: %+v", c.Media)
		}

		again(offer(moved))
		held = only(t, s)
		time.Sleep(time.Second)
		if c := only(t, s).Media.Sub(held.Media); c.RTPSent != 50 {
			t.Errorf("resumed with %d packets a second", c.RTPSent)
		}

		p.in("INVITE", string(sdp(phoneIP, "m=audio 7000 RTP/AVP 8"))) // another codec than the stream has
		p.next(488)
		p.write(p.request("ACK", "sip:"+gwSIP, ""))
		p.in("INVITE", "v=0\r\n")
		p.next(488)
		p.write(p.request("ACK", "sip:"+gwSIP, ""))
		if c := only(t, s); c.State != gateway.Talking || c.Media.SendTo != ap(moved) {
			t.Errorf("a refused re-INVITE changed the call: %+v", c)
		}

		p.contact = "<sip:alice@198.51.100.8:5062>" // a target refresh
		elsewhere := newPhone(t, n, "198.51.100.8:5062")
		again("")
		time.Sleep(time.Millisecond)
		bye, _ := elsewhere.nextRequest(sip.BYE) // the ACK had no answer to the gateway's offer
		if bye.Recipient.String() != "sip:alice@198.51.100.8:5062" {
			t.Errorf("BYE to %s", bye.Recipient.String())
		}
		elsewhere.answer(bye, 200)
		time.Sleep(time.Millisecond)
		if c := only(t, s); c.Cause != gateway.BadAnswer {
			t.Errorf("%+v", c)
		}
	})
}

func TestReinviteOutOfTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.cseq = 10
		p.call(offer(phoneRTP))
		time.Sleep(time.Millisecond)

		p.cseq = 8
		p.in("INVITE", offer(phoneRTP)) // CSeq 9
		p.next(500)
		p.write(p.request("ACK", "sip:"+gwSIP, ""))

		p.cseq = 10
		p.in("INVITE", offer(phoneRTP))
		p.next(200) // and no ACK for it
		first := p.cseq
		p.in("INVITE", offer(phoneRTP))
		if h := p.next(500).GetHeader("Retry-After"); h == nil {
			t.Error("500 without Retry-After")
		}
		p.write(p.request("ACK", "sip:"+gwSIP, ""))
		p.cseq = first
		p.ack("")
		p.silence(40 * time.Second)
		if c := only(t, s); c.State != gateway.Talking || c.Reinvites != 1 {
			t.Errorf("%+v", c)
		}

		p.cseq += 2
		p.in("INVITE", offer(phoneRTP))
		began := time.Now()
		for range 11 {
			p.next(200)
		}
		bye, at := p.nextRequest(sip.BYE)
		if at.Sub(began) != 32*time.Second {
			t.Errorf("BYE after %v", at.Sub(began))
		}
		p.answer(bye, 481)
		time.Sleep(time.Millisecond)
		if c := only(t, s); c.Cause != gateway.NoACK {
			t.Errorf("%+v", c)
		}
	})
}

func TestAnINVITEWithoutAnOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.invite("")
		p.next(100)
		p.next(180)
		theirs, err := media.Parse(p.next(200).Body())
		if err != nil || len(theirs.Codecs) != 3 {
			t.Fatalf("%+v %v", theirs, err)
		}
		p.ack(string(sdp(phoneIP, "m=audio 4000 RTP/AVP 8")))
		voice(t, n, phoneRTP, theirs)
		time.Sleep(time.Second)
		if c := only(t, s); c.State != gateway.Talking || c.Agreed.Codec.Name != "PCMA" || c.Media.RTPSent < 49 || c.Media.WrongPayload < 49 {
			t.Errorf("%+v", c)
		}
	})
}

func TestMediaOptions(t *testing.T) {
	// The phone's media leaves from another port than it advertises, as behind
	// a NAT with address-and-port-dependent mapping.
	call := func(t *testing.T, cfg gateway.Config) (gateway.Call, media.Stats) {
		n := memnet.New()
		n.Latency = time.Millisecond
		n.Route = func(src, dst netip.AddrPort, _ []byte) (netip.AddrPort, bool) {
			if src == ap(phoneRTP) {
				src = ap(phoneIP + ":60000")
			}
			return src, true
		}
		s := start(t, n, cfg)
		p := newPhone(t, n, phoneAt)
		answer := p.call(offer(phoneRTP))
		stream := voice(t, n, phoneRTP, answer)
		time.Sleep(10*time.Second - 10*time.Millisecond)
		return only(t, s), stream.Stats()
	}
	t.Run("plain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, ph := call(t, gateway.Config{})
			if c.Media.RTPReceived < 498 || ph.RTPReceived < 498 || c.Media.LatchedTo.IsValid() {
				t.Errorf("%+v\n%+v", c.Media, ph)
			}
		})
	})
	t.Run("latch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, ph := call(t, gateway.Config{Latch: media.LatchAlways})
			if c.Media.LatchedTo != ap(phoneIP+":60000") || c.Media.Latches != 1 || ph.RTPReceived > 5 {
				t.Errorf("%+v\n%+v", c.Media, ph)
			}
		})
	})
	t.Run("latch for no time to speak of", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, ph := call(t, gateway.Config{Latch: media.LatchWindow, LatchFor: 1})
			if c.Media.Latches != 0 || c.Media.LatchRefused != c.Media.RTPReceived || ph.RTPReceived < 498 {
				t.Errorf("%+v\n%+v", c.Media, ph)
			}
		})
	})
	t.Run("strict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := call(t, gateway.Config{Strict: true})
			if c.Media.RTPReceived != 0 || c.Media.RTPStrictDropped < 498 || c.Media.StrictFrom != ap(phoneIP+":60000") {
				t.Errorf("%+v", c.Media)
			}
		})
	})
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, ph := call(t, gateway.Config{Silent: true})
			if c.Media.RTPSent != 0 || ph.RTPReceived != 0 || ph.RTCPReceived == 0 || c.Media.RTPReceived < 498 {
				t.Errorf("%+v\n%+v", c.Media, ph)
			}
		})
	})
	t.Run("another media address", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, ph := call(t, gateway.Config{MediaAddr: netip.MustParseAddr("203.0.113.77"), MinPort: 9001, MaxPort: 9010})
			if c.Local.RTP != ap("203.0.113.77:9002") || ph.SendTo != ap("203.0.113.77:9002") || ph.RTPReceived < 498 {
				t.Errorf("%+v\n%+v", c.Local, ph)
			}
		})
	})
}

func TestMux(t *testing.T) {
	for _, takes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			s := start(t, n, gateway.Config{Mux: takes})
			p := newPhone(t, n, phoneAt)
			answer := p.call(offer(phoneRTP, "a=rtcp-mux"))
			if answer.Mux != takes {
				t.Errorf("gateway that takes it (%v) answered %v", takes, answer.Mux)
			}
			stream, err := media.New(media.Config{RTP: n.Listen(phoneRTP)})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			rtcp := answer.RTP
			if !takes {
				rtcp = answer.RTCP
			}
			if err := stream.Start(answer.RTP, rtcp); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			c := only(t, s)
			if c.Media.RTCPReceived == 0 || c.Media.Malformed != 0 || (c.Agreed.RTCP == c.Agreed.RTP) != takes {
				t.Errorf("takes it %v: %+v", takes, c)
			}
			if (stream.Stats().RTCPReceived > 0) != takes {
				t.Errorf("takes it %v: the phone got RTCP %d", takes, stream.Stats().RTCPReceived)
			}
			p.in("INVITE", offer(phoneRTP)) // no longer offered: RTCP has a port of its own, if it had none
			again, err := media.Parse(p.next(200).Body())
			if err != nil || again.Mux || again.RTCP != netip.AddrPortFrom(answer.RTP.Addr(), answer.RTP.Port()+1) {
				t.Errorf("%+v %v", again, err)
			}
			p.ack("")
			time.Sleep(10 * time.Second)
			if c := only(t, s); c.Media.RTCPSendTo != c.Agreed.RTCP || c.Agreed.RTCP == c.Agreed.RTP {
				t.Errorf("takes it %v: %+v", takes, c)
			}
		})
	}
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.call(offer(phoneRTP))
		time.Sleep(time.Second)
		if err := s.Serve(); err == nil || errors.Is(err, gateway.ErrClosed) {
			t.Errorf("a second Serve: %v", err)
		}
		done := make(chan error)
		go func() { done <- s.Shutdown(background) }()
		bye, _ := p.nextRequest(sip.BYE)
		late := newPhone(t, n, "198.51.100.9:5060")
		late.invite(offer("198.51.100.9:4000"))
		late.next(503)
		p.answer(bye, 200)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if c := only(t, s); c.Cause != gateway.GatewayHungUp {
			t.Errorf("%+v", c)
		}
		if err := s.Serve(); !errors.Is(err, gateway.ErrClosed) {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}

// Nobody answers: every BYE leaves at once, in the order of the calls, once those that ring
// have their 503.
func TestShutdownHangsUpInOrder(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			s := start(t, n, gateway.Config{RingTime: time.Second, Silent: true})
			var want, got []string
			for i := range 10 {
				at := fmt.Sprintf("198.51.100.%d:5060", 99-i)
				p := newPhone(t, n, at)
				p.call(offer(fmt.Sprintf("198.51.100.%d:4000", 99-i)))
				want = append(want, "BYE sip:alice@"+at+" SIP/2.0")
			}
			ringing := newPhone(t, n, phoneAt)
			ringing.invite(offer(phoneRTP))
			synctest.Wait()
			want = append([]string{"SIP/2.0 503 Service Unavailable"}, want...)
			now, sent := time.Now(), len(n.From(gwSIP))
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
			for _, d := range n.From(gwSIP)[sent:] {
				if line, _, _ := strings.Cut(string(d.B), "\r\n"); d.At.Equal(now) {
					got = append(got, line)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for _, c := range s.Calls() {
				if c.State != gateway.Ended || c.Cause != gateway.GatewayHungUp {
					t.Errorf("%s: %v, %v", c.ID, c.State, c.Cause)
				}
			}
		})
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{RingTime: time.Second})
		p, q, r := newPhone(t, n, phoneAt), newPhone(t, n, "198.51.100.8:5060"), newPhone(t, n, "198.51.100.9:5060")
		p.call(offer(phoneRTP))
		q.invite(offer("198.51.100.8:4000"))
		time.Sleep(1500 * time.Millisecond) // q is answered but has sent no ACK
		r.invite(offer("198.51.100.9:4000"))
		time.Sleep(time.Millisecond) // r is ringing
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for i, c := range s.Calls() {
			if c.State != gateway.Ended || c.Cause != gateway.Closed {
				t.Errorf("call %d: %v %v", i, c.State, c.Cause)
			}
		}
		sent := len(n.From(gwSIP))
		time.Sleep(time.Minute)
		if len(n.From(gwSIP)) != sent {
			t.Error("it sends after Close")
		}
	})
}

// slowLog takes a second to write that a call is in a state.
type slowLog struct {
	slog.Handler
	state   string
	written *atomic.Int32
}

func (l slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (l slowLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "state" && a.Value.String() == l.state {
			time.Sleep(time.Second)
			l.written.Add(1)
		}
		return true
	})
	return nil
}

// A call is let in before Shutdown, and its turn among the events comes after.
func TestShutdownWaitsForACallThatWasLetIn(t *testing.T) {
	for range 20 { // whichever goroutine is first
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			log := slowLog{slog.DiscardHandler, "talking", new(atomic.Int32)}
			s := start(t, n, gateway.Config{RingTime: time.Second, Logger: slog.New(log)})
			p, q := newPhone(t, n, phoneAt), newPhone(t, n, "198.51.100.8:5060")
			p.call(offer(phoneRTP))
			synctest.Wait()
			q.invite(offer("198.51.100.8:4000"))
			synctest.Wait()
			if calls := s.Calls(); len(calls) != 1 || s.Stats().Invites != 2 {
				t.Fatalf("%+v", calls)
			}
			done := make(chan error)
			go func() { done <- s.Shutdown(background) }()
			bye, _ := p.nextRequest(sip.BYE)
			p.answer(bye, 200)
			for {
				if res, ok := q.any().msg.(*sip.Response); ok && res.StatusCode >= 200 {
					if res.StatusCode != 503 {
						t.Errorf("the call that was let in got %v", res.StatusCode)
					}
					break
				}
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			for _, c := range s.Calls() {
				if c.State != gateway.Ended || c.Cause != gateway.GatewayHungUp {
					t.Errorf("%s: %v, %v", c.ID, c.State, c.Cause)
				}
			}
		})
	}
}

// Close comes at the moment at which TalkTime has passed.
func TestCloseWaitsForTheEndOfTalkTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		log := slowLog{slog.DiscardHandler, "hangup", new(atomic.Int32)}
		s := start(t, n, gateway.Config{TalkTime: 10 * time.Second, Logger: slog.New(log)})
		newPhone(t, n, phoneAt).call(offer(phoneRTP))
		synctest.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != time.Second || log.written.Load() != 1 {
			t.Errorf("Close took %v, hangups written %d", d, log.written.Load())
		}
	})
}

func TestABrokenSocketEndsServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memnet.New().Listen(gwSIP)
		s, err := gateway.New(c, gateway.Config{})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Second)
			c.Close()
		}()
		if err := s.Serve(); !errors.Is(err, gateway.ErrSocket) {
			t.Errorf("%v", err)
		}
		s.Close()
	})
}

func TestNoMediaPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		conn := n.Listen(gwSIP)
		s, err := gateway.New(conn, gateway.Config{}) // real sockets at 203.0.113.5: there are none
		if err != nil {
			t.Fatal(err)
		}
		go s.Serve()
		defer s.Close()
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP))
		p.next(100)
		if h := p.next(503).GetHeader("Retry-After"); h == nil {
			t.Error("503 without Retry-After")
		}
		time.Sleep(time.Millisecond)
		if c := only(t, s); c.Cause != gateway.NoPorts {
			t.Errorf("%+v", c)
		}
	})
}

func TestManyCallsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{History: 5, MaxCalls: 10})
		for i := range 20 {
			p := newPhone(t, n, fmt.Sprintf("198.51.100.%d:5060", i+10))
			p.call(offer(fmt.Sprintf("198.51.100.%d:4000", i+10)))
			if i%2 == 0 {
				p.in("BYE", "")
				p.next(200)
			}
			time.Sleep(time.Millisecond)
		}
		calls := s.Calls()
		ended := 0
		for i, c := range calls {
			if i > 0 && c.Invited.Before(calls[i-1].Invited) {
				t.Errorf("call %d came before call %d", i, i-1)
			}
			if c.State == gateway.Ended {
				ended++
			}
		}
		if len(calls) != 15 || ended != 5 {
			t.Errorf("%d calls, %d ended", len(calls), ended)
		}
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP))
		p.next(486)
		q := newPhone(t, n, "198.51.100.8:5060")
		q.write(q.request("OPTIONS", "sip:"+gwSIP, ""))
		q.next(486)
	})
}
