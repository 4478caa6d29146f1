package gateway_test

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
)

func TestRefusals(t *testing.T) {
	body := offer(phoneRTP)
	for _, tc := range []struct {
		name   string
		send   func(p *phone)
		status int
		header string // one the response must have, with its value
	}{
		{"not a number", func(p *phone) { p.write(p.request("INVITE", "sip:bob@example.com", body)) }, 404, ""},
		{"no user part", func(p *phone) { p.write(p.request("INVITE", "sip:example.com", body)) }, 404, ""},
		{"sips", func(p *phone) { p.write(p.request("INVITE", "sips:123@example.com", body)) }, 416, ""},
		{"OPTIONS to http", func(p *phone) { p.write(p.request("OPTIONS", "http://example.com/123", "")) }, 416, ""},
		{"no SDP wanted", func(p *phone) { p.invite(body, "Accept: text/plain") }, 406, "Accept: application/sdp"},
		{"http", func(p *phone) { p.write(p.request("INVITE", "http://example.com/123", body)) }, 416, ""},
		{"no Contact", func(p *phone) {
			p.write(strings.Replace(p.request("INVITE", number, body), "Contact: "+p.contact+"\r\n", "", 1))
		}, 400, ""},
		{"Contact: *", func(p *phone) { p.contact = "*"; p.invite(body) }, 400, ""},
		{"malformed description", func(p *phone) { p.invite("this is no SDP") }, 400, ""},
		{"description without c=", func(p *phone) { p.invite(strings.Replace(body, "c=IN IP4 "+phoneIP+"\r\n", "", 1)) }, 400, ""},
		{"c= is a name", func(p *phone) { p.invite(strings.Replace(body, "c=IN IP4 "+phoneIP, "c=IN IP4 phone.example.com", 1)) }, 488,
			`Warning: 301 203.0.113.5:5060 "Incompatible network address formats"`},
		{"video only", func(p *phone) { p.invite(string(sdp(phoneIP, "m=video 4000 RTP/AVP 31"))) }, 488,
			`Warning: 304 203.0.113.5:5060 "Media type not available"`},
		{"another codec", func(p *phone) { p.invite(string(sdp(phoneIP, "m=audio 4000 RTP/AVP 18"))) }, 488,
			`Warning: 305 203.0.113.5:5060 "Incompatible media format"`},
		{"another type of body", func(p *phone) { p.invite("hello", "Content-Type: text/plain") }, 415, "Accept: application/sdp"},
		{"a body without a type", func(p *phone) {
			p.write(strings.Replace(p.request("INVITE", number, body), "Content-Type: application/sdp\r\n", "", 1))
		}, 415, "Accept: application/sdp"},
		{"an encoded body", func(p *phone) { p.invite(body, "Content-Encoding: gzip") }, 415, "Accept-Encoding: identity"},
		{"Require", func(p *phone) { p.invite(body, "Require: 100rel, timer", "Require: foo") }, 420, "Unsupported: 100rel, timer, foo"},
		{"SIP/3.0", func(p *phone) {
			p.write(strings.Replace(p.request("INVITE", number, body), " SIP/2.0\r\n", " SIP/3.0\r\n", 1))
		}, 505, ""},
		{"BYE outside a call", func(p *phone) { p.to += ";tag=none"; p.in("BYE", "") }, 481, ""},
		{"BYE without a tag", func(p *phone) { p.in("BYE", "") }, 481, ""},
		{"re-INVITE outside a call", func(p *phone) { p.to += ";tag=none"; p.in("INVITE", body) }, 481, ""},
		{"CANCEL of nothing", func(p *phone) { p.write(p.request("CANCEL", number, "")) }, 481, ""},
		{"REGISTER", func(p *phone) { p.write(p.request("REGISTER", "sip:"+gwSIP, "")) }, 405, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"},
		{"a method nobody knows", func(p *phone) { p.write(p.request("DANCE", "sip:"+gwSIP, "")) }, 501, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS"},
		{"a method in small letters", func(p *phone) { p.write(p.request("Foo", "sip:"+gwSIP, "")) }, 501, ""},
		{"invite is not INVITE", func(p *phone) { p.write(p.request("invite", number, body)) }, 501, ""},
		{"405 before 420", func(p *phone) { p.write(p.request("REGISTER", "sip:"+gwSIP, "", "Require: path")) }, 405, ""},
		{"OPTIONS", func(p *phone) { p.write(p.request("OPTIONS", "sip:"+gwSIP, "")) }, 200, "Accept: application/sdp"},
		{"OPTIONS in no dialog", func(p *phone) { p.to += ";tag=x"; p.in("OPTIONS", "") }, 481, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				s := start(t, n, gateway.Config{})
				p := newPhone(t, n, phoneAt)
				tc.send(p)
				res := p.next(tc.status)
				if res.SipVersion != "SIP/2.0" {
					t.Errorf("answers in %s", res.SipVersion)
				}
				if tc.header != "" && !strings.Contains(res.String(), tc.header+"\r\n") {
					t.Errorf("no %q in\n%s", tc.header, res)
				}
				if tag := res.To().Params.GetOr("tag", ""); tag == "" {
					t.Errorf("To without tag: %s", res.To())
				}
				if len(s.Calls()) != 0 {
					t.Errorf("a call came of it: %+v", s.Calls())
				}
				synctest.Wait()
				if st := s.Stats(); tc.status != 200 && st.Answered[tc.status] != 1 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestTheSameINVITETwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{RingTime: time.Minute})
		p := newPhone(t, n, phoneAt)
		to := p.to
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(180)
		p.to = to
		p.write(p.request("INVITE", number, offer(phoneRTP))) // a retransmission
		p.next(180)
		p.to = to
		p.invite(offer(phoneRTP)) // by another way: RFC 3261 §8.2.2.2
		p.next(482)
		if len(s.Calls()) != 1 {
			t.Errorf("%d calls", len(s.Calls()))
		}
	})
}

func TestNumbers(t *testing.T) {
	for user, want := range map[string]bool{
		"1234567": true, "+14255550123": true, "(425)555-0123": true, "*67#": true, "911": true,
		"123;phone-context=+1": true, "": false, "bob": false, "12a": false, "+": false, "1+2": false, ";x": false, "---": false,
	} {
		if got := gateway.IsNumber(user); got != want {
			t.Errorf("IsNumber(%q) is %v", user, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		start(t, n, gateway.Config{Numbers: func(user string) bool { return user == "bob" }, RingTime: time.Hour})
		p := newPhone(t, n, phoneAt)
		p.write(p.request("INVITE", "tel:+14255550123", offer(phoneRTP)))
		p.next(404)
		q := newPhone(t, n, "198.51.100.8:5060")
		q.write(q.request("INVITE", "sip:bob@example.com", offer(phoneRTP)))
		q.next(100)
	})
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		p.write(p.request("INVITE", "tel:+14255550123", offer(phoneRTP)))
		p.next(100)
		if got := only(t, s).Number; got != "+14255550123" {
			t.Errorf("called %q", got)
		}
	})
}

// RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4.
func TestResponsesGoByTheVia(t *testing.T) {
	const natAt = "192.0.2.99:6000" // what the gateway sees
	for _, tc := range []struct {
		name, via, host, want string
		params                []string
	}{
		{"rport: to the source", ";rport", "10.0.0.2:5060", natAt, []string{"rport=6000", "received=192.0.2.99"}},
		{"no rport: to the source's address and the Via's port", "", "10.0.0.2:5070", "192.0.2.99:5070", []string{"received=192.0.2.99"}},
		{"no rport, no port: to 5060", "", "10.0.0.2", "192.0.2.99:5060", []string{"received=192.0.2.99"}},
		{"no rport and an honest Via", "", "192.0.2.99:6000", natAt, nil},
	} {
		for kind, edit := range map[string]func(string) string{
			"in a transaction": func(r string) string { return r },
			"without one":      func(r string) string { return strings.Replace(r, "Content-Length: 0", "Content-Length: 99", 1) },
		} {
			t.Run(tc.name+", "+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := memnet.New()
					n.Route = func(src, _ netip.AddrPort, _ []byte) (netip.AddrPort, bool) {
						if src.Addr() == netip.MustParseAddr("10.0.0.2") {
							src = ap(natAt)
						}
						return src, true
					}
					start(t, n, gateway.Config{})
					p := newPhone(t, n, "10.0.0.2:5060")
					at := newPhone(t, n, tc.want)
					p.via = tc.via
					text := p.request("OPTIONS", "sip:"+gwSIP, "")
					text = strings.Replace(text, "SIP/2.0/UDP 10.0.0.2:5060", "SIP/2.0/UDP "+tc.host, 1)
					p.write(edit(text))
					res, ok := at.any().msg.(*sip.Response)
					if !ok {
						t.Fatal("not a response")
					}
					for _, want := range tc.params {
						if !strings.Contains(res.Via().Value(), want) {
							t.Errorf("no %s in %s", want, res.Via().Value())
						}
					}
					if len(tc.params) == 0 && strings.Contains(res.Via().Value(), "received") {
						t.Errorf("needless received in %s", res.Via().Value())
					}
				})
			})
		}
	}
}

