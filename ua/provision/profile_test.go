package provision_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/ua/provision"
)

var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func resolve(_ context.Context, host string, port uint16) (netip.AddrPort, error) {
	if host != "a.example.com" {
		return netip.AddrPort{}, errors.New("no such host")
	}
	return netip.AddrPortFrom(netip.MustParseAddr("203.0.113.10"), port), nil
}

func TestProfiles(t *testing.T) {
	d := amun()
	d.User.Realm, d.User.Name = "example.com", "Some One"
	second := d.Servers[0]
	second.Addr, second.Sessions = "192.0.2.7:5070", second.Sessions[1:2]
	d.Servers = append(d.Servers, second)
	got, err := d.Profiles(t.Context(), now, resolve)
	if err != nil {
		t.Fatal(err)
	}
	account := ua.Account{URI: "sip:someone@example.com", DisplayName: "Some One", User: "1234567", Password: "x", Realm: "example.com"}
	registrar := netip.MustParseAddrPort("203.0.113.10:5060")
	want := []provision.Profile{
		{ProfileConfig: ua.ProfileConfig{Account: account, Registrar: registrar, Proxy: registrar, Transport: ua.UDP}, Sessions: d.Servers[0].Sessions},
		{ProfileConfig: ua.ProfileConfig{Account: account, Registrar: registrar, Proxy: netip.MustParseAddrPort("192.0.2.7:5070"), Transport: ua.UDP}, Sessions: second.Sessions},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(ua.Account{}), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Error(diff)
	}
	if c := got[1].Capabilities(); c != provision.CanPCToPhone {
		t.Errorf("got %s", c)
	}
	client, err := ua.New(ua.Config{LocalAddr: netip.MustParseAddr("192.0.2.1")})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got {
		if _, err := client.NewProfile(p.ProfileConfig); err != nil {
			t.Error(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	d.Servers = d.Servers[1:2]
	if got, err = d.Profiles(t.Context(), now, resolve); err != nil || len(got) != 1 || got[0].Proxy.IsValid() || got[0].Registrar != registrar {
		t.Errorf("without a proxy: %+v, %v", got, err)
	}
}

func TestNoProfiles(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*provision.Document)
		resolve provision.Resolve
		is      error
		says    string
	}{
		"no registrar":    {func(d *provision.Document) { d.Servers = d.Servers[:1] }, resolve, provision.ErrNoRegistrar, "provision: no server is a registrar"},
		"TCP":             {func(d *provision.Document) { d.Servers[1].Protocol = provision.TCP }, resolve, provision.ErrTransport, "provision: SIP is spoken over UDP only, not TCP (sipsrv 2, a.example.com)"},
		"TLS":             {func(d *provision.Document) { d.Servers[0].Protocol = provision.TLS }, resolve, provision.ErrTransport, "provision: SIP is spoken over UDP only, not TLS (sipsrv 1, a.example.com)"},
		"expired":         {func(d *provision.Document) { d.Expires = now }, resolve, provision.ErrExpired, "provision: the document has expired: 2030-01-01T00:00:00Z"},
		"nobody resolves": {func(d *provision.Document) { d.Servers[0].Addr = "192.0.2.1" }, nil, provision.ErrResolve, "provision: the address of a server is not known: nobody resolves names (sipsrv 2, a.example.com)"},
		"unknown host":    {func(d *provision.Document) { d.Servers[0].Addr = "b.example.com" }, resolve, provision.ErrResolve, "provision: the address of a server is not known: no such host (sipsrv 1, b.example.com)"},
		"no answer": {func(d *provision.Document) { d.Servers[0].Addr = "192.0.2.1" },
			func(context.Context, string, uint16) (netip.AddrPort, error) { return netip.AddrPort{}, nil },
			provision.ErrResolve, "provision: the address of a server is not known: no answer (sipsrv 2, a.example.com)"},
	} {
		d := amun()
		c.change(&d)
		if got, err := d.Profiles(t.Context(), now, c.resolve); len(got) > 0 || !errors.Is(err, c.is) || err.Error() != c.says {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	d := amun()
	d.Expires = now.Add(time.Second)
	if _, err := d.Profiles(t.Context(), now, resolve); err != nil {
		t.Errorf("a second before: %v", err)
	}
}
