package report_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/stun/v3"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/report"
	"github.com/natproof/natproof/vnet"
)

// drawn is what one run of some endpoints has drawn at random.
type drawn struct {
	token       string // of branches, tags and the rest; always 8 characters
	ssrc, stamp uint32
	seq         uint16
	transaction byte
}

var (
	oneDraw     = drawn{token: "k3jX9a0q", ssrc: 0xdeadbeef, stamp: 1 << 31, seq: 65534, transaction: 1}
	anotherDraw = drawn{token: "8hHq2Zz1", ssrc: 4019020304, stamp: 77, seq: 12, transaction: 9}
)

func (d drawn) invite() []byte {
	text := `INVITE sip:b@example.com SIP/2.0
Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1%;rport
From: <sip:a@example.com>;tag=2%
To: <sip:b@example.com>;tag=3%
Call-ID: 4%@example.net
CSeq: 1 INVITE
Replaces: 5%;to-tag=6%;from-tag=7%
Refer-To: <sip:c@example.com?Replaces=15%%3Bto-tag%3D16%%3Bfrom-tag%3D17%>
Contact: <sip:a@10.0.0.2:5060;rinstance=8%>;+sip.instance="<urn:uuid:9%>"
Authorization: Digest username="a", nonce="10%", cnonce="11%", opaque="12%", response="%%%%", qop=auth
Content-Type: application/sdp

v=0
o=- # 1 IN IP4 10.0.0.2
a=ice-ufrag:13%
a=ssrc:# cname:14%
`
	return []byte(strings.NewReplacer("\n", "\r\n", "%3B", "%3B", "%3D", "%3D", "%", fmt.Sprintf("%08x", d.ssrc), "#", fmt.Sprintf("%d", d.ssrc)).Replace(text))
}

func (d drawn) payloads(t *testing.T) [][]byte {
	t.Helper()
	marshal := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	id := stun.NewTransactionIDSetter([stun.TransactionIDSize]byte{0: d.transaction, 11: d.transaction})
	binding := stun.MustBuild(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: netip.MustParseAddr("2001:db8::1").AsSlice(), Port: 7},
		stun.NewUsername(d.token), stun.NewNonce(d.token), stun.NewShortTermIntegrity(d.token), stun.Fingerprint).Raw
	classic := append([]byte{0, 1, 0, 0}, []byte(d.token+d.token)...)
	packet := func(n uint16) []byte {
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: d.seq + n, Timestamp: d.stamp + 160*uint32(n), SSRC: d.ssrc, Marker: n == 0}, Payload: []byte("voice")}
		return marshal(p.Marshal())
	}
	reports := marshal(rtcp.Marshal([]rtcp.Packet{
		&rtcp.SenderReport{SSRC: d.ssrc, NTPTime: 5, RTPTime: d.stamp + 320, PacketCount: 3, OctetCount: 15, Reports: []rtcp.ReceptionReport{
			{SSRC: d.ssrc, LastSequenceNumber: uint32(d.seq) + 2, TotalLost: 1},
		}},
		rtcp.NewCNAMESourceDescription(d.ssrc, d.token),
		&rtcp.Goodbye{Sources: []uint32{d.ssrc}},
	}))
	return [][]byte{d.invite(), binding, classic, packet(0), packet(1), packet(2), reports, []byte("\r\n\r\n"), nil, []byte{22, 1, 2, 3}}
}

var (
	inside  = netip.MustParseAddrPort("10.0.0.2:5060")
	outside = netip.MustParseAddrPort("198.51.100.1:40000")
	server  = netip.MustParseAddrPort("203.0.113.10:5060")
)

func (d drawn) events(t *testing.T) []vnet.Event {
	var events []vnet.Event
	for i, p := range d.payloads(t) {
		at, id := time.Duration(i)*time.Second+7, uint64(i+1)
		events = append(events,
			vnet.Event{At: at, Kind: vnet.Sent, Packet: id, Box: "a", Proto: natmodels.UDP, Src: inside, Dst: server, Payload: p},
			vnet.Event{At: at + 1, Kind: vnet.Translated, Packet: id, Box: "nat", Proto: natmodels.UDP, Src: outside, Dst: server, FromSrc: inside, FromDst: server, Payload: p},
			vnet.Event{At: at + 2, Kind: vnet.Delivered, Packet: id, Parent: 1, Box: "proxy", Proto: natmodels.UDP, Src: outside, Dst: server, Payload: p})
	}
	return append(events,
		vnet.Event{At: time.Hour, Kind: vnet.Dropped, Packet: 99, Box: "nat", Proto: natmodels.ICMP, Src: inside, Dst: server, Reason: "filtered", Detail: "nobody\nhere"},
		vnet.Event{At: time.Hour, Kind: vnet.Changed, Box: "nat.link", Detail: "link down"})
}

