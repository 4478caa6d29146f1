package gateway_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
)

// The gateway is heard while it rings, and says in the 200 what it has said in the 183.
func TestEarlyMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		n.Latency = time.Millisecond
		s := start(t, n, gateway.Config{RingTime: 3 * time.Second, EarlyMedia: true})
		p := newPhone(t, n, phoneAt)
		p.invite(offer(phoneRTP))
		p.next(100)
		early := p.next(183)
		answer, err := media.Parse(early.Body())
		if err != nil {
			t.Fatal(err)
		}
		stream := voice(t, n, phoneRTP, answer)
		time.Sleep(2 * time.Second)
		if c := only(t, s); c.State != gateway.Ringing || c.Media.RTPReceived < 99 || stream.Stats().RTPReceived < 99 {
			t.Errorf("%+v\nphone %+v", c, stream.Stats())
		}
		ok := p.next(200)
		if !bytes.Equal(ok.Body(), early.Body()) {
			t.Errorf("183 says\n%s200 says\n%s", early.Body(), ok.Body())
		}
		p.ack("")
		time.Sleep(time.Second)
		if c := only(t, s); c.State != gateway.Talking || c.Media.RTPReceived < 199 {
			t.Errorf("%+v", c)
		}
		p.in("BYE", "")
		p.next(200)
	})
}

// Without an offer there is nothing to answer early.
func TestEarlyMediaWithoutAnOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{RingTime: time.Second, EarlyMedia: true})
		p := newPhone(t, n, phoneAt)
		p.invite("")
		p.next(100)
		p.next(180)
		p.next(200)
		p.ack(string(sdp(phoneIP, "m=audio 4000 RTP/AVP 8")))
		time.Sleep(time.Second)
		if c := only(t, s); c.State != gateway.Talking {
			t.Errorf("%+v", c)
		}
	})
}

// A caller that requires reliable responses gets them, and without PRACK a refusal.
func TestReliableRinging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{Silent: true, EarlyMedia: true, PRACK: ua.SupportPRACK, Update: true})
		p := newPhone(t, n, phoneAt)
		p.extra = "Require: 100rel\r\n"
		p.invite(offer(phoneRTP))
		p.next(100)
		early := p.next(183)
		p.extra = ""
		p.in("PRACK", "", "RAck: "+early.GetHeader("RSeq").Value()+" 1 INVITE")
		p.next(200)
		if ok := p.next(200); len(ok.Body()) > 0 || len(early.Body()) == 0 {
			t.Errorf("%s\n%s", early, ok)
		}
		p.in("UPDATE", offer(phoneIP+":7000"))
		if ok := p.next(200); len(ok.Body()) == 0 {
			t.Errorf("no answer: %s", ok)
		}
		if c := only(t, s); c.Remote.RTP != ap(phoneIP+":7000") || c.State != gateway.Answered {
			t.Errorf("%+v", c)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.extra = "Require: 100rel\r\n"
		p.invite(offer(phoneRTP))
		p.next(420)
	})
}
