package ua

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"
)

// options is a sound OPTIONS request from the peer.
func (p *peer) options(branch string) string {
	return fmt.Sprintf(`OPTIONS sip:bob@10.0.0.1 SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bK%s
Max-Forwards: 70
From: <sip:peer@example.net>;tag=p
To: <sip:bob@example.com>
Call-ID: o
CSeq: 1 OPTIONS
Content-Length: 0

`, p.at, branch)
}

func TestBadRequests(t *testing.T) {
	without := func(header string) func(string) string {
		return func(s string) string {
			var keep []string
			for l := range strings.Lines(s) {
				if !strings.HasPrefix(l, header) {
					keep = append(keep, l)
				}
			}
			return strings.Join(keep, "")
		}
	}
	with := func(from, to string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, from) {
				t.Fatalf("no %q", from)
			}
			return strings.Replace(s, from, to, 1)
		}
	}
	for name, c := range map[string]struct {
		change func(string) string
		code   int // 0: dropped
		stat   func(Stats) uint64
	}{
		"sound":               {with("OPTIONS", "OPTIONS"), 200, func(s Stats) uint64 { return s.Requests }},
		"no Via":              {without("Via"), 0, func(s Stats) uint64 { return s.Malformed }},
		"no From":             {without("From"), 400, nil},
		"no To":               {without("To"), 400, nil},
		"no Call-ID":          {without("Call-ID"), 400, nil},
		"no CSeq":             {without("CSeq"), 400, nil},
		"no From tag":         {with(";tag=p", ""), 200, func(s Stats) uint64 { return s.Served }}, // RFC 3261 section 12.1.1
		"CSeq method":         {with("1 OPTIONS", "1 INVITE"), 400, nil},
		"CSeq of three words": {with("1 OPTIONS", "1 OPTIONS x"), 400, nil},
		"body too short":      {with("Content-Length: 0", "Content-Length: 10"), 400, nil},
		"bad Content-Length":  {with("Content-Length: 0", "Content-Length: -1"), 400, nil},
		"version":             {with("SIP/2.0\n", "SIP/3.0\n"), 505, nil},
		"unknown extension":   {with("Call-ID", "Require: nothingSupportsThis\nCall-ID"), 420, nil},
		"unknown scheme":      {with("OPTIONS sip:", "OPTIONS tel:"), 416, nil},
		"tag with blanks":     {with(";tag=p", " ;\ttag = p"), 200, func(s Stats) uint64 { return s.Served }},
		"twice From":          {with("Call-ID", "f: <sip:peer@example.net>;tag=p\nCall-ID"), 400, nil},
		"twice To":            {with("Call-ID", "t: <sip:bob@example.com>\nCall-ID"), 400, nil},
		"twice Call-ID":       {with("CSeq", "i: o\nCSeq"), 400, nil},
		"twice CSeq":          {with("Call-ID", "CSeq: 1 OPTIONS\nCall-ID"), 400, nil},
		"twice Max-Forwards":  {with("Call-ID", "Max-Forwards: 70\nCall-ID"), 400, nil},
		"two Content-Lengths": {with("Content-Length", "l: 0\nContent-Length"), 400, nil},
		"two Content-Types":   {with("Content-Length", "c: text/plain\nContent-Type: text/plain\nContent-Length"), 400, nil},
		"version 7":           {with("SIP/2.0\n", "SIP/7.0\n"), 505, nil},
		"two blanks":          {with("OPTIONS sip", "OPTIONS  sip"), 400, nil},
		"blank at the end":    {with("SIP/2.0\n", "SIP/2.0 \n"), 400, nil},
		"no version":          {with(" SIP/2.0\n", "\n"), 400, nil},
		"URI in brackets":     {with("sip:bob@10.0.0.1", "<sip:bob@10.0.0.1>"), 400, nil},
		"URI with a blank":    {with("sip:bob@10.0.0.1", "sip:bob@10.0.0.1; lr"), 400, nil},
		"URI with headers":    {with("sip:bob@10.0.0.1", "sip:bob@10.0.0.1?Route=%3Csip:x%3E"), 400, nil},
		"URI without a host":  {with("sip:bob@10.0.0.1", "sip:"), 400, nil},
		"URI with a bad port": {with("sip:bob@10.0.0.1", "sip:bob@10.0.0.1:x"), 400, nil},
		"no URI":              {with("sip:bob@10.0.0.1", "bob"), 400, nil},
		"scheme with a dot":   {with("sip:bob@10.0.0.1", "soap.beep://192.0.2.103:3002"), 416, nil},
		"opaque scheme":       {with("sip:bob@10.0.0.1", "nobodyKnowsThisScheme:totallyopaquecontent"), 416, nil},
		"scheme and INVITE": {func(s string) string {
			return strings.NewReplacer("OPTIONS", "INVITE", "sip:bob@10.0.0.1", "tel:1").Replace(s)
		}, 416, nil},
		"empty Via beside":    {with("Max-", "v:\nMax-"), 400, nil},
		"bad Contact":         {with("Call-ID", "Contact: <sip:a\nCall-ID"), 400, nil},
		"cut behind the Via":  {func(s string) string { return s[:strings.Index(s, "Call-ID")] }, 400, nil},
		"small letters":       {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "options") }, 501, nil},
		"method and CSeq":     {with("1 OPTIONS", "1 Options"), 400, nil},
		"unknown method":      {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "Dance") }, 501, nil},
		"not SIP":             {func(string) string { return "GET / HTTP/1.1\n\n" }, 0, func(s Stats) uint64 { return s.Malformed }},
		"cut in a header":     {func(s string) string { return s[:60] }, 0, func(s Stats) uint64 { return s.Malformed }},
		"one byte":            {func(string) string { return "x" }, 0, func(s Stats) uint64 { return s.Malformed }},
		"CRLF":                {func(string) string { return "\n\n" }, 0, func(s Stats) uint64 { return s.Pings }},
		"four zero bytes":     {func(string) string { return "\x00\x00\x00\x00" }, 0, func(s Stats) uint64 { return s.Pings }},
		"zero bytes":          {func(string) string { return strings.Repeat("\x00", 40) }, 0, func(s Stats) uint64 { return s.Malformed }},
		"STUN":                {func(string) string { return "\x00\x11\x00\x00\x21\x12\xa4\x42" + strings.Repeat("x", 12) }, 0, func(s Stats) uint64 { return s.STUN }},
		"STUN without cookie": {func(string) string { return "\x00\x01\x00\x00" + strings.Repeat("x", 16) }, 0, func(s Stats) uint64 { return s.Malformed }},
		"STUN of bad length":  {func(string) string { return "\x01\x01\xff\xff\x21\x12\xa4\x42" + strings.Repeat("x", 12) }, 0, func(s Stats) uint64 { return s.STUN }},
		"too large":           {func(s string) string { return s + strings.Repeat("x", maxDatagram) }, 0, func(s Stats) uint64 { return s.Oversize }},
		"response to nothing": {func(s string) string {
			return strings.Replace(s, "OPTIONS sip:bob@10.0.0.1 SIP/2.0", "SIP/2.0 200 OK", 1)
		}, 0, func(s Stats) uint64 { return s.Unmatched }},
		"response of two Vias": {func(s string) string {
			return strings.Replace(s, "OPTIONS sip:bob@10.0.0.1 SIP/2.0", "SIP/2.0 200 OK\nVia: SIP/2.0/UDP x;branch=z9hG4bKa", 1)
		}, 0, func(s Stats) uint64 { return s.Malformed }},
		"response cut short": {func(s string) string {
			return strings.Replace(strings.Replace(s, "OPTIONS sip:bob@10.0.0.1 SIP/2.0", "SIP/2.0 200 OK", 1), "Length: 0", "Length: 9", 1)
		}, 0, func(s Stats) uint64 { return s.Malformed }},
		"stray ACK":         {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "ACK") }, 0, func(s Stats) uint64 { return s.StrayACKs }},
		"bad ACK":           {func(s string) string { return without("Call-ID")(strings.ReplaceAll(s, "OPTIONS", "ACK")) }, 0, func(s Stats) uint64 { return s.BadRequests }},
		"BYE to nothing":    {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "BYE") }, 481, func(s Stats) uint64 { return s.Requests }},
		"CANCEL of nothing": {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "CANCEL") }, 481, func(s Stats) uint64 { return s.Requests }},
		"NOTIFY":            {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "NOTIFY") }, 481, func(s Stats) uint64 { return s.Requests }},
		"INVITE in no dialog": {func(s string) string {
			return strings.Replace(strings.ReplaceAll(s, "OPTIONS", "INVITE"), "example.com>", "example.com>;tag=gone", 1)
		}, 481, func(s Stats) uint64 { return s.Requests }},
		"INVITE no Contact": {func(s string) string { return strings.ReplaceAll(s, "OPTIONS", "INVITE") }, 400, nil},
		"no magic cookie":   {with("z9hG4bK", "old"), 200, func(s Stats) uint64 { return s.Requests }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				p.sendText("10.0.0.1:5060", c.change(p.options("x")))
				time.Sleep(time.Second)
				if c.stat == nil {
					c.stat = func(s Stats) uint64 { return s.BadRequests }
				}
				equal(t, "counted", c.stat(a.Stats()), 1)
				equal(t, "datagrams", a.Stats().Datagrams, 1)
				equal(t, "outcomes", outcomes(a.Stats()), 1)
				if c.code == 0 {
					equal(t, "packets", len(n.packets(func(d datagram) bool { return d.src == a.Addr() })), 0)
				} else {
					res := p.response(c.code)
					if tag := res.To(); tag != nil && !tag.Params.Has("tag") {
						t.Error("no To tag")
					}
					equal(t, "version", res.SipVersion, "SIP/2.0")
					if c.code == 420 {
						equal(t, "Unsupported", res.GetHeader("Unsupported").Value(), "nothingSupportsThis")
					}
				}
				p.sendText("10.0.0.1:5060", p.options("y")) // it still serves
				p.response(200)
			})
		})
	}
}

