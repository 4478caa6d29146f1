package ua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// with adds a header line to a request of the peer.
func with(request, line string) string {
	return strings.Replace(request, "Max-Forwards", line+"\nMax-Forwards", 1)
}

// RFC 3891 section 3, case by case: b has a call, and somebody's INVITE asks for its place.
func TestReplacesIsAnswered(t *testing.T) {
	const confirmed = "c1;to-tag=%s;from-tag=pc1"
	for name, c := range map[string]struct {
		replaces string // the tag of b is filled in
		before   func(t *testing.T, b *agent)
		code     int
		ended    bool // the old call is over
		bad      uint64
	}{
		"confirmed":              {confirmed, nil, 200, true, 0},
		"no such Call-ID":        {"c2;to-tag=%s;from-tag=pc1", nil, 481, false, 0},
		"another from-tag":       {"c1;to-tag=%s;from-tag=x", nil, 481, false, 0},
		"tags the wrong way":     {"c1;to-tag=pc1;from-tag=%s", nil, 481, false, 0},
		"early-only":             {confirmed + ";early-only", nil, 486, false, 0},
		"malformed":              {"c1;to-tag=%s", nil, 400, false, 1},
		"twice":                  {confirmed + "\nReplaces: a;to-tag=x;from-tag=y", nil, 400, false, 1},
		"ended":                  {confirmed, func(t *testing.T, b *agent) { check(t, b.lastSession().Hangup(t.Context())) }, 603, true, 0},
		"ended a long while ago": {confirmed, func(t *testing.T, b *agent) { check(t, b.lastSession().Hangup(t.Context())); time.Sleep(time.Minute) }, 481, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b, p, q := newAgent(t, n, "10.0.0.1:5060", follows), newPeer(t, n, "203.0.113.30:5060"), newPeer(t, n, "203.0.113.31:5060")
				b.onIncoming = answerNow
				p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c1", sdpAt("203.0.113.30:30000")))
				ok := p.response(200)
				tag := ok.To().Params.GetOr("tag", "")
				p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c1", tag, 1, ""))
				go answerByes(p)
				time.Sleep(time.Second)
				old := b.lastSession()
				if c.before != nil {
					c.before(t, b)
				}
				value := c.replaces
				if strings.Contains(value, "%s") {
					value = fmt.Sprintf(value, tag)
				}
				q.sendText("10.0.0.1:5060", with(q.invite("10.0.0.1", "c9", sdpAt("203.0.113.31:30000")), "Replaces: "+value))
				res := q.response(c.code)
				if c.code == 200 {
					q.sendText("10.0.0.1:5060", q.inDialog("ACK", "10.0.0.1", "c9", res.To().Params.GetOr("tag", ""), 1, ""))
				} else {
					q.sendText("10.0.0.1:5060", strings.Replace(q.inDialog("ACK", "10.0.0.1", "c9", res.To().Params.GetOr("tag", ""), 1, ""), "c9ACK1", "c9", 1))
				}
				time.Sleep(time.Second)
				equal(t, "old call is over", old.State() == Disconnected, c.ended)
				equal(t, "bad requests", b.Stats().BadRequests, c.bad)
				equal(t, "outcomes", outcomes(b.Stats()), b.Stats().Datagrams)
				if c.code == 200 {
					reason, _ := old.Reason()
					equal(t, "reason", reason, Replaced)
					equal(t, "new call", b.connected().State(), Connected)
				}
			})
		})
	}
}

// answerByes says 200 to BYE for as long as the socket is open.
func answerByes(p *peer) {
	buf := make([]byte, 65536)
	for {
		_ = p.SetReadDeadline(time.Time{})
		n, from, err := p.ReadFrom(buf)
		if err != nil {
			return
		}
		m, err := sip.ParseMessage(buf[:n])
		if r, ok := m.(*sip.Request); err == nil && ok && r.Method == sip.BYE {
			r.SetSource(from.String())
			p.reply(r, 200, "")
		}
	}
}

