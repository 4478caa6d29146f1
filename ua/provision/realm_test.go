package provision_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/ua/provision"
)

// The realm of the first challenge is adopted; if there is one in the document, another is
// rejected (User Settings).
func TestRealm(t *testing.T) {
	for _, c := range []struct {
		realm string
		is    error
		state ua.RegistrationState
	}{
		{"", nil, ua.Registered},
		{"example.com", nil, ua.Registered},
		{"example.org", ua.ErrAuthentication, ua.Rejected},
	} {
		synctest.Test(t, func(t *testing.T) {
			doc, err := provision.Parse([]byte(strings.NewReplacer(
				"a.example.com", "203.0.113.10", `password="x"`, `password="x" realm="`+c.realm+`"`,
			).Replace(string(text(t, "amun.xml")))))
			if err != nil {
				t.Fatal(err)
			}
			profiles, err := doc.Profiles(t.Context(), now, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := memnet.New()
			server, err := registrar.New(n.Listen("203.0.113.10:5060"), registrar.Config{
				Domain: "example.com", Users: map[string]string{"someone": "x"}, Seed: 1,
			})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve() }()
			client, err := ua.New(ua.Config{LocalAddr: netip.MustParseAddr("192.0.2.1"), Seed: 1,
				Listen: func(_ context.Context, a netip.AddrPort) (net.PacketConn, error) { return n.Listen(a.String()), nil }})
			if err == nil {
				err = client.Start(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			cfg := profiles[0].ProfileConfig
			cfg.Account.User = "" // the registrar knows users by their URI
			p, err := client.NewProfile(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Enable(t.Context()); !errors.Is(err, c.is) || p.State() != c.state {
				t.Errorf("realm %q: %s, %v", c.realm, p.State(), err)
			}
			if err := errors.Join(client.Close(), server.Close(), <-served); err != nil {
				t.Error(err)
			}
		})
	}
}