func TestBadOffers(t *testing.T) {
	for name, c := range map[string]struct {
		sdp, contentType string
		code             int
	}{
		"not SDP":         {"hello", "application/sdp", 400},
		"no audio":        {"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=video 4000 RTP/AVP 31\r\n", "application/sdp", 488},
		"no common codec": {strings.Replace(sdpAt("203.0.113.30:4000"), "AVP 0", "AVP 18", 1), "application/sdp", 488},
		"other type":      {sdpAt("203.0.113.30:4000"), "text/plain", 415},
		"no SDP accepted": {sdpAt("203.0.113.30:4000"), "application/sdp\nAccept: text/plain", 406}, // RFC 4475 section 3.3.15
		"encoded":         {sdpAt("203.0.113.30:4000"), "application/sdp\nContent-Encoding: gzip", 415},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				b, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				b.onIncoming = answerNow
				p.sendText("10.0.0.1:5060", strings.Replace(p.invite("10.0.0.1", "c", c.sdp), "application/sdp", c.contentType, 1))
				res := p.response(c.code)
				if name == "other type" {
					equal(t, "Accept", res.GetHeader("Accept").Value(), "application/sdp")
				}
				if name != "no common codec" { // which is no fault of the request's
					equal(t, "bad requests", b.Stats().BadRequests, 1)
				}
			})
		})
	}
}

