package registrar

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"

	"github.com/natproof/natproof/internal/sipstack"
)

// sink is a connection that keeps the last datagram written.
type sink struct {
	end
	last []byte
}

func (c *sink) WriteTo(b []byte, _ net.Addr) (int, error) {
	c.last = append(c.last[:0], b...)
	return len(b), nil
}

func (c *sink) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(ap(proxyAddr)) }
func (c *sink) Close() error        { return nil }

func benchServer(b *testing.B, cfg Config) (*Server, *sink) {
	b.Helper()
	cfg.Domain, cfg.Seed = "example.com", 1
	c := &sink{}
	s, err := New(c, cfg)
	if err != nil {
		b.Fatal(err)
	}
	return s, c
}

func benchRegister(s *Server, c *sink, i int) {
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 5060)
	text := func(n int, auth string) []byte {
		return []byte(fmt.Sprintf("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bK%d.%d;rport\r\nMax-Forwards: 70\r\n"+
			"From: <sip:u%d@example.com>;tag=t%d\r\nTo: <sip:u%d@example.com>\r\nCall-ID: c%d@%v\r\nCSeq: %d REGISTER\r\n"+
			"Contact: <sip:u%d@%v;ob>;+sip.instance=\"<urn:uuid:00000000-0000-0000-0000-%012d>\"\r\nExpires: 3600\r\n%sContent-Length: 0\r\n\r\n",
			from, i, n, i, i, i, i, from.Addr(), n, i, from, i, auth))
	}
	s.stack.Receive(s.socket, text(1, ""), from)
	_, v, _ := strings.Cut(string(c.last), "WWW-Authenticate: ")
	v, _, _ = strings.Cut(v, "\r\n")
	chal, err := digest.ParseChallenge(v)
	if err != nil {
		panic(err)
	}
	cred, err := digest.Digest(chal, digest.Options{Method: "REGISTER", URI: "sip:example.com", Username: fmt.Sprint("u", i), Password: "p", Cnonce: "c", Count: 1})
	if err != nil {
		panic(err)
	}
	s.stack.Receive(s.socket, text(2, "Authorization: "+cred.String()+"\r\n"), from)
	if !strings.HasPrefix(string(c.last), "SIP/2.0 200 ") {
		panic(string(c.last))
	}
}

// BenchmarkRegister is one registration with digest: two requests, two responses, and
// the client's share of the arithmetic.
func BenchmarkRegister(b *testing.B) {
	users := make(map[string]string)
	for i := range 10_000 {
		users[fmt.Sprint("u", i)] = "p"
	}
	s, c := benchServer(b, Config{Users: users})
	b.ReportAllocs()
	for i := range b.N {
		benchRegister(s, c, i%10_000)
		if i%10_000 == 9_999 { // as if 32 s had passed
			b.StopTimer()
			s.stack.Elapse(sipstack.Timeout)
			s.location.users = make(map[string]*record)
			b.StartTimer()
		}
	}
}

// BenchmarkMemory registers 10,000 users at once and reports the bytes each costs: while
// the transactions linger (Timer J, 32 s) and afterwards.
func BenchmarkMemory(b *testing.B) {
	const n = 10_000
	users := make(map[string]string)
	for i := range n {
		users[fmt.Sprint("u", i)] = "p"
	}
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for range b.N {
		before := heap()
		s, c := benchServer(b, Config{Users: users})
		for i := range n {
			benchRegister(s, c, i)
		}
		busy := heap()
		s.stack.Elapse(sipstack.Timeout)
		b.ReportMetric((busy-before)/n, "B/UA-busy")
		b.ReportMetric((heap()-before)/n, "B/UA-idle")
		if st := s.Stats(); st.Bindings != n || st.Transactions != 0 {
			b.Fatalf("%+v", st)
		}
	}
}

// BenchmarkCall is one call through the proxy: INVITE, 180, 200, ACK, BYE, 200.
func BenchmarkCall(b *testing.B) {
	s, c := benchServer(b, Config{Policy: PolicyReceived})
	alice, bob := ap("198.51.100.1:5060"), ap("198.51.100.2:40000")
	s.commit("bob", nil, []Binding{{User: "bob", Contact: "sip:bob@10.0.0.2:5060", Received: bob, Expires: s.now().Add(time.Hour), Q: 1}})
	reply := func(req string, status, more string) []byte {
		head := "SIP/2.0 " + status + "\r\n"
		for line := range strings.SplitSeq(req, "\r\n") {
			for _, p := range []string{"Via:", "From:", "Call-ID:", "CSeq:", "Record-Route:"} {
				if strings.HasPrefix(line, p) {
					head += line + "\r\n"
				}
			}
			if strings.HasPrefix(line, "To:") {
				head += strings.TrimSuffix(line, ";tag=b") + ";tag=b\r\n"
			}
		}
		return []byte(head + more + "Content-Length: 0\r\n\r\n")
	}
	b.ReportAllocs()
	for i := range b.N {
		common := fmt.Sprintf("Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\nCall-ID: c%d\r\n", i)
		via := func(n int) string {
			return fmt.Sprintf("Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK%d.%d;rport\r\n", i, n)
		}
		s.stack.Receive(s.socket, []byte("INVITE sip:bob@example.com SIP/2.0\r\n"+via(1)+common+"To: <sip:bob@example.com>\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@198.51.100.1>\r\n\r\n"), alice)
		invite := string(c.last)
		s.stack.Receive(s.socket, reply(invite, "180 Ringing", ""), bob)
		s.stack.Receive(s.socket, reply(invite, "200 OK", "Contact: <sip:bob@10.0.0.2:5060>\r\n"), bob)
		route := "Route: " + (&message{raw: string(c.last)}).all("Record-Route")[0] + "\r\nTo: <sip:bob@example.com>;tag=b\r\n"
		target := "sip:bob@10.0.0.2:5060;alias=198.51.100.2~40000~1 SIP/2.0\r\n"
		s.stack.Receive(s.socket, []byte("ACK "+target+via(2)+common+route+"CSeq: 1 ACK\r\n\r\n"), alice)
		s.stack.Receive(s.socket, []byte("BYE "+target+via(3)+common+route+"CSeq: 2 BYE\r\n\r\n"), alice)
		bye := string(c.last)
		if !strings.HasPrefix(bye, "BYE sip:bob@10.0.0.2:5060 ") {
			b.Fatal(bye)
		}
		s.stack.Receive(s.socket, reply(bye, "200 OK", ""), bob)
		if i%10_000 == 9_999 {
			b.StopTimer()
			s.stack.Elapse(sipstack.Timeout)
			b.StartTimer()
		}
	}
}
