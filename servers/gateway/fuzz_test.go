package gateway_test

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/gateway"
)

// FuzzDatagram gives a gateway with one call up a datagram, twice, with TAG and BRANCH in it
// replaced by those of the call. Each datagram has one outcome. What it sends is SIP, and to
// an ACK or a response it sends no response; the call it had is there until somebody ends it;
// and it takes the next one.
func FuzzDatagram(f *testing.F) {
	const from = "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx\r\nFrom: <sip:alice@example.com>;tag=a1\r\n"
	inDialog := func(method, cseq, rest string) string {
		return method + " sip:203.0.113.5 SIP/2.0\r\n" + from + "To: <sip:1234567@example.com;user=phone>;tag=TAG\r\n" +
			"Call-ID: call-1@198.51.100.7:5060\r\nCSeq: " + cseq + " " + method + "\r\nContact: <sip:alice@198.51.100.7>\r\n" + rest
	}
	invite := "INVITE sip:1@example.com SIP/2.0\r\n" + from + "To: <sip:1@b>\r\n" +
		"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@198.51.100.7>\r\nContent-Length: 0\r\n\r\n"
	typed := "Content-Type: application/sdp\r\n\r\n"
	for _, s := range []string{
		invite,
		strings.Replace(invite, "Content-Length: 0", "Content-Length: 7", 1),
		strings.Replace(invite, "To:", "t:\r\n ", 1),
		strings.Replace(invite, "198.51.100.7;branch", "[2001:db8::1]:5070;rport;branch", 1),
		strings.Replace(invite, " SIP/2.0\r\n", " SIP\r\n", 1),
		strings.Replace(invite, "CSeq:", "t: <sip:x@y>\r\nCSeq:", 1),
		strings.Replace(invite, "CSeq:", "Expires: 5\r\nRequire: x\r\nAccept: a/b\r\nRecord-Route: <sip:198.51.100.7;lr>\r\nCSeq:", 1),
		strings.Replace(invite, "sip:1@example.com", "tel:+1-555", 1),
		strings.Replace(invite, "Content-Length: 0\r\n\r\n", typed+offer(phoneRTP, "a=rtcp-mux"), 1),
		strings.Replace(strings.ReplaceAll(invite, "INVITE", "CANCEL"), "z9hG4bKx", "BRANCH", 1),
		strings.ReplaceAll(invite, "INVITE", "OPTIONS"), strings.ReplaceAll(invite, "INVITE", "REGISTER"),
		inDialog("INVITE", "2", typed+offer(phoneIP+":7000", "a=sendonly")), inDialog("INVITE", "2", "\r\n"), inDialog("BYE", "2", "\r\n"),
		inDialog("ACK", "1", "\r\n"), inDialog("CANCEL", "1", "\r\n"),
		"SIP/2.0 200 OK\r\n" + from + "To: <sip:b@c>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n\r\n",
		"\r\n\r\n", "", "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New()
			s, err := gateway.New(n.Listen(gwSIP), gateway.Config{
				Silent: true, // it is the signalling that is tried
				Listen: func(at netip.AddrPort) (net.PacketConn, error) { return n.Listen(at.String()), nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- s.Serve() }()
			p := newPhone(t, n, phoneAt)
			p.call(offer(phoneRTP))
			synctest.Wait()
			before := len(n.From(gwSIP))
			tag := p.to[strings.LastIndex(p.to, "tag=")+len("tag="):]
			data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("TAG"), []byte(tag)), []byte("BRANCH"), []byte("z9hG4bK-"+p.callID+"-1"))
			for range 2 {
				p.write(string(data))
				synctest.Wait()
			}
			for _, d := range n.From(gwSIP)[before:] {
				m, err := read(d.B)
				if err != nil {
					t.Errorf("sent %q: %v", d.B, err)
				}
				if _, ok := m.(*sip.Response); ok && (bytes.HasPrefix(data, []byte("SIP/2.0 ")) || bytes.HasPrefix(data, []byte("ACK "))) {
					t.Errorf("answered %q with %q", data, d.B)
				}
			}
			if c := s.Calls()[0]; (c.State == gateway.Ended) != (c.Cause != gateway.NotEnded) || c.Cause != gateway.NotEnded && c.Cause != gateway.CallerHungUp {
				t.Errorf("%v, %v", c.State, c.Cause)
			}
			stillServes(t, n)
			time.Sleep(33 * time.Second) // beyond 64*T1
			if st := s.Stats(); outcomes(st) != st.Datagrams {
				t.Errorf("%d datagrams have %d outcomes: %+v", st.Datagrams, outcomes(st), st)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
			p.conn.Close()
		})
	})
}