// A bad answer ends the call that it answered.
func TestBadAnswers(t *testing.T) {
	for name, sdp := range map[string]string{
		"none": "", "not SDP": "hello", "refused": strings.Replace(sdpAt("203.0.113.30:4000"), "audio 4000", "audio 0", 1),
		"no common codec": strings.Replace(sdpAt("203.0.113.30:4000"), "AVP 0", "AVP 18", 1),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
				go func() {
					p.accept(p.request(sip.INVITE), "x", sdp)
					p.request(sip.ACK)
					p.reply(p.request(sip.BYE), 200, "")
				}()
				s, err := a.call(t, nil, "sip:1@203.0.113.30", nil)
				if err == nil {
					t.Fatal("no error")
				}
				reason, _ := s.Reason()
				equal(t, "reason", reason, NotSupported)
			})
		})
	}
}

// Within a dialog: wrong tags, CSeqs that go back, a second INVITE before the ACK, a
// description that cannot be used. The call goes on.
func TestBadRequestsInDialog(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "203.0.113.30:5060")
		b.onIncoming = answerNow
		const to = "10.0.0.1:5060"
		p.sendText(to, p.invite("10.0.0.1", "c", sdpAt("203.0.113.31:4000")))
		tag, _ := p.response(200).To().Params.Get("tag")
		send := func(method string, cseq int, sdp string) {
			p.sendText(to, p.inDialog(method, "10.0.0.1", "c", tag, cseq, sdp))
		}
		send("INVITE", 2, sdpAt("203.0.113.31:4000"))
		p.response(500) // no ACK yet
		send("ACK", 1, "")
		time.Sleep(time.Second)
		p.sendText(to, strings.Replace(p.inDialog("BYE", "10.0.0.1", "c", tag, 3, ""), ";tag=pc", ";tag=other", 1))
		p.response(481)
		send("BYE", 1, "")
		p.response(500)
		send("INVITE", 4, "hello")
		p.response(400)
		send("INVITE", 5, strings.Replace(sdpAt("203.0.113.31:4000"), "AVP 0", "AVP 18", 1))
		p.response(488)
		send("ACK", 5, "")
		equal(t, "state", b.lastSession().State(), Connected)
		send("BYE", 6, "")
		p.response(200)
	})
}