func trace(t *testing.T, events []vnet.Event) string {
	t.Helper()
	var out strings.Builder
	if err := report.Trace(&out, events); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTraceIsTheSameWhateverWasDrawn(t *testing.T) {
	one, another := trace(t, oneDraw.events(t)), trace(t, anotherDraw.events(t))
	if one != another {
		x, y := strings.Split(one, "\n"), strings.Split(another, "\n")
		for i := range x {
			if x[i] != y[i] {
				t.Errorf("line %d:\n%s\n%s", i+1, x[i], y[i])
			}
		}
	}
}

func TestTraceLines(t *testing.T) {
	lines := strings.Split(trace(t, oneDraw.events(t)), "\n")
	for i, want := range map[int]string{
		0:  "7 sent a #1 LEN 10.0.0.2:5060 -> 203.0.113.10:5060 INVITE sip:b@example.com SIP/2.0 ",
		1:  "8 translated nat #1 LEN 198.51.100.1:40000 -> 203.0.113.10:5060 was 10.0.0.2:5060 -> 203.0.113.10:5060 INVITE sip:b@example.com SIP/2.0 ",
		5:  "1000000009 delivered proxy #2<#1 LEN 198.51.100.1:40000 -> 203.0.113.10:5060 STUN Binding success response transaction-1 ",
		6:  "2000000007 sent a #3 20 10.0.0.2:5060 -> 203.0.113.10:5060 STUN Binding request transaction-2 ",
		9:  "3000000007 sent a #4 17 10.0.0.2:5060 -> 203.0.113.10:5060 RTP 8 ssrc-1 seq +0 time +0 marker ",
		15: "5000000007 sent a #6 17 10.0.0.2:5060 -> 203.0.113.10:5060 RTP 8 ssrc-1 seq +2 time +320 ",
		18: "6000000007 sent a #7 LEN 10.0.0.2:5060 -> 203.0.113.10:5060 RTCP SR, BYE ",
		21: "7000000007 sent a #8 4 10.0.0.2:5060 -> 203.0.113.10:5060 keepalive ",
		24: "8000000007 sent a #9 0 10.0.0.2:5060 -> 203.0.113.10:5060 empty ",
		27: "9000000007 sent a #10 4 10.0.0.2:5060 -> 203.0.113.10:5060 data ",
		30: `3600000000000 dropped nat #99 0 10.0.0.2:5060 -> 203.0.113.10:5060 filtered ICMP e3b0c44298fc | nobody\nhere`,
		31: "3600000000000 changed nat.link | link down",
	} {
		words, got := strings.Fields(want), strings.Fields(lines[i])
		for j, w := range words {
			if j >= len(got) || w != "LEN" && w != got[j] {
				t.Errorf("line %d is\n%s\nwant\n%s", i+1, lines[i], want)
				break
			}
		}
	}
	if len(lines) != 33 || lines[32] != "" {
		t.Errorf("%d lines", len(lines))
	}
}

// What matters makes another trace.
func TestTraceTellsApart(t *testing.T) {
	base := oneDraw.events(t)
	was := trace(t, base)
	for name, change := range map[string]func([]vnet.Event){
		"a nanosecond": func(e []vnet.Event) { e[3].At++ },
		"a box":        func(e []vnet.Event) { e[3].Box = "b" },
		"a kind":       func(e []vnet.Event) { e[3].Kind = vnet.Delivered },
		"an address":   func(e []vnet.Event) { e[3].Dst = outside },
		"a packet":     func(e []vnet.Event) { e[3].Packet = 5 },
		"a parent":     func(e []vnet.Event) { e[3].Parent = 5 },
		"a reason":     func(e []vnet.Event) { e[30].Reason = "hairpin" },
		"a detail":     func(e []vnet.Event) { e[30].Detail = "" },
		"a port in SIP": func(e []vnet.Event) {
			e[0].Payload = []byte(strings.Replace(string(e[0].Payload), "10.0.0.2:5060", "10.0.0.2:5061", 1))
		},
		"a tag twice": func(e []vnet.Event) {
			e[0].Payload = []byte(strings.Replace(string(e[0].Payload), "tag=3", "tag=2", 1))
		},
		"a mapped port": func(e []vnet.Event) { p := append([]byte(nil), e[3].Payload...); p[27]++; e[3].Payload = p },
		"voice":         func(e []vnet.Event) { p := append([]byte(nil), e[12].Payload...); p[16]++; e[12].Payload = p },
		"a sequence":    func(e []vnet.Event) { p := append([]byte(nil), e[12].Payload...); p[3]++; e[12].Payload = p },
		"a count": func(e []vnet.Event) {
			p := append([]byte(nil), e[18].Payload...)
			binary.BigEndian.PutUint32(p[20:], 4)
			e[18].Payload = p
		},
	} {
		events := append([]vnet.Event(nil), base...)
		change(events)
		if trace(t, events) == was {
			t.Errorf("%s makes no difference", name)
		}
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestTraceTellsOfAWriterThatFails(t *testing.T) {
	if err := report.Trace(full{}, oneDraw.events(t)); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

// Whatever a payload is, an event is one line of printable ASCII.
func FuzzTrace(f *testing.F) {
	for _, d := range []drawn{oneDraw, anotherDraw} {
		for _, p := range d.payloads(new(testing.T)) {
			f.Add(p)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := vnet.Event{Kind: vnet.Sent, Packet: 1, Box: "a", Proto: natmodels.UDP, Src: inside, Dst: server, Payload: payload}
		again := e
		again.Packet = 2
		text := trace(t, []vnet.Event{e, again})
		if strings.Count(text, "\n") != 2 || strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) >= 0 {
			t.Errorf("%q", text)
		}
	})
}
