package sipprobe_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/natproof/natproof/internal/memnet"
	protocol "github.com/natproof/natproof/internal/sipprobe"
	"github.com/natproof/natproof/servers/sipprobe"
)

var server, client = netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("192.0.2.9:1")

func question(method string) []byte {
	return protocol.Question{Method: method, Server: server, Written: client, Media: 40000, ID: "x", Number: 1}.Bytes()
}

// Questions are answered, and only what is none is read.
func TestBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := memnet.New()
		s := sipprobe.New(sipprobe.Config{Other: netip.MustParseAddrPort("192.0.2.1:7060")})
		self := netip.MustParseAddrPort("198.51.100.1:5060")
		conn := s.Beside(nw.Listen(server.String()), self)
		c := nw.Listen(client.String())
		to := net.UDPAddrFromAddrPort(server)
		for _, b := range [][]byte{question("OPTIONS"), question("ACK"), []byte("OPTIONS " + protocol.Mark), []byte("SIP/2.0 200 " + protocol.Mark)} {
			c.WriteTo(b, to)
		}
		b := make([]byte, 2000)
		n, from, err := conn.ReadFrom(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 ") || from.String() != client.String() {
			t.Errorf("%q %v %v", b[:n], from, err)
		}
		n, _, _ = c.ReadFrom(b)
		r, err := protocol.Read(b[:n])
		if err != nil || r.Source != client || r.Server != self || r.Other.Port() != 7060 || string(r.Question) != string(question("OPTIONS")) {
			t.Errorf("%v %+v", err, r.Seen)
		}
		if got := s.Stats(); got != (sipprobe.Stats{Answered: 1, Acks: 1, TooLong: 1}) {
			t.Errorf("%+v", got)
		}
		conn.Close()
		if _, _, err := conn.ReadFrom(b); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := memnet.New()
		s := sipprobe.New(sipprobe.Config{})
		served := make(chan error, 1)
		conn := nw.Listen(server.String())
		go func() { served <- s.Serve(conn) }()
		c := nw.Listen(client.String())
		c.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(server))
		c.WriteTo(question("INVITE"), net.UDPAddrFromAddrPort(server))
		b := make([]byte, 2000)
		n, _, _ := c.ReadFrom(b)
		if r, err := protocol.Read(b[:n]); err != nil || r.Status != 488 || r.Server != server || r.Other.IsValid() {
			t.Errorf("%v %+v", err, r)
		}
		if got := s.Stats(); got != (sipprobe.Stats{Answered: 1, Other: 1}) {
			t.Errorf("%+v", got)
		}
		if err := errors.Join(s.Close(), <-served); err != nil {
			t.Error(err)
		}
		if err := s.Serve(nw.Listen(server.String())); err != nil { // closed already
			t.Error(err)
		}
	})
}
