package sipalg

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

// A fuzzed conversation is messages with a line "--" between them. The first byte says
// what each is; see converse.
var messageEnd = []byte("\n--\n")

const (
	answer = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1:40001;maddr=198.51.100.1;received=198.51.100.1;rport=40001\r\n" +
		"CSeq: 1 INVITE\r\nContact: <sip:b@203.0.113.20>, <sip:c@198.51.100.1:40001>;expires=5\r\nContent-Length: 60\r\n\r\n" +
		"v=0\r\no=- 1 1 IN IP4 203.0.113.20\r\nc=IN IP4 203.0.113.20\r\nm=audio 4000 RTP/AVP 0\r\n" +
		"m=video 4002 RTP/AVP 0\r\nc=IN IP4 203.0.113.20\r\nm=image 4004 udptl\r\n"
	registration = "REGISTER sip:203.0.113.20 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5062\r\nExpires: 18446744073709551615\r\n" +
		"CSeq: 7 REGISTER\r\nContact: <sip:a@10.0.0.2:5060>;expires=60\r\n\r\n"
	registered = "SIP/2.0 200 OK\r\nCSeq: 7 REGISTER\r\nContact: <sip:a@198.51.100.1:5060>;transport=UDP;expires=4000000000\r\n\r\n"
	folded     = "BYE sip:a SIP/2.0\r\nf : \r\n sip:a@10.0.0.2:\r\nCSeq: 8 BYE\r\n\r\n"
)

func seed(messages ...string) []byte { return []byte(strings.Join(messages, string(messageEnd))) }

// FuzzLinux gives the helper of Linux a conversation: it neither fails nor writes to a
// message, and says the same when asked again.
func FuzzLinux(f *testing.F) {
	f.Add(seed(">"+string(invite("10.0.0.2:5060", sdp)), "<"+answer))
	f.Add(seed(">"+registration, "<"+registered))
	f.Add(seed(">"+"SIP/2.0 200 OK\r\n\r\n", "<"+folded))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if once, again := linuxReads(b, &gate{port: 40002}), linuxReads(b, &gate{port: 40002}); once != again {
			t.Errorf("once:\n%s\nagain:\n%s", once, again)
		}
		linuxReads(b, nil)
		if !bytes.Equal(b, before) {
			t.Error("a message was written to")
		}
	})
}

func linuxReads(b []byte, g *gate) string {
	var log strings.Builder
	f := flow
	f.Session, f.Watched = new(Session), true
	if g != nil {
		f.Gate, f.Media = g, nil
	}
	for m := range bytes.SplitSeq(b, messageEnd) {
		if len(m) == 0 {
			continue
		}
		rewrite := ALG{Linux: true}.Outbound
		if m[0] == '<' {
			rewrite = ALG{Linux: true}.Inbound
		}
		got := rewrite(m[1:], f)
		fmt.Fprintf(&log, "%q %v\n", got, Changes(m[1:], got))
	}
	if g != nil {
		fmt.Fprint(&log, g.asked)
	}
	return log.String()
}

// FuzzBeside leads a conversation through a NAT of one kind, with one ALG beside it.
func FuzzBeside(f *testing.F) {
	presets := []string{"port-restricted", "symmetric", "linux-sip-helper"}
	for which := range uint8(len(presets) * len(variants)) {
		f.Add(which, seed(">"+string(invite("10.0.0.2:5060", sdp)), "<"+answer, "m4000", "~", "F", "R", ">BYE"))
		f.Add(which, seed(">"+registration, "<"+registered, "~", "m5060", "h"))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		at, v := int(which)%len(presets), variants[int(which)/len(presets)%len(variants)]
		if once, again := converse(t, b, presets[at], v.alg), converse(t, b, presets[at], v.alg); once != again {
			t.Fatalf("%s %s: once:\n%s\nagain:\n%s", presets[at], v.name, once, again)
		}
	})
}

// converse plays messages: > from the phone to the server, < back, m and M of media at a
// port in and out, h from a neighbour by the external address; ~ lets time pass, F is a
// reboot and R a new address.
func converse(t *testing.T, b []byte, preset string, alg ALG) string {
	m, err := catalogue.Lookup(preset)
	if err != nil {
		t.Fatal(err)
	}
	external := netip.MustParseAddr("198.51.100.1")
	n, err := m.New(natmodels.Place{External: []netip.Addr{external}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	beside := &Beside{NAT: n, ALG: alg}
	phone, server := netip.MustParseAddrPort("10.0.0.2:5060"), netip.MustParseAddrPort("203.0.113.20:5060")
	now := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	for m := range bytes.SplitSeq(b, messageEnd) {
		if len(m) == 0 {
			continue
		}
		var port uint16
		_, _ = fmt.Sscan(string(m[1:]), &port)
		p := natmodels.Packet{Protocol: natmodels.UDP, Src: phone, Dst: server}
		inward := m[0] == '<' || m[0] == 'm'
		switch m[0] {
		case '<':
			p.Src, p.Dst = server, netip.AddrPortFrom(external, 5060)
		case 'm':
			p.Src, p.Dst = netip.AddrPortFrom(server.Addr(), 7000), netip.AddrPortFrom(external, port)
		case 'M':
			p.Dst = netip.AddrPortFrom(server.Addr(), port)
		case 'h':
			p.Src, p.Dst = netip.AddrPortFrom(phone.Addr(), 6000), netip.AddrPortFrom(external, 5060)
		case '~':
			now = now.Add(time.Duration(len(m)) * 20 * time.Second)
			continue
		case 'F':
			n.Flush()
			continue
		case 'R':
			external = external.Next()
			if err := n.Renumber([]netip.Addr{external}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		send := n.Outbound
		if inward {
			send = n.Inbound
		}
		v := send(p, now)
		fmt.Fprintln(&log, n.Explain(v))
		if v.Action == natmodels.Forward || v.Action == natmodels.Hairpin {
			out := beside.Pass(Passage{Before: p, Verdict: v, Inward: inward, Payload: m[1:], At: now})
			fmt.Fprintf(&log, "%q %v %v %v\n%v\n", out.Payload, out.Dst, out.Dropped, out.Opened, n.Mappings(now))
		}
	}
	return log.String()
}
