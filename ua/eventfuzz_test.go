package ua

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Requests to an agent that has subscribed and that is subscribed to. CALLID and TAG are those
// of its own subscription, WATCHER and WTAG those of the other.
func FuzzEvents(f *testing.F) {
	const notify = "NOTIFY sip:alice@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bKn\nMax-Forwards: 70\n" +
		"From: <sip:bob@example.com>;tag=n\nTo: <sip:alice@example.com>;tag=TAG\nCall-ID: CALLID\nCSeq: 2 NOTIFY\nContact: <sip:pa@203.0.113.10>\n" +
		"Event: presence\nSubscription-State: active;expires=60\nContent-Type: text/plain\nContent-Length: 2\n\nhi"
	const ask = "SUBSCRIBE sip:alice@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bKs\nMax-Forwards: 70\n" +
		"From: <sip:bob@example.com>;tag=w\nTo: <sip:alice@example.com>;tag=WTAG\nCall-ID: WATCHER\nCSeq: 2 SUBSCRIBE\nContact: <sip:pa@203.0.113.10>\n" +
		"Event: presence\nExpires: 600\nContent-Length: 0\n\n"
	for _, s := range []string{
		notify, ask, strings.Replace(notify, "active;expires=60", "terminated;reason=giveup;retry-after=3", 1),
		strings.Replace(notify, "Contact:", "Record-Route: <sip:203.0.113.11;lr>\nContact:", 1), strings.Replace(notify, ";tag=TAG", "", 1),
		strings.Replace(ask, ";tag=WTAG", "", 1), strings.Replace(ask, "Expires: 600", "Expires: 0", 1),
	} {
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := newMemnet(t)
			a, alice, p := subscriber(t, n, func(c *Config) {
				c.Notifier.Packages, c.UnsolicitedMessageSummary = []EventPackage{PresencePackage()}, true
			})
			c := subscribe(t, alice)
			req := p.request(sip.SUBSCRIBE)
			p.accepts(req, "n")
			r := <-c
			p.sendText("10.0.0.1:5060", strings.NewReplacer(";tag=WTAG", "", "WATCHER", "x", "CSeq: 2", "CSeq: 1", "z9hG4bKs", "z9hG4bK0").Replace(ask))
			p.response(200)
			p.reply(p.request(sip.NOTIFY), 200, "")
			time.Sleep(time.Second)
			names := strings.NewReplacer("CALLID", r.s.CallID(), "WTAG", a.Watchers("")[0].ends.localTag, "TAG", req.From().Params.GetOr("tag", ""), "WATCHER", "x")
			b = []byte(names.Replace(string(b)))
			for range 2 {
				a.stack.Receive(a.sips[0].sock, b, addr(proxyAt))
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if st := a.Stats(); outcomes(st) != st.Datagrams {
				t.Errorf("not one outcome each: %+v", st)
			}
			check(t, a.Close())
		})
	})
}

// Responses to a SUBSCRIBE and to a PUBLISH that are under way, with their branches in place of
// SBRANCH and PBRANCH.
func FuzzEventResponse(f *testing.F) {
	for _, s := range []string{
		"SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=SBRANCH\nFrom: <sip:a@b>;tag=f\nTo: <sip:c@d>;tag=t\nCall-ID: x\nCSeq: 1 SUBSCRIBE\n" +
			"Expires: 60\nContact: <sip:c@203.0.113.30>\nRecord-Route: <sip:203.0.113.1;lr>\n\n",
		"SIP/2.0 423 Brief\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=SBRANCH\nFrom: <sip:a@b>;tag=f\nTo: <sip:c@d>;tag=t\nCall-ID: x\nCSeq: 1 SUBSCRIBE\nMin-Expires: 4000\n\n",
		"SIP/2.0 200 OK\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=PBRANCH\nFrom: <sip:a@b>;tag=f\nTo: <sip:c@d>;tag=t\nCall-ID: x\nCSeq: 1 PUBLISH\n" +
			"Expires: 60\nSIP-ETag: abc\n\n",
		"SIP/2.0 412 Failed\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=PBRANCH\nFrom: <sip:a@b>;tag=f\nTo: <sip:c@d>;tag=t\nCall-ID: x\nCSeq: 1 PUBLISH\n\n",
	} {
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := newMemnet(t)
			a, alice, p := subscriber(t, n)
			c := subscribe(t, alice)
			branch := func(m sip.RequestMethod) string { return p.request(m).Via().Params.GetOr("branch", "") }
			names := []string{"SBRANCH", branch(sip.SUBSCRIBE)}
			published := make(chan error, 1)
			go func() {
				_, err := alice.Publish(t.Context(), PublishConfig{Event: "presence", ContentType: "text/plain", Body: []byte("x")})
				published <- err
			}()
			names = append(names, "PBRANCH", branch(sip.PUBLISH))
			for range 2 {
				a.stack.Receive(a.sips[0].sock, []byte(strings.NewReplacer(names...).Replace(string(b))), addr(proxyAt))
				synctest.Wait()
			}
			time.Sleep(2 * time.Minute)
			<-c
			<-published
			check(t, a.Close())
		})
	})
}
