package gateway_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/gateway"
)

// A panic over an INVITE, or in the course of a call, ends that call alone.
func TestAPanicEndsOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		var told []string
		evil := true
		s, err := gateway.New(n.Listen(gwSIP), gateway.Config{
			Numbers: func(user string) bool {
				if user == "666" {
					panic("number")
				}
				return gateway.IsNumber(user)
			},
			Listen: func(at netip.AddrPort) (net.PacketConn, error) {
				if evil {
					panic("listen")
				}
				return n.Listen(at.String()), nil
			},
			OnPanic: func(v any, b []byte, from netip.AddrPort) {
				line, _, _ := strings.Cut(string(b), "\r\n")
				told = append(told, v.(string)+" over "+line+" from "+from.String())
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		}()
		p := newPhone(t, n, phoneAt)
		p.write(p.request("INVITE", "sip:666@example.com", offer(phoneRTP)))
		p.next(500)
		p.in("ACK", "")
		synctest.Wait()

		p = newPhone(t, n, "198.51.100.8:5060")
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(500)
		p.in("ACK", "")
		synctest.Wait()
		if calls := s.Calls(); len(calls) != 1 || calls[0].State != gateway.Ended || calls[0].Cause != gateway.Broken {
			t.Errorf("%+v", calls)
		}

		evil = false
		p = newPhone(t, n, "198.51.100.9:5060")
		p.invite(offer(phoneRTP))
		p.next(100)
		p.next(180)
		p.next(200)
		if len(told) != 2 || told[0] != "number over INVITE sip:666@example.com SIP/2.0 from "+phoneAt || !strings.HasPrefix(told[1], "listen over ") {
			t.Error(told)
		}
		if st := s.Stats(); st.Panics != 1 {
			t.Errorf("%+v", st)
		}
	})
}
