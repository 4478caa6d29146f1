package certify

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// A phone, and whoever sends to it, may send anything: something is learned of it, or nothing is, and
// each trait says which.
func FuzzLearn(f *testing.F) {
	const sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtcp:40001\r\n"
	const via = "Via: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKx;rport\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:a@example.com>;tag=2\r\nCall-ID: c\r\n"
	for _, seed := range []string{
		"REGISTER sip:example.com SIP/2.0\r\n" + via + "CSeq: 1 REGISTER\r\nContact: <sip:a@10.0.0.2>\r\nContent-Length: 0\r\n\r\n",
		"INVITE sip:b@example.com SIP/2.0\r\n" + via + "CSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.2:5060>\r\nSession-Expires: 90\r\nContent-Type: application/sdp\r\nContent-Length: 112\r\n\r\n" + sdp,
		"SIP/2.0 200 OK\r\n" + via + "CSeq: 1 INVITE\r\nContent-Length: 112\r\n\r\n" + sdp,
		"SIP/2.0 401 Unauthorized\r\n" + via + "CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n",
		"\x80\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01", "\x81\xc9\x00\x07\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x12\x34\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl", "\r\n\r\n", "\x00\x00\x00\x00", "", "\x80",
	} {
		f.Add([]byte(seed), uint16(5060))
	}
	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		e := evidence{}
		for i, p := range probes {
			var events []vnet.Event
			for n, box := range []string{cell.BoxA, cell.BoxB, cell.BoxProxy, cell.BoxSTUN, cell.BoxA} {
				src, dst := netip.AddrPortFrom(cell.PlaceOf(cell.A).Inside, 5060), netip.AddrPortFrom(cell.ProxyAddr, port)
				if box != cell.BoxA {
					src, dst = dst, src
				}
				at := time.Duration(n+i) * time.Second
				events = append(events,
					vnet.Event{At: at, Kind: vnet.Sent, Packet: uint64(n + 1), Box: box, Src: src, Dst: dst, Payload: b},
					vnet.Event{At: at, Kind: vnet.Delivered, Packet: uint64(n + 1), Box: cell.BoxA, Src: src, Dst: dst, Payload: b})
			}
			tape := read(p.name, events)
			for j, part := range []string{partTalk, partPort, partLater, partHost, partHold, partResume, partIdle, partEnd} {
				tape.times[part] = time.Duration(j) * time.Second
			}
			e[p.name] = tape
		}
		l, err := conclude(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range l.Findings {
			if f.Trait == "" || f.Value == "" && (f.Why == "" || f.Assumed == "") || f.Value != "" && f.Seen == nil && f.Why == "" {
				t.Errorf("%+v", f)
			}
		}
		if _, err := l.In(cell.Default(probeFlow, cell.NoNAT, cell.NoNAT)); err != nil {
			t.Error(err)
		}
	})
}