// An early dialog that we began gives way (a pickup), one that the caller began does not.
func TestReplacesOfAnEarlyDialog(t *testing.T) {
	for name, c := range map[string]struct {
		early bool
		tag   string
		code  int
	}{
		"pickup":            {true, "x", 200},
		"pickup, not early": {false, "x", 200},
		"another tag":       {true, "y", 481},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060", follows), newPeer(t, n, "203.0.113.30:5060")
				other := newAgent(t, n, "10.0.0.3:5060")
				s := must(a.NewSession(nil))(t)
				result := make(chan error, 1)
				go func() { result <- s.Call(context.Background(), "sip:peer@203.0.113.30") }()
				invite := p.request(sip.INVITE)
				from, _ := invite.From().Params.Get("tag")
				p.reply(invite, 180, "x")
				time.Sleep(time.Second)
				pickup := must(other.NewSession(nil))(t)
				check(t, pickup.Replace(Replaces{CallID: invite.CallID().Value(), ToTag: from, FromTag: c.tag, EarlyOnly: c.early}))
				go func() {
					cancel := p.request(sip.CANCEL)
					p.reply(cancel, 200, "x")
					p.reply(invite, 487, "x")
				}()
				err := pickup.Call(t.Context(), "sip:alice@10.0.0.1")
				var r *ResponseError
				if c.code != 200 {
					if !errors.As(err, &r) || r.Code != c.code {
						t.Error(err)
					}
					check(t, s.Hangup(t.Context()))
				} else {
					check(t, err)
					if err := <-result; !errors.Is(err, ErrCanceled) {
						t.Error(err)
					}
					equal(t, "new call", a.connected().State(), Connected)
				}
			})
		})
	}
}

func TestReplacesOfARingingCall(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p, q := newAgent(t, n, "10.0.0.1:5060", follows), newPeer(t, n, "203.0.113.30:5060"), newPeer(t, n, "203.0.113.31:5060")
		b.onIncoming = func(s *Session) { go s.Ring(context.Background()) }
		p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c1", sdpAt("203.0.113.30:30000")))
		tag := p.response(180).To().Params.GetOr("tag", "")
		q.sendText("10.0.0.1:5060", with(q.invite("10.0.0.1", "c9", sdpAt("203.0.113.31:30000")), "Replaces: c1;to-tag="+tag+";from-tag=pc1"))
		q.response(481)
		equal(t, "the ringing call", b.lastSession().State(), Incoming)
	})
}

// Without the option the header field is one of the many that nobody knows, and Require says no.
func TestReplacesIsOff(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = answerNow
		invite := with(p.invite("10.0.0.1", "c1", sdpAt("203.0.113.30:30000")), "Replaces: nonsense")
		p.sendText("10.0.0.1:5060", invite)
		ok := p.response(200)
		equal(t, "Supported", ok.GetHeader("Supported") == nil, true)
		equal(t, "Allow", ok.GetHeader("Allow").Value(), "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE")
		p.sendText("10.0.0.1:5060", with(p.invite("10.0.0.1", "c2", sdpAt("203.0.113.30:30000")), "Require: replaces\nReplaces: nonsense"))
		equal(t, "Unsupported", p.response(420).GetHeader("Unsupported").Value(), "replaces")
	})
}

func TestReferIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		policy  ReferPolicy
		headers string
		outside bool
		code    int
		bad     uint64
	}{
		"sound":                    {ReferAsk, "Refer-To: <sip:c@10.0.0.3>", false, 202, 0},
		"compact":                  {ReferAsk, "r: <sip:c@10.0.0.3>\nb: <sip:a@x>", false, 202, 0},
		"no subscription":          {ReferAsk, "Refer-To: <sip:c@10.0.0.3>\nRefer-Sub: false\nRequire: norefersub", false, 202, 0},
		"no Refer-To":              {ReferAsk, "Subject: x", false, 400, 1},
		"two Refer-To":             {ReferAsk, "Refer-To: <sip:c@10.0.0.3>\nRefer-To: <sip:d@10.0.0.3>", false, 400, 1},
		"malformed Refer-To":       {ReferAsk, "Refer-To: <sip:c@10.0.0.3?x>", false, 400, 1},
		"malformed Replaces in it": {ReferAsk, "Refer-To: <sip:c@10.0.0.3?Replaces=x>", false, 400, 1},
		"malformed Referred-By":    {ReferAsk, "Refer-To: <sip:c@10.0.0.3>\nReferred-By: <sip:", false, 400, 1},
		"two Referred-By":          {ReferAsk, "Refer-To: <sip:c@10.0.0.3>\nReferred-By: <sip:a@x>\nReferred-By: <sip:b@x>", false, 400, 1},
		"scheme":                   {ReferAsk, "Refer-To: <http://example.com>", false, 416, 1},
		"method":                   {ReferAsk, "Refer-To: <sip:c@10.0.0.3;method=BYE>", false, 603, 0},
		"extension":                {ReferAsk, "Refer-To: <sip:c@10.0.0.3?Require=foo>", false, 603, 0},
		"with Replaces":            {ReferAsk, "Refer-To: <sip:c@10.0.0.3>\nReplaces: a;to-tag=b;from-tag=c", false, 400, 1},
		"outside":                  {ReferAsk, "Refer-To: <sip:c@10.0.0.3>", true, 403, 0},
		"outside, declined":        {ReferDecline, "Refer-To: <sip:c@10.0.0.3>", true, 603, 0},
		"outside, unsupported":     {ReferUnsupported, "Refer-To: <sip:c@10.0.0.3>", true, 405, 1},
		"unsupported":              {ReferUnsupported, "Refer-To: <sip:c@10.0.0.3>", false, 405, 1},
		"declined":                 {ReferDecline, "Refer-To: <sip:c@10.0.0.3>", false, 603, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b := newAgent(t, n, "10.0.0.1:5060", func(x *Config) { x.Refer, x.Replaces = c.policy, true })
				p := newPeer(t, n, "203.0.113.30:5060")
				b.onIncoming = answerNow
				p.sendText("10.0.0.1:5060", p.invite("10.0.0.1", "c1", sdpAt("203.0.113.30:30000")))
				tag := p.response(200).To().Params.GetOr("tag", "")
				p.sendText("10.0.0.1:5060", p.inDialog("ACK", "10.0.0.1", "c1", tag, 1, ""))
				time.Sleep(time.Second)
				refer := with(p.inDialog("REFER", "10.0.0.1", "c1", tag, 2, ""), c.headers)
				if c.outside {
					refer = strings.Replace(refer, ";tag="+tag, "", 1)
				}
				p.sendText("10.0.0.1:5060", refer)
				if c.code == 202 {
					time.Sleep(time.Second)
					equal(t, "target", b.reference().Target, "sip:c@10.0.0.3")
					go b.reference().Accept(context.Background())
				}
				res := p.response(c.code)
				sub := res.GetHeader("Refer-Sub")
				equal(t, "Refer-Sub", sub != nil, name == "no subscription")
				time.Sleep(time.Second)
				equal(t, "bad requests", b.Stats().BadRequests, c.bad)
				equal(t, "answered", b.Stats().Answered[c.code], 1)
				equal(t, "outcomes", outcomes(b.Stats()), b.Stats().Datagrams)
			})
		})
	}
}

