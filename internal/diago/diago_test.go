package diago

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/diago"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// world is a public host and one behind a NAT.
func world(t *testing.T, preset string) (public, home *vnet.Host, done func()) {
	t.Helper()
	lab := must(vnet.New(vnet.Config{Seed: 1}))(t)
	site := must(lab.Internet().AddSite("public", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")}))(t)
	nat := must(catalogue.Lookup(preset))(t)
	gw := must(lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: natmodels.Place{External: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}}))(t)
	inside := must(gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/24")}))(t)
	return must(site.AddHost("far"))(t), must(inside.AddHost("near"))(t), func() { _ = lab.Close() }
}

// A diago phone behind a symmetric NAT calls a telephone number. It says where it is not;
// the gateway, which latches, finds it.
func TestDiagoCallsTheGateway(t *testing.T) {
	var call gateway.Call
	var heard int
	leak := bubble.Run(func() {
		public, home, done := world(t, "symmetric")
		defer done()
		gw := must(gateway.New(must(public.Listen(netip.AddrPortFrom(public.Addr(), sipPort)))(t), gateway.Config{
			RingTime: time.Second, Latch: media.LatchAlways,
			Listen: func(a netip.AddrPort) (net.PacketConn, error) { return public.Listen(a) },
		}))(t)
		go gw.Serve()
		defer gw.Close()
		p := newPhone(t, home, nil)
		defer p.close()
		d, m, err := p.call(context.Background(), uri("1234567", public))
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Close()
		if heard, err = talk(m); err != nil {
			t.Error(err)
		}
		if err := d.Hangup(context.Background()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		call = gw.Calls()[0]
	})
	if leak != nil {
		t.Error(leak)
	}
	if call.Number != "1234567" || call.Cause != gateway.CallerHungUp || call.Media.RTPReceived != 50 || call.Media.Latches != 1 || heard < 45 {
		t.Errorf("heard %d, %+v", heard, call)
	}
}

// A diago phone rings and answers a user agent behind a NAT, which asks nobody for its
// address: the phone sends to a private one. Its own media is let in.
func TestDiagoAnswers(t *testing.T) {
	var near ua.SessionState
	var toDiago, fromDiago int
	leak := bubble.Run(func() {
		public, home, done := world(t, "full-cone")
		defer done()
		heard := make(chan int, 1)
		p := newPhone(t, public, func(p *phone, d *diago.DialogServerSession) {
			if err := d.Ringing(); err != nil {
				t.Error(err)
			}
			m, err := p.answer(d)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			n, err := talk(m)
			if err != nil {
				t.Error(err)
			}
			heard <- n
			<-d.Context().Done() // BYE
		})
		defer p.close()
		client := must(ua.New(ua.Config{
			LocalAddr: home.Addr(), Options: ua.Options{Rport: true},
			Listen: func(_ context.Context, a netip.AddrPort) (net.PacketConn, error) { return home.Listen(a) },
		}))(t)
		if err := client.Start(context.Background()); err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		s := must(client.NewSession(nil))(t)
		if err := s.Call(context.Background(), uri("anybody", public)); err != nil {
			t.Error(err)
			return
		}
		near, toDiago = s.State(), <-heard
		stats, _ := s.MediaStats()
		fromDiago = int(stats.RTPReceived)
		if err := s.Hangup(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if leak != nil {
		t.Error(leak)
	}
	if near != ua.Connected || toDiago < 45 || fromDiago != 0 {
		t.Errorf("%v, diago heard %d and was heard %d times", near, toDiago, fromDiago)
	}
}