func TestBadInput(t *testing.T) {
	without := func(r, name string) string {
		i := strings.Index(r, "\r\n"+name+":")
		j := strings.Index(r[i+2:], "\r\n")
		return r[:i] + r[i+2+j:]
	}
	bad := func(s ua.Stats) uint64 { return s.BadRequests }
	malformed := func(s ua.Stats) uint64 { return s.Malformed }
	unmatched := func(s ua.Stats) uint64 { return s.Unmatched }
	pings := func(s ua.Stats) uint64 { return s.Pings }
	served := func(s ua.Stats) uint64 { return s.Answered[200] }
	for _, tc := range []struct {
		name   string
		edit   func(r string) string
		status int // 0: not answered
		count  func(ua.Stats) uint64
	}{
		{"no Via", func(r string) string { return without(r, "Via") }, 0, malformed},
		{"no From", func(r string) string { return without(r, "From") }, 400, bad},
		{"no To", func(r string) string { return without(r, "To") }, 400, bad},
		{"no Call-ID", func(r string) string { return without(r, "Call-ID") }, 400, bad},
		{"no CSeq", func(r string) string { return without(r, "CSeq") }, 400, bad},
		{"CSeq of another method", func(r string) string { return strings.Replace(r, "1 OPTIONS", "1 BYE", 1) }, 400, bad},
		{"Via without a host", func(r string) string { return strings.Replace(r, "UDP "+phoneAt, "UDP ", 1) }, 0, malformed},
		{"neither branch nor tag, as of RFC 2543", func(r string) string {
			return strings.NewReplacer(";branch=", ";x=", ";tag=a1", "").Replace(r)
		}, 200, served},
		{"a branch of RFC 2543", func(r string) string { return strings.Replace(r, "z9hG4bK", "old", 1) }, 200, served},
		{"two To", func(r string) string { return strings.Replace(r, "CSeq:", "t: <sip:x@y>\r\nCSeq:", 1) }, 400, bad},
		{"CSeq is a word", func(r string) string { return strings.Replace(r, "CSeq: 1", "CSeq: one", 1) }, 400, bad},
		{"Content-Length too long", func(r string) string { return strings.Replace(r, "Length: 0", "Length: 10", 1) }, 400, bad},
		{"Content-Length too short", func(r string) string { return r + "trailing" }, 200, served},
		{"Content-Length is a word", func(r string) string { return strings.Replace(r, "Length: 0", "Length: none", 1) }, 400, bad},
		{"Content-Length below zero", func(r string) string { return strings.Replace(r, "Length: 0", "Length: -5", 1) }, 400, bad},
		{"no Content-Length", func(r string) string { return without(r, "Content-Length") }, 200, served},
		{"no Max-Forwards", func(r string) string { return without(r, "Max-Forwards") }, 200, served},
		{"a field without a colon", func(r string) string { return strings.Replace(r, "Max-Forwards: 70", "Max-Forwards", 1) }, 400, bad},
		{"a folded To", func(r string) string { return strings.Replace(r, "To: ", "To:\r\n ", 1) }, 200, served},
		{"compact names", func(r string) string {
			return strings.NewReplacer("To:", "t:", "From:", "f:", "Via:", "v:", "Call-ID:", "i:").Replace(r)
		}, 200, served},
		{"a lone line feed", func(r string) string { return strings.Replace(r, "Max-Forwards: 70", "Max-Forwards: 70\nX: y", 1) }, 400, bad},
		{"no empty line", func(r string) string { return strings.TrimRight(r, "\r\n") }, 400, bad},
		{"truncated in a field", func(r string) string { return r[:strings.Index(r, "Call-ID")+3] }, 400, bad},
		{"a Request-URI that is none", func(r string) string { return strings.Replace(r, "sip:"+gwSIP, "nonsense", 1) }, 400, bad},
		{"start line only", func(string) string { return "OPTIONS sip:x SIP/2.0\r\n\r\n" }, 0, malformed},
		{"a response to nothing", func(r string) string { return strings.Replace(r, "OPTIONS sip:"+gwSIP+" SIP/2.0", "SIP/2.0 200 OK", 1) }, 0, unmatched},
		{"a response without Via", func(r string) string {
			return without(strings.Replace(r, "OPTIONS sip:"+gwSIP+" SIP/2.0", "SIP/2.0 200 OK", 1), "Via")
		}, 0, malformed},
		{"empty lines", func(string) string { return "\r\n\r\n" }, 0, pings},
		{"four zero bytes", func(string) string { return "\x00\x00\x00\x00" }, 0, pings},
		{"STUN", func(string) string { return "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl" }, 0, func(s ua.Stats) uint64 { return s.STUN }},
		{"a word", func(string) string { return "hello" }, 0, malformed},
		{"a malformed ACK", func(r string) string {
			return strings.Replace(strings.Replace(r, "OPTIONS", "ACK", 2), "Length: 0", "Length: 9", 1)
		}, 0, bad},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				s := start(t, n, gateway.Config{})
				p := newPhone(t, n, phoneAt)
				p.write(tc.edit(p.request("OPTIONS", "sip:"+gwSIP, "")))
				if tc.status > 0 {
					m, ok := p.any().msg.(*sip.Response)
					if !ok || m.StatusCode != tc.status {
						t.Errorf("got %s, want %d", firstLine(m), tc.status)
					}
				} else {
					p.silence(time.Second)
				}
				synctest.Wait()
				if st := s.Stats(); tc.count(st) != 1 || st.Datagrams != 1 || outcomes(st) != 1 {
					t.Errorf("%+v", st)
				}
				stillServes(t, n)
			})
		})
	}
}