// What the transferor makes of NOTIFYs, good and bad.
func TestReportsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		headers, body string
		code          int
		err           string // of Transfer
		after         time.Duration
	}{
		"success":          {"Event: refer\nSubscription-State: terminated;reason=noresource", "SIP/2.0 200 OK", 200, "", 0},
		"success, active":  {"Event: refer\nSubscription-State: active;expires=60", "SIP/2.0 200 OK", 200, "", 0},
		"compact":          {"o: refer\nSubscription-State: terminated", "SIP/2.0 200 OK\nTo: x", 200, "", 0},
		"with the id":      {"Event: refer;id=2\nSubscription-State: terminated", "SIP/2.0 200 OK", 200, "", 0},
		"another id":       {"Event: refer;id=7\nSubscription-State: terminated", "SIP/2.0 200 OK", 481, "ua: transfer: no report", 32 * time.Second},
		"another event":    {"Event: dialog\nSubscription-State: terminated", "SIP/2.0 200 OK", 481, "ua: transfer: no report", 32 * time.Second},
		"failure":          {"Event: refer\nSubscription-State: terminated;reason=noresource", "SIP/2.0 404 Not Found", 200, "ua: transfer: 404 Not Found", 0},
		"gave up":          {"Event: refer\nSubscription-State: terminated;reason=timeout", "SIP/2.0 180 Ringing", 200, "ua: transfer: no outcome: 180 Ringing, then timeout", 0},
		"silence":          {"Event: refer\nSubscription-State: active;expires=60", "SIP/2.0 180 Ringing", 200, "ua: transfer: no outcome: 180 Ringing, then no report", time.Minute},
		"no state":         {"Event: refer", "SIP/2.0 200 OK", 400, "ua: transfer: no report", 32 * time.Second},
		"no status line":   {"Event: refer\nSubscription-State: active", "hello", 400, "ua: transfer: no report", 32 * time.Second},
		"another version":  {"Event: refer\nSubscription-State: active", "SIP/3.0 200 OK", 400, "ua: transfer: no report", 32 * time.Second},
		"a request inside": {"Event: refer\nSubscription-State: active", "INVITE sip:x SIP/2.0", 400, "ua: transfer: no report", 32 * time.Second},
		"another type":     {"Event: refer\nSubscription-State: active\nContent-Type: text/plain", "SIP/2.0 200 OK", 415, "ua: transfer: no report", 32 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				s := must(a.NewSession(nil))(t)
				go func() { p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.30:30000")) }()
				check(t, s.Call(t.Context(), "sip:peer@203.0.113.30"))
				p.request(sip.ACK)
				result := make(chan error, 1)
				start := time.Now()
				go func() { result <- s.Transfer(context.Background(), "sip:c@10.0.0.3") }()
				refer := p.request(sip.REFER)
				equal(t, "Refer-To", refer.GetHeader("Refer-To").Value(), "<sip:c@10.0.0.3>")
				p.reply(refer, 202, "")
				if !strings.Contains(c.headers, "Content-Type") {
					c.headers += "\nContent-Type: message/sipfrag;version=2.0"
				}
				from, _ := refer.From().Params.Get("tag")
				p.sendText("10.0.0.1:5060", fmt.Sprintf(`NOTIFY sip:a@10.0.0.1 SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bKn1
Max-Forwards: 70
From: <sip:peer@203.0.113.30>;tag=x
To: <sip:anonymous@10.0.0.1>;tag=%s
Call-ID: %s
CSeq: 1 NOTIFY
Contact: <sip:peer@%[1]s>
%[4]s
Content-Length: %[5]d

%[6]s`, p.at, from, refer.CallID().Value(), c.headers, len(strings.ReplaceAll(c.body, "\n", "\r\n")), c.body))
				p.response(c.code)
				go answerByes(p)
				got := ""
				if err := <-result; err != nil {
					got = err.Error()
				}
				equal(t, "error", got, c.err)
				equal(t, "time", time.Since(start).Round(time.Second), c.after)
				equal(t, "session is over", s.State() == Disconnected, c.err == "")
				equal(t, "outcomes", outcomes(a.Stats()), a.Stats().Datagrams)
				synctest.Wait()
			})
		})
	}
}

// The REFER itself may get no answer, or tell that the peer knows nothing of the call.
func TestReferIsNotTaken(t *testing.T) {
	for code, c := range map[int]struct {
		err  error
		over bool
	}{0: {ErrTransactionTimeout, false}, 481: {nil, true}, 404: {nil, false}} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				s := must(a.NewSession(nil))(t)
				go func() { p.accept(p.request(sip.INVITE), "x", sdpAt("203.0.113.30:30000")) }()
				check(t, s.Call(t.Context(), "sip:peer@203.0.113.30"))
				p.request(sip.ACK)
				result := make(chan error, 1)
				go func() { result <- s.Transfer(context.Background(), "sip:c@10.0.0.3") }()
				refer := p.request(sip.REFER)
				if code != 0 {
					p.reply(refer, code, "")
				}
				err := <-result
				var r *ResponseError
				if c.err != nil && !errors.Is(err, c.err) || c.err == nil && (!errors.As(err, &r) || r.Code != code) {
					t.Error(err)
				}
				equal(t, "over", s.State() == Disconnected, c.over)
			})
		})
	}
}