// RFC 3261 section 12.2.2: a request with a To tag that is of no dialog gets 481, whatever
// it asks for, and an ACK nothing.
func TestRequestsInNoDialog(t *testing.T) {
	const to = "10.0.0.1:5060"
	for _, method := range []string{"OPTIONS", "MESSAGE", "INVITE", "BYE", "NOTIFY", "ACK"} {
		for _, is := range []string{"no call", "another tag of ours", "another tag of theirs", "another Call-ID", "a call that is over"} {
			t.Run(method+", "+is, func(t *testing.T) {
				bubble(t, func(t *testing.T, n *memnet) {
					b, p := newAgent(t, n, to), newPeer(t, n, "203.0.113.30:5060")
					b.onIncoming = answerNow
					tag := "nobody"
					if is != "no call" {
						p.sendText(to, p.invite("10.0.0.1", "c", sdpAt("203.0.113.31:4000")))
						tag, _ = p.response(200).To().Params.Get("tag")
						p.sendText(to, p.inDialog("ACK", "10.0.0.1", "c", tag, 1, ""))
					}
					text := p.inDialog(method, "10.0.0.1", "c", tag, 7, "")
					switch is {
					case "another tag of ours":
						text = changed(t, text, ";tag="+tag, ";tag=x"+tag)
					case "another tag of theirs":
						text = changed(t, text, ";tag=pc", ";tag=other")
					case "another Call-ID":
						text = changed(t, text, "Call-ID: c", "Call-ID: d")
					case "a call that is over":
						p.sendText(to, p.inDialog("BYE", "10.0.0.1", "c", tag, 2, ""))
						p.response(200)
					}
					time.Sleep(time.Second)
					before := b.Stats()
					p.sendText(to, text)
					if method != "ACK" {
						p.response(481)
					}
					time.Sleep(time.Second)
					st := b.Stats()
					if method == "ACK" && st.StrayACKs != before.StrayACKs+1 || method != "ACK" && st.Answered[481] != 1 {
						t.Errorf("%+v", st)
					}
					for _, e := range b.events() {
						if m, ok := e.(MessageEvent); ok {
							t.Errorf("told %+v", m)
						}
					}
				})
			})
		}
	}
}

// In a dialog, and in one that is only beginning, the same requests are answered.
func TestRequestsThatAskInADialog(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, p := newAgent(t, n, "10.0.0.1:5060"), newPeer(t, n, "10.0.0.9:5060")
		s := must(a.NewSession(nil))(t)
		result := make(chan error)
		go func() { result <- s.Call(t.Context(), "sip:bob@10.0.0.9") }()
		invite := p.request(sip.INVITE)
		p.reply(invite, 180, "one")
		ask := func(method string, cseq int, theirs string, code int) {
			t.Helper()
			text := p.inDialog(method, "10.0.0.1", invite.CallID().Value(), invite.From().Params.GetOr("tag", ""), cseq, "")
			from := "<sip:peer@example.net>;tag=p" + invite.CallID().Value()
			p.sendText("10.0.0.1:5060", changed(t, text, from, "<sip:peer@example.net>;tag="+theirs))
			p.response(code)
		}
		ask("OPTIONS", 1, "one", 200)
		ask("MESSAGE", 2, "two", 200) // of another branch of a forked INVITE
		ask("BYE", 3, "one", 481)     // a callee may not (section 15)
		p.accept(invite, "one", sdpAt("10.0.0.9:4000"))
		check(t, <-result)
		ask("OPTIONS", 4, "one", 200)
		ask("MESSAGE", 5, "one", 200)
		ask("OPTIONS", 6, "two", 481)
		go func() { p.reply(p.request(sip.BYE), 200, "") }()
		check(t, s.Hangup(t.Context()))
	})
}