// outcomes adds up what became of what was received: each datagram counts once.
func outcomes(s ua.Stats) uint64 {
	return s.Pings + s.STUN + s.Oversize + s.Malformed + s.BadRequests + s.Served + s.Retransmits + s.ACKs + s.StrayACKs +
		s.Answers + s.Unmatched + s.ForeignVia
}

func stillServes(t *testing.T, n *memnet.Net) {
	t.Helper()
	p := newPhone(t, n, "198.51.100.200:5060")
	if d := p.call(offer("198.51.100.200:4000")); !d.RTP.IsValid() {
		t.Errorf("%+v", d)
	}
	p.in("BYE", "")
	p.next(200)
}

func TestRandomBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		s := start(t, n, gateway.Config{})
		p := newPhone(t, n, phoneAt)
		rng := rand.New(rand.NewPCG(1, 2))
		good := []byte(p.request("INVITE", number, offer(phoneRTP)))
		sent := 0
		for i := range 600 {
			b := make([]byte, 1+rng.IntN(800))
			for j := range b {
				b[j] = byte(rng.Uint32())
			}
			if i%2 == 0 { // a message with some bytes wrong
				b = append([]byte(nil), good...)
				for range 1 + rng.IntN(8) {
					b[rng.IntN(len(b))] = byte(rng.Uint32())
				}
			}
			if _, err := p.conn.WriteTo(b, udp(gwSIP)); err != nil {
				t.Fatal(err)
			}
			sent++
			time.Sleep(time.Millisecond)
			for len(p.inbox) > 0 {
				<-p.inbox
			}
		}
		if st := s.Stats(); st.Malformed < 250 {
			t.Errorf("of %d: %+v", sent, st)
		}
		stillServes(t, n)
	})
}

func TestConfigRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		good := n.Listen(gwSIP)
		for name, try := range map[string]struct {
			conn net.PacketConn
			cfg  gateway.Config
		}{
			"no socket":       {nil, gateway.Config{}},
			"no address":      {n.Listen("0.0.0.0:5060"), gateway.Config{}},
			"no media":        {good, gateway.Config{MediaAddr: netip.IPv4Unspecified()}},
			"MaxCalls":        {good, gateway.Config{MaxCalls: -1}},
			"RingTime":        {good, gateway.Config{RingTime: -1}},
			"ports":           {good, gateway.Config{MinPort: 5001, MaxPort: 5002}},
			"one end of them": {good, gateway.Config{MinPort: 5001}},
			"PTime":           {good, gateway.Config{PTime: time.Second}},
			"no voice":        {good, gateway.Config{Codecs: []media.Codec{{PayloadType: 101, Name: "telephone-event", ClockRate: 8000}}}},
			"latch":           {good, gateway.Config{LatchFor: time.Second}},
		} {
			if _, err := gateway.New(try.conn, try.cfg); !errors.Is(err, gateway.ErrConfig) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
