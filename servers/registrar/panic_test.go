package registrar_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/registrar"
)

// A panic over one datagram is that one's alone.
func TestAPanicIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nw := memnet.New()
		var told []string
		srv, err := registrar.New(nw.Listen("192.0.2.1:5060"), registrar.Config{
			Domain: "example.com",
			OnEvent: func(e registrar.Event) {
				if e.User == "eve" {
					panic("eve")
				}
			},
			OnPanic: func(v any, b []byte, from netip.AddrPort) {
				line, _, _ := strings.Cut(string(b), "\r\n")
				told = append(told, fmt.Sprintf("%v over %s from %v", v, line, from))
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve() }()
		conn := nw.Listen("192.0.2.9:5060")
		ask := func(user string) string {
			fmt.Fprintf(writer{conn}, "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK%[1]s\r\n"+
				"From: <sip:%[1]s@example.com>;tag=1\r\nTo: <sip:%[1]s@example.com>\r\nCall-ID: %[1]s\r\nCSeq: 1 REGISTER\r\nContact: <sip:%[1]s@192.0.2.9>\r\n\r\n", user)
			b := make([]byte, 2048)
			n, _, _ := conn.ReadFrom(b)
			line, _, _ := strings.Cut(string(b[:n]), "\r\n")
			return line
		}
		if got := ask("eve"); got != "SIP/2.0 500 Server Internal Error" {
			t.Error(got)
		}
		if got := ask("bob"); got != "SIP/2.0 200 OK" {
			t.Error(got)
		}
		if len(told) != 1 || told[0] != "eve over REGISTER sip:example.com SIP/2.0 from 192.0.2.9:5060" {
			t.Error(told)
		}
		if st := srv.Stats(); st.Panics != 1 || st.Panicked != 0 || st.Requests != 2 {
			t.Errorf("%+v", st)
		}
		conn.Close()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

type writer struct{ net.PacketConn }

func (w writer) Write(b []byte) (int, error) {
	return w.WriteTo(b, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5060})
}
