package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/gateway"
)

// serve runs a gateway whose end is the test's to look at.
func serve(t *testing.T, n *memnet.Net, cfg gateway.Config) (*gateway.Server, <-chan error) {
	t.Helper()
	cfg.Listen = func(at netip.AddrPort) (net.PacketConn, error) { return n.Listen(at.String()), nil }
	s, err := gateway.New(n.Listen(gwSIP), cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	return s, served
}

// A callback that hangs keeps back later changes and Serve, and nothing else.
func TestOnChangeMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		goOn := make(chan struct{})
		var told []string
		s, served := serve(t, n, gateway.Config{OnChange: func(c gateway.Call) {
			<-goOn
			told = append(told, c.Number+" "+c.State.String())
		}})
		p := newPhone(t, n, phoneAt)
		p.call(offer(phoneRTP))
		time.Sleep(time.Second)
		if c := only(t, s); c.State != gateway.Talking {
			t.Errorf("%+v", c)
		}
		go func() {
			bye, _ := p.nextRequest(sip.BYE)
			p.answer(bye, 200)
		}()
		began := time.Now()
		if err := s.Shutdown(background); err != nil || time.Since(began) > time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(began))
		}
		synctest.Wait()
		select {
		case err := <-served:
			t.Errorf("Serve returned %v before OnChange was told", err)
		default:
		}
		close(goOn)
		if err := <-served; err != nil {
			t.Error(err)
		}
		want := []string{"1234567 ringing", "1234567 answered", "1234567 talking", "1234567 hangup", "1234567 ended"}
		if !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
	})
}

func TestOnChangeMayCallTheServer(t *testing.T) {
	for _, tc := range []struct {
		name string
		call func(*gateway.Server, gateway.Call) error
		want gateway.Cause
		bye  bool
	}{
		{"Hangup", func(s *gateway.Server, c gateway.Call) error { return s.Hangup(c.ID) }, gateway.GatewayHungUp, true},
		{"Shutdown", func(s *gateway.Server, _ gateway.Call) error { return s.Shutdown(context.Background()) }, gateway.GatewayHungUp, true},
		{"Close", func(s *gateway.Server, _ gateway.Call) error { return s.Close() }, gateway.Closed, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New()
				var s *gateway.Server
				s, served := serve(t, n, gateway.Config{OnChange: func(c gateway.Call) {
					if got := s.Calls(); len(got) != 1 || got[0].ID != c.ID {
						t.Errorf("Calls: %+v", got)
					}
					if c.State == gateway.Talking {
						if err := tc.call(s, c); err != nil {
							t.Error(err)
						}
					}
				}})
				p := newPhone(t, n, phoneAt)
				p.call(offer(phoneRTP))
				if tc.bye {
					bye, _ := p.nextRequest(sip.BYE)
					p.answer(bye, 200)
				}
				time.Sleep(time.Second)
				if c := only(t, s); c.State != gateway.Ended || c.Cause != tc.want {
					t.Errorf("%v %v", c.State, c.Cause)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Changes of many calls are told in the order in which they happened.
func TestOnChangeIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		last := map[string]gateway.State{}
		s, served := serve(t, n, gateway.Config{OnChange: func(c gateway.Call) {
			if c.State <= last[c.ID] {
				t.Errorf("%s is %v after %v", c.ID, c.State, last[c.ID])
			}
			last[c.ID] = c.State
		}})
		for i := range 20 {
			p := newPhone(t, n, fmt.Sprintf("198.51.100.%d:5060", i+10))
			p.invite(offer(fmt.Sprintf("198.51.100.%d:4000", i+10)))
		}
		time.Sleep(time.Second)
		s.Close()
		<-served
		if len(last) != 20 {
			t.Errorf("%d calls", len(last))
		}
		for id, state := range last {
			if state != gateway.Ended {
				t.Errorf("%s was last told to be %v", id, state)
			}
		}
	})
}
