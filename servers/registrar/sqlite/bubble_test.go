package sqlite_test

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/registrar/sqlite"
)

// A server on a file works in virtual time, and its subscribers outlive it.
func TestInABubble(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.db")
	synctest.Test(t, func(t *testing.T) {
		hub := memnet.New()
		phone := hub.Listen("198.51.100.2:5060")
		defer phone.Close()
		at := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("203.0.113.5:5060"))
		ask := func(n int, method, fields, body string) {
			t.Helper()
			phone.WriteTo(fmt.Appendf(nil, "%s sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bK%d;rport\r\nFrom: <sip:bob@example.com>;tag=1\r\n"+
				"To: <sip:bob@example.com>\r\nCall-ID: %d\r\nCSeq: %d %s\r\nContact: <sip:bob@198.51.100.2>\r\n%sContent-Length: %d\r\n\r\n%s", method, n, n, n, method, fields, len(body), body), at)
		}
		want := func(parts ...string) {
			t.Helper()
			b := make([]byte, 4096)
			n, _, err := phone.ReadFrom(b)
			for _, p := range parts {
				if !strings.Contains(string(b[:n]), p) {
					t.Errorf("no %q in\n%s%v", p, b[:n], err)
				}
			}
			if text := string(b[:n]); strings.HasPrefix(text, "NOTIFY ") { // answered: all of the answer's fields are there
				_, rest, _ := strings.Cut(text, "\r\n")
				head, _, _ := strings.Cut(rest, "Contact: ")
				phone.WriteTo([]byte("SIP/2.0 200 OK\r\n"+head+"Content-Length: 0\r\n\r\n"), at)
			}
		}
		serve := func(f func(*registrar.Server)) {
			t.Helper()
			store := open(t, file)
			srv, err := registrar.New(hub.Listen(at.String()), registrar.Config{Domain: "example.com", Seed: 1, Store: store,
				Agents: registrar.Agents{Presence: true, Messages: true}})
			if err != nil {
				t.Fatal(err)
			}
			go srv.Serve()
			f(srv)
			if err := srv.Close(); err != nil {
				t.Error(err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
		serve(func(srv *registrar.Server) {
			phone.WriteTo([]byte("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bK1;rport\r\nFrom: <sip:bob@example.com>;tag=1\r\n"+
				"To: <sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContact: <sip:bob@198.51.100.2>\r\nContent-Length: 0\r\n\r\n"), at)
			want("SIP/2.0 200 OK")
			ask(2, "SUBSCRIBE", "Event: presence\r\n", "")
			want("SIP/2.0 200 OK")
			want("NOTIFY ", "active;expires=3600")
			ask(3, "SUBSCRIBE", "Event: message-summary\r\n", "")
			want("SIP/2.0 200 OK")
			want("NOTIFY ", "Voice-Message: 0/0")
			ask(4, "PUBLISH", "Event: presence\r\nContent-Type: application/pidf+xml\r\n",
				`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@example.com"><note>hello</note></presence>`)
			want("SIP/2.0 200 OK")
			if err := srv.SetMessages("bob", 1, 2); err != nil {
				t.Error(err)
			}
			want("NOTIFY ", "Voice-Message: 1/2")
			want("NOTIFY ", "<note>hello</note>")
		})
		serve(func(srv *registrar.Server) {
			if n := len(srv.Subscriptions("bob")); n != 2 {
				t.Error(n)
			}
			want("NOTIFY ", "<note>hello</note>")
			want("NOTIFY ", "Voice-Message: 1/2")
			time.Sleep(time.Hour)
			want("NOTIFY ", "terminated")
		})
	})
}

func BenchmarkSave(b *testing.B) {
	s, err := sqlite.Open(filepath.Join(b.TempDir(), "r.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range b.N {
		if err := s.Save(registrar.Changes{Put: []registrar.Record{record("bindings", fmt.Sprint(i%10000), time.Hour, strings.Repeat("x", 400))}, Now: start}); err != nil {
			b.Fatal(err)
		}
	}
}
