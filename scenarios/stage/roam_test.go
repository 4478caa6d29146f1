package stage_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// A call goes on when its caller's host has another address, on hosts whose sockets push and on
// others: audio and RTCP arrive both ways, and nothing is left behind.
func TestMove(t *testing.T) {
	for _, kind := range []vnet.HostKind{vnet.Native, vnet.Pion} {
		var err error
		leak := bubble.Run(func() { err = move(t, kind) })
		if err != nil || leak != nil {
			t.Errorf("%v: %v, %v", kind, err, leak)
		}
	}
}

func move(t *testing.T, kind vnet.HostKind) error {
	lab, err := vnet.New(vnet.Config{Seed: 1})
	if err != nil {
		return err
	}
	defer lab.Close()
	site, err := lab.Internet().AddSite("s", vnet.SiteConfig{Hosts: kind, Prefix: netip.MustParsePrefix("192.0.2.0/24")})
	if err != nil {
		return err
	}
	hosts := map[netip.Addr]*vnet.Host{}
	var addrs []netip.Addr
	for _, name := range []string{"a", "b", "c"} {
		h, err := site.AddHost(name)
		if err != nil {
			return err
		}
		hosts[h.Addr()], addrs = h, append(addrs, h.Addr())
	}
	listen := func(_ context.Context, at netip.AddrPort) (net.PacketConn, error) { return hosts[at.Addr()].Listen(at) }
	ctx := context.Background()
	incoming := make(chan *ua.Session, 1)
	phone := func(at netip.Addr) (*ua.Client, error) {
		c, err := ua.New(ua.Config{Listen: listen, LocalAddr: at, OnEvent: func(e ua.Event) {
			if e, ok := e.(ua.SessionEvent); ok && e.State == ua.Incoming {
				incoming <- e.Session
			}
		}})
		if err != nil {
			return nil, err
		}
		return c, c.Start(ctx)
	}
	a, err := phone(addrs[0])
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := phone(addrs[1])
	if err != nil {
		return err
	}
	defer b.Close()
	s, err := a.NewSession(nil)
	if err != nil {
		return err
	}
	answered := make(chan error, 1)
	var o *ua.Session
	go func() {
		o = <-incoming
		answered <- o.Answer(ctx)
	}()
	if err := s.Call(ctx, "sip:b@"+addrs[1].String()); err != nil {
		return err
	}
	if err := <-answered; err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := a.Move(ctx, addrs[2]); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	was, _ := s.MediaStats()
	heard, _ := o.MediaStats()
	time.Sleep(30 * time.Second)
	now, _ := s.MediaStats()
	hears, _ := o.MediaStats()
	if x, y := now.Sub(was), hears.Sub(heard); x.RTPReceived != 1500 || y.RTPReceived != 1500 || x.RTCPReceived < 3 || y.RTCPReceived < 3 {
		t.Errorf("%v: after the move: caller %d RTP, %d RTCP, callee %d, %d", kind, x.RTPReceived, x.RTCPReceived, y.RTPReceived, y.RTCPReceived)
	}
	if err := o.Hangup(ctx); err != nil {
		return err
	}
	<-s.Done()
	return nil
}