// Random bytes and broken copies of sound messages, on the SIP and the RTP socket.
func TestNoise(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, b := newAgent(t, n, "10.0.0.1:5060"), newAgent(t, n, "10.0.0.2:5060")
		b.onIncoming = answerNow
		s, err := a.call(t, nil, "sip:bob@10.0.0.2", nil)
		check(t, err)
		p := newPeer(t, n, "203.0.113.30:5060")
		rtp := s.Mappings()[1].Internal.String()
		rng := rand.New(rand.NewPCG(1, 2))
		sound := []string{p.options("z"), p.invite("10.0.0.2", "q", sdpAt("203.0.113.30:4000")), p.inDialog("BYE", "10.0.0.2", "q", "x", 2, "")}
		for range 2000 {
			m := []byte(strings.ReplaceAll(sound[rng.IntN(len(sound))], "\n", "\r\n"))
			for range 1 + rng.IntN(8) {
				m[rng.IntN(len(m))] = byte(rng.Uint32())
			}
			m = m[:rng.IntN(len(m)+1)]
			_, _ = p.WriteTo(m, netUDP("10.0.0.2:5060"))
			m = m[:min(len(m), 40)]
			for i := range m {
				m[i] = byte(rng.Uint32())
			}
			_, _ = p.WriteTo(m, netUDP("10.0.0.1:5060"))
			_, _ = p.WriteTo(m, netUDP(rtp))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		equal(t, "state", s.State(), Connected)
		before, _ := s.MediaStats()
		time.Sleep(time.Second)
		after, _ := s.MediaStats()
		equal(t, "heard", after.Sub(before).RTPReceived, 50)
		st := b.Stats()
		t.Logf("%+v", st)
		if st.Malformed == 0 || st.BadRequests == 0 {
			t.Errorf("%+v", st)
		}
		check(t, s.Hangup(t.Context()))
	})
}

// Responses to an INVITE that is under way, with its branch in place of BRANCH.
func FuzzResponse(f *testing.F) {
	const head = "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=BRANCH\nFrom: <sip:a@b>;tag=f\nTo: <sip:c@d>;tag=t\nCall-ID: x\nCSeq: 1 INVITE\n"
	sdp := strings.ReplaceAll(sdpAt("203.0.113.30:4000", "rtcp:4009"), "\r\n", "\n")
	for _, s := range []string{
		"SIP/2.0 180 Ringing\n" + head + "\n",
		"SIP/2.0 200 OK\n" + head + "Contact: <sip:c@203.0.113.30>\nRecord-Route: <sip:203.0.113.1;lr>\nContent-Type: application/sdp\n\n" + sdp,
		"SIP/2.0 302 Moved\n" + head + "Contact: <sip:c@203.0.113.31>;q=0.5\n\n",
		"SIP/2.0 407 Auth\n" + head + "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\"\n\n",
		"SIP/2.0 503 No\n" + head + "Retry-After: 5 (soon);duration=3\n\n",
	} {
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := newMemnet(t)
			a := newAgent(t, n, "10.0.0.1:5060")
			alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:a@b", Password: "x"}, Registrar: addr("203.0.113.30:5060")}))(t)
			s := must(a.NewSession(alice))(t)
			go s.Call(t.Context(), "sip:c@203.0.113.30")
			synctest.Wait()
			m := must(sip.ParseMessage(n.packets(sipText("INVITE"))[0].data))(t)
			b = bytes.ReplaceAll(b, []byte("BRANCH"), []byte(m.Via().Params.GetOr("branch", "")))
			for range 2 {
				a.stack.Receive(a.sips[0].sock, b, addr("203.0.113.30:5060"))
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			check(t, a.Close())
		})
	})
}

func FuzzDatagram(f *testing.F) {
	p := &peer{memConn: &memConn{at: addr("203.0.113.30:5060")}}
	for _, s := range []string{
		p.options("z"), p.invite("10.0.0.1", "q", sdpAt("203.0.113.30:4000", "rtcp:4009", "sendonly")),
		p.inDialog("BYE", "10.0.0.1", "q", "x", 2, ""), p.inDialog("ACK", "10.0.0.1", "q", "x", 1, sdpAt("203.0.113.30:4000")),
		strings.Replace(p.options("z"), "OPTIONS sip:bob@10.0.0.1 SIP/2.0", "SIP/2.0 200 OK", 1),
		strings.ReplaceAll(p.options("z"), "OPTIONS", "CANCEL"), strings.ReplaceAll(p.options("z"), "OPTIONS", "MESSAGE"),
		"\x00\x00\x00\x00", "\n\n",
	} {
		f.Add([]byte(strings.ReplaceAll(s, "\n", "\r\n")))
	}
	f.Add([]byte("\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := must(New(Config{LocalAddr: addr("10.0.0.1:1").Addr(), Listen: newMemnet(t).listen, Logger: slog.New(slog.DiscardHandler), OnEvent: func(Event) {}}))(t)
		check(t, c.Start(context.Background()))
		defer c.Close()
		c.stack.Receive(c.sips[0].sock, b, addr("203.0.113.30:5060"))
		c.stack.Receive(c.sips[0].sock, bytes.Clone(b), addr("203.0.113.30:5060"))
		if st := c.Stats(); st.Datagrams != 2 || outcomes(st) != 2 {
			t.Errorf("not one outcome each: %+v", st)
		}
	})
}
