package ua

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Requests to a session that has asked for a transfer and follows every REFER: CALL and TAG are
// those of its dialog, in which the peer has the tag x.
func FuzzTransferRequests(f *testing.F) {
	const head = "Via: SIP/2.0/UDP 203.0.113.30;branch=z9hG4bKf\nFrom: <sip:c@d>;tag=x\nTo: <sip:a@b>;tag=TAG\nCall-ID: CALL\nContact: <sip:c@203.0.113.30>\n"
	sdp := strings.ReplaceAll(sdpAt("203.0.113.30:4000"), "\r\n", "\n")
	for _, s := range []string{
		"REFER sip:a@b SIP/2.0\nCSeq: 5 REFER\nRefer-To: <sip:d@203.0.113.30>\nReferred-By: <sip:c@d>\n" + head + "\n",
		"REFER sip:a@b SIP/2.0\nCSeq: 5 REFER\nRefer-Sub: false\nr: <sip:d@203.0.113.30?Replaces=a%3Bto-tag%3Dx%3Bfrom-tag%3Dy&Require=replaces>\n" + head + "\n",
		"NOTIFY sip:a@b SIP/2.0\nCSeq: 5 NOTIFY\nEvent: refer;id=2\nSubscription-State: active;expires=9\nContent-Type: message/sipfrag\n" + head + "\nSIP/2.0 180 Ringing\n",
		"NOTIFY sip:a@b SIP/2.0\nCSeq: 5 NOTIFY\no: refer\nSubscription-State: terminated;reason=noresource\nc: message/sipfrag;version=2.0\n" + head + "\nSIP/2.0 200 OK\n",
		"INVITE sip:a@b SIP/2.0\nCSeq: 5 INVITE\nReplaces: CALL;to-tag=TAG;from-tag=x;early-only\n" + strings.ReplaceAll(head, "<sip:a@b>;tag=TAG", "<sip:a@b>") + "Content-Type: application/sdp\n\n" + sdp,
		"INVITE sip:a@b SIP/2.0\nCSeq: 5 INVITE\nRequire: replaces\nReplaces: CALL;to-tag=TAG;from-tag=x\n" + strings.ReplaceAll(head, "<sip:a@b>;tag=TAG", "<sip:a@b>") + "Content-Type: application/sdp\n\n" + sdp,
	} {
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := newMemnet(t)
			a, p := newAgent(t, n, "10.0.0.1:5060", follows, func(c *Config) { c.Silent = true }), newPeer(t, n, "203.0.113.30:5060")
			a.onIncoming = answerNow
			s := must(a.NewSession(nil))(t)
			go func() { p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.30:4000")) }()
			check(t, s.Call(t.Context(), "sip:c@203.0.113.30"))
			go func() { _ = s.Transfer(context.Background(), "sip:e@203.0.113.30") }()
			p.reply(p.request(sip.REFER), 202, "")
			time.Sleep(time.Second)
			d, _ := s.Dialog()
			b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("TAG"), []byte(d.FromTag)), []byte("CALL"), []byte(d.CallID))
			before := a.Stats()
			for range 2 {
				a.stack.Receive(a.sips[0].sock, b, addr("203.0.113.30:5060"))
				synctest.Wait()
			}
			if st := a.Stats(); st.Datagrams-before.Datagrams != 2 || outcomes(st) != st.Datagrams {
				t.Errorf("not one outcome each: %+v", st)
			}
			time.Sleep(time.Minute)
			check(t, a.Close())
		})
	})
}

var varies = regexp.MustCompile(`branch=[^;\r]*|tag=[^;\r]*|to-tag%3D\w+|from-tag%3D\w+|Call-ID: .*|Replaces=\w+|Replaces: \w+`)

// The same transfers say the same at the same times, every time.
func TestTransfersAreDeterministic(t *testing.T) {
	play := func(t *testing.T) (trace string) {
		bubble(t, func(t *testing.T, n *memnet) {
			a, _, c, s := trio(t, n, follows)
			check(t, s.Hold(t.Context()))
			other, err := a.call(t, nil, "sip:carol@10.0.0.3", nil)
			check(t, err)
			c.answers(func(s *Session) { go s.Reject(context.Background(), 486, "") })
			if err := s.Transfer(t.Context(), "sip:carol@10.0.0.3"); err == nil {
				t.Error("busy")
			}
			check(t, s.TransferTo(t.Context(), other))
			time.Sleep(time.Second)
			check(t, c.connected().Hangup(t.Context()))
			time.Sleep(time.Second)
			var b strings.Builder
			for _, who := range []string{"10.0.0.1:5060", "10.0.0.2:5060", "10.0.0.3:5060"} { // memnet has no order among hosts
				for _, d := range n.packets(func(d datagram) bool { return d.src == addr(who) }) {
					fmt.Fprintf(&b, "%s %s %s\n%s\n", d.at.Format("05.000000"), d.src, d.dst, varies.ReplaceAll(d.data, nil))
				}
			}
			trace = b.String()
		})
		return trace
	}
	first := play(t)
	for range 50 {
		if again := play(t); again != first {
			x, y := strings.Split(first, "\n"), strings.Split(again, "\n")
			for i := range min(len(x), len(y)) {
				if x[i] != y[i] {
					t.Fatalf("line %d:\n%s\nand\n%s", i, strings.Join(x[max(i-12, 0):i+6], "\n"), strings.Join(y[max(i-12, 0):i+6], "\n"))
				}
			}
			t.Fatal("one is longer")
		}
	}
}
