package emulator_test

import (
	"testing"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/vnet"
)

// A program goes from behind a NAT to a public network and back; its socket stays.
func TestMove(t *testing.T) {
	both(t, func(t *testing.T, d emulator.Driver) {
		p := newPair(t, "port-restricted", vnet.LinkConfig{}, d)
		mobile, err := p.lab.Internet().AddSite("mobile", vnet.SiteConfig{Prefix: prefix("192.0.2.0/24"), Hosts: vnet.Native})
		if err != nil {
			t.Fatal(err)
		}
		home := p.in.Port().Site()
		server, err := p.out.ListenUDP(ap(outside + ":7000"))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		client, err := p.in.ListenUDP(ap("0.0.0.0:5060"))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		from := func(want string) {
			t.Helper()
			if _, err := client.WriteToUDPAddrPort([]byte("where am I?"), ap(outside+":7000")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			server.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, at, err := server.ReadFromUDPAddrPort(b)
			if err != nil || at.Addr() != addr(want) {
				t.Fatalf("%v, %v; %+v", at, err, p.lab.Stats())
			}
			server.WriteToUDPAddrPort(b[:n], at)
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, _, err := client.ReadFromUDPAddrPort(b); err != nil {
				t.Fatal(err)
			}
		}
		from(external)
		if err := p.in.Move(mobile, addr("192.0.2.7"), addr("192.0.2.8")); err != nil {
			t.Fatal(err)
		}
		from("192.0.2.7")
		for _, bad := range []string{"192.0.2.1", outside, inside6} {
			if err := p.in.Move(mobile, addr(bad)); err == nil {
				t.Errorf("is at %s", bad)
			}
		}
		from("192.0.2.7")
		if err := p.in.Move(home, addr("192.168.1.77")); err != nil {
			t.Fatal(err)
		}
		from(external)
		if got := p.in.Addr(); got != addr("192.168.1.77") {
			t.Errorf("%v", got)
		}
	})
}

func TestMoveIPv6(t *testing.T) {
	both(t, func(t *testing.T, d emulator.Driver) {
		lab, err := vnet.New(vnet.Config{DiscardTrace: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lab.Close() })
		in := attach(t, lab.Internet(), "home", "2001:db8:1::/64", d, addr(inside6))
		out := attach(t, lab.Internet(), "dc", "2001:db8:2::/64", d, addr(outside6))
		mobile, err := lab.Internet().AddSite("mobile", vnet.SiteConfig{Prefix: prefix("2001:db8:3::/64"), Hosts: vnet.Native})
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Move(mobile, addr("2001:db8:3::7")); err != nil {
			t.Fatal(err)
		}
		burst(t, in, out, ap("["+outside6+"]:7000"))
	})
}
