package ua

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// referredBy brings up a call from a peer and sends a REFER to target in it.
func referredBy(t *testing.T, n *memnet, b *agent, target string) *peer {
	t.Helper()
	p := newPeer(t, n, "203.0.113.30:5060")
	b.answers(answerNow)
	p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c1", sdpAt("203.0.113.30:30000", "sendonly"))) // on hold
	tag := p.response(200).To().Params.GetOr("tag", "")
	p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c1", tag, 1, ""))
	time.Sleep(time.Second)
	p.sendText("10.0.0.1:5060", with(p.inDialog("REFER", "10.0.0.1", "c1", tag, 2, ""), "Refer-To: <"+target+">"))
	return p
}

// A transferor that does not take a report gets no more; the call is made all the same.
func TestReportsThatAreNotTaken(t *testing.T) {
	for name, c := range map[string]struct {
		codes []int // of the responses to NOTIFY; 0: none
		want  int   // NOTIFYs that are not repetitions
	}{
		"all taken":       {[]int{200, 200, 200}, 3},
		"refused":         {[]int{481}, 1},
		"out of order":    {[]int{500, 200, 200, 200}, 4},
		"always in error": {[]int{500, 500, 500}, 3},
		"no answer":       {[]int{0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b, c2 := newAgent(t, n, "10.0.0.1:5060", follows), newAgent(t, n, "10.0.0.3:5060")
				c2.answers(ringsFirst)
				p := referredBy(t, n, b, "sip:carol@10.0.0.3")
				p.response(202)
				for _, code := range c.codes {
					notify := p.request(sip.NOTIFY)
					equal(t, "Event", notify.GetHeader("Event").Value(), "refer;id=2")
					if code != 0 {
						p.reply(notify, code, "")
					}
				}
				time.Sleep(time.Minute)
				seen := map[string]bool{}
				for _, d := range n.packets(sipText("NOTIFY")) {
					m, _ := sip.ParseMessage(d.data)
					seen[m.(*sip.Request).CSeq().String()] = true
				}
				equal(t, "NOTIFYs", len(seen), c.want)
				equal(t, "new call", c2.lastSession().State(), Connected)
			})
		})
	}
}

// A REFER that nobody decides about is pending, until the subscription ends.
func TestReferThatNobodyDecides(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, c := newAgent(t, n, "10.0.0.1:5060", asks), newAgent(t, n, "10.0.0.3:5060")
		c.answers(answerNow)
		start := time.Now()
		p := referredBy(t, n, b, "sip:carol@10.0.0.3")
		p.response(202)
		equal(t, "accepted after", time.Since(start).Round(time.Second), 5*time.Second) // one of them before the REFER
		notify := p.request(sip.NOTIFY)
		equal(t, "state", notify.GetHeader("Subscription-State").Value(), "pending;expires=600")
		p.reply(notify, 200, "")
		time.Sleep(referExpires - time.Second)
		notify = p.request(sip.NOTIFY)
		p.reply(notify, 200, "")
		equal(t, "state", notify.GetHeader("Subscription-State").Value(), "terminated;reason=timeout")
		if _, err := b.reference().Accept(context.Background()); err != nil { // it may still be followed
			t.Error(err)
		}
		time.Sleep(time.Second)
		equal(t, "new call", c.lastSession().State(), Connected)
		equal(t, "reports", strings.Count(notifies(n, "10.0.0.1:5060"), ",")+1, 2)
	})
}
