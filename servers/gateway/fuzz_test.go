package gateway

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// quiet is a socket that nothing arrives on; it remembers what is sent.
type quiet struct{ sent [][]byte }

func (c *quiet) ReadFrom([]byte) (int, net.Addr, error) { return 0, nil, net.ErrClosed }
func (c *quiet) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.sent = append(c.sent, b)
	return len(b), nil
}
func (c *quiet) Close() error                     { return nil }
func (c *quiet) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(203, 0, 113, 5), Port: 5060} }
func (c *quiet) SetDeadline(time.Time) error      { return nil }
func (c *quiet) SetReadDeadline(time.Time) error  { return nil }
func (c *quiet) SetWriteDeadline(time.Time) error { return nil }

// FuzzFilter gives one datagram to the filter that stands before sipgo. It is
// passed on, answered, or counted, never two of them; what is passed on parses
// and has all that a transaction needs; what is answered is a response.
func FuzzFilter(f *testing.F) {
	invite := "INVITE sip:1@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:1@b>\r\n" +
		"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.2>\r\nContent-Length: 0\r\n\r\n"
	f.Add([]byte(invite))
	f.Add([]byte(strings.Replace(invite, "Content-Length: 0", "Content-Length: 7", 1)))
	f.Add([]byte(strings.Replace(invite, "To:", "t:\r\n ", 1)))
	f.Add([]byte(strings.Replace(invite, "Via:", "v:", 1)))
	f.Add([]byte(strings.Replace(invite, "10.0.0.2;branch", "[2001:db8::1]:5070;rport;branch", 1)))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nCSeq: 1 BYE\r\n\r\n"))
	f.Add([]byte("\r\n\r\n"))
	f.Add([]byte(strings.Replace(invite, " SIP/2.0\r\n", " SIP\r\n", 1)))
	f.Add([]byte(strings.Replace(invite, "CSeq:", "t: <sip:x@y>\r\nCSeq:", 1)))
	f.Add([]byte{})
	conn := &quiet{}
	s, err := New(conn, Config{})
	if err != nil {
		f.Fatal(err)
	}
	from := sip.TransportReadProps{Transport: "UDP", LocalAddr: conn.LocalAddr(), RemoteAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 6000}}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := s.Stats()
		conn.sent = nil
		passed, err := s.filter(from, data)
		if err != nil {
			t.Fatalf("an error would stop the server: %v", err)
		}
		after := s.Stats()
		outcomes := after.Malformed - before.Malformed + after.Keepalives - before.Keepalives + after.BadRequests - before.BadRequests
		if passed != nil {
			outcomes++
		}
		if outcomes != 1 || uint64(len(conn.sent)) != after.BadRequests-before.BadRequests {
			t.Fatalf("%d outcomes, %d sent, for %q", outcomes, len(conn.sent), data)
		}
		for _, b := range conn.sent {
			if !strings.HasPrefix(string(b), "SIP/2.0 400 ") {
				t.Errorf("answered %q", b)
			}
		}
		if passed == nil {
			return
		}
		msg, err := s.parser.ParseSIP(passed)
		if err != nil {
			t.Fatalf("passed on what does not parse: %v\n%q\nfrom\n%q", err, passed, data)
		}
		if req, ok := msg.(*sip.Request); ok {
			if missing(req) != "" {
				t.Errorf("passed on although %s", missing(req))
			}
			if had := strings.Contains(string(data), "tag"); !had && tagOf(req.To().Params) != s.tag(req) {
				t.Errorf("To %q of %q", req.To().Value(), passed)
			}
		}
	})
}
