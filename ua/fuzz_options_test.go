package ua

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// FuzzCalls gives a user agent that has everything switched on, a call that rings reliably, one
// that is answered and one of its own in an early dialog a datagram, twice. Each datagram has
// one outcome, and the calls end when they are told to.
func FuzzCalls(f *testing.F) {
	p := &peer{memConn: &memConn{at: addr("10.0.0.9:5060")}}
	sdp := sdpAt("10.0.0.9:4002")
	prack := func(id, tag, rack, sdp string) string {
		return strings.Replace(p.inDialog("PRACK", "10.0.0.2", id, tag, 9, sdp), "Contact", "RAck: "+rack+"\nContact", 1)
	}
	for _, s := range []string{
		prack("ring", "RING", "RSEQ 1 INVITE", ""), prack("ring", "RING", "RSEQ 1 INVITE", sdp), prack("talk", "TALK", "1 1 INVITE", ""),
		p.inDialog("UPDATE", "10.0.0.2", "ring", "RING", 9, sdp), p.inDialog("UPDATE", "10.0.0.2", "talk", "TALK", 9, sdp),
		p.inDialog("UPDATE", "10.0.0.2", "talk", "TALK", 9, ""),
		strings.Replace(p.inDialog("UPDATE", "10.0.0.2", "talk", "TALK", 9, ""), "Contact", "Session-Expires: 90;refresher=uac\nSupported: timer\nContact", 1),
		strings.Replace(p.inDialog("INVITE", "10.0.0.2", "talk", "TALK", 9, sdp), "Contact", "Session-Expires: 40\nMin-SE: 4294967295\nContact", 1),
		strings.Replace(p.invite("10.0.0.2", "new", sdp), "Contact", "Require: timer, 100rel\nx: 4294967295;refresher=uas\nContact", 1),
		p.inDialog("BYE", "10.0.0.2", "ring", "RING", 9, ""),
		strings.Replace(p.inDialog("REFER", "10.0.0.2", "talk", "TALK", 9, ""), "Contact", "Refer-To: <sip:x@10.0.0.9?Replaces=talk%3Bto-tag%3DTALK%3Bfrom-tag%3Dptalk>\nContact", 1),
		strings.Replace(p.invite("10.0.0.2", "new", sdp), "Contact", "Require: replaces\nReplaces: OURID;to-tag=OURTAG;from-tag=early\nContact", 1),
		strings.Replace(p.invite("10.0.0.2", "new", sdp), "Contact", "Require: 100rel, timer\nReplaces: talk;to-tag=TALK;from-tag=ptalk\nContact", 1),
		strings.NewReplacer("INVITE", "SUBSCRIBE", "Contact", "Event: dialog\nContact").Replace(p.invite("10.0.0.2", "new", "")),
		"EARLY183 Require: 100rel\nRSeq: 2\nContent-Type: application/sdp\nContent-Length: 10\n\nv=0",
		"EARLY200 Session-Expires: 90;refresher=uac\nRequire: timer\nContent-Length: 0\n\n", "EARLY422 Min-SE: 4294967295\n\n",
	} {
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := newMemnet(t)
			b := newAgent(t, n, "10.0.0.2:5060", updating, timed(10*time.Minute, 0, AnyRefresher), follows, func(c *Config) {
				c.Silent, c.RTCPMux, c.UnsolicitedMessageSummary = true, true, true
				c.Notifier.Packages = []EventPackage{PresencePackage(), DialogPackage()}
			})
			p := newPeer(t, n, "10.0.0.9:5060")
			b.onIncoming = func(s *Session) {
				go func() {
					_ = s.EarlyMedia(context.Background(), 183)
					if strings.Contains(s.CallID(), "talk") {
						_ = s.Answer(context.Background())
					}
				}()
			}
			p.sendText("10.0.0.2:5060", strings.Replace(p.invite("10.0.0.2", "ring", sdp), "Contact", "Supported: 100rel\nContact", 1))
			early := p.response(183)
			p.sendText("10.0.0.2:5060", p.invite("10.0.0.2", "talk", sdp))
			talk := p.response(200)
			tag := func(m *sip.Response) string { return m.To().Params.GetOr("tag", "") }
			p.sendText("10.0.0.2:5060", p.inDialog("ACK", "10.0.0.2", "talk", tag(talk), 1, ""))
			ours := must(b.NewSession(nil))(t)
			called := make(chan error, 1)
			go func() { called <- ours.Call(context.Background(), "sip:peer@10.0.0.9") }()
			invite := p.request(sip.INVITE)
			p.provisional(invite, 183, "early", sdp, sip.NewHeader("Require", "100rel"), sip.NewHeader("RSeq", "1"))
			time.Sleep(time.Second)
			for _, r := range [][2]string{{"RING", tag(early)}, {"TALK", tag(talk)}, {"RSEQ", early.GetHeader("RSeq").Value()},
				{"OURID", invite.CallID().Value()}, {"OURTAG", invite.From().Params.GetOr("tag", "")}} {
				data = bytes.ReplaceAll(data, []byte(r[0]), []byte(r[1]))
			}
			if rest, ok := bytes.CutPrefix(data, []byte("EARLY")); ok && len(rest) > 4 {
				res := sip.NewResponseFromRequest(invite, 183, "Fuzz", nil)
				res.To().Params.Add("tag", "early")
				res.RemoveHeader("Content-Length")
				head := strings.Replace(strings.TrimSuffix(res.String(), "\r\n"), "183", string(rest[:3]), 1)
				data = append([]byte(head), rest[4:]...)
			}
			for range 2 {
				_, _ = p.WriteTo(data, netUDP("10.0.0.2:5060"))
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(time.Hour) // PRACKs that do not come, sessions that are not refreshed
			if st := b.Stats(); outcomes(st) != st.Datagrams {
				t.Errorf("%d datagrams have %d outcomes: %+v", st.Datagrams, outcomes(st), st)
			}
			check(t, b.Close())
			<-called
		})
	})
}
