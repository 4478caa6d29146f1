package world_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/world"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

func TestMain(m *testing.M) { os.Exit(emulator.Main(m)) }

var require = os.Getenv("NATPROOF_REQUIRE_EMULATOR") == "1"

func nat(t *testing.T, name string) natmodels.Model {
	t.Helper()
	m, err := catalogue.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newWorld(t *testing.T, cfg world.Config) *world.World {
	t.Helper()
	w, err := world.New(cfg)
	if !require && (errors.Is(err, emulator.ErrNoNamespace) || errors.Is(err, emulator.ErrNoDevice)) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// phone is our user agent on sockets of the operating system's in the program's namespace.
func phone(t *testing.T, w *world.World, options ua.Options) (*ua.Client, *ua.Profile) {
	t.Helper()
	client, err := ua.New(ua.Config{
		Listen:    func(_ context.Context, at netip.AddrPort) (net.PacketConn, error) { return w.Program.ListenUDP(at) },
		LocalAddr: w.Program.Addr(),
		Options:   options,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	profile, err := client.NewProfile(ua.ProfileConfig{
		Account:   ua.Account{URI: "sip:alice@" + cell.Domain, Password: "secret"},
		Registrar: netip.AddrPortFrom(cell.ProxyAddr, cell.ProxyPort),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, profile
}

// A phone on real sockets registers, and calls the phone echo through two NATs; whoever of the two latches is heard.
func TestCall(t *testing.T) {
	var mu sync.Mutex
	dropped := map[string]int{}
	w := newWorld(t, world.Config{
		NAT: nat(t, "port-restricted"), Behind: nat(t, "eim-apdf"), Password: "secret", Policy: registrar.PolicyReceived, Seed: 1,
		OnEvent: func(e vnet.Event) {
			if e.Kind == vnet.Dropped {
				mu.Lock()
				dropped[e.Box+" "+string(e.Reason)]++
				mu.Unlock()
			}
		},
	})
	client, profile := phone(t, w, ua.Options{Rport: true})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := profile.Enable(ctx); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"sip:" + world.Echo + "@" + cell.Domain, "sip:" + cell.PhoneNumber + "@" + cell.Domain} {
		session, err := client.NewSession(profile)
		if err != nil {
			t.Fatal(err)
		}
		if err := session.Call(ctx, target); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if target == "sip:"+world.Echo+"@"+cell.Domain {
			heard(t, session)
		}
		if err := session.Hangup(ctx); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	if n := len(w.NATs()); n != 2 || len(w.NAT.Mappings()) == 0 || len(w.Outer.Mappings()) == 0 {
		t.Errorf("%d NATs", n)
	}
	if calls := w.Gateway.Calls(); len(calls) != 1 || calls[0].Number != cell.PhoneNumber {
		t.Errorf("%+v", calls)
	}
}

// heard waits until audio comes.
func heard(t *testing.T, s *ua.Session) {
	t.Helper()
	for range 6000 { // a minute: others may want the processor too
		if m, ok := s.MediaStats(); ok && m.RTPReceived >= 10 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	m, _ := s.MediaStats()
	t.Errorf("heard %d packets", m.RTPReceived)
}

// A program finds the servers by name: in its files, and by DNS with an implementation that reads none.
func TestNames(t *testing.T) {
	w := newWorld(t, world.Config{NAT: nat(t, "symmetric")})
	c := w.Program.Command("sh", "-c", "getent hosts stun.example.com; cat /etc/resolv.conf; echo $NATPROOF_STUN")
	c.Env = append(os.Environ(), w.Env()...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"203.0.113.20", "nameserver 203.0.113.53", "search example.com", "203.0.113.20:3478"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return w.Program.Dial(ctx, "udp", "203.0.113.53:53")
	}}
	_, srv, err := r.LookupSRV(t.Context(), "sip", "udp", "example.com")
	if err != nil || len(srv) != 1 || srv[0].Port != 5060 || srv[0].Target != "registrar.example.com." {
		t.Errorf("%+v, %v", srv, err)
	}
	if a, err := r.LookupNetIP(t.Context(), "ip4", "registrar.example.com."); err != nil || len(a) != 1 || a[0].Unmap() != cell.ProxyAddr {
		t.Errorf("%v, %v", a, err)
	}
	if a, err := r.LookupHost(t.Context(), "nobody.example.com."); err == nil {
		t.Errorf("nobody is %v", a)
	}
}

func TestWithoutNAT(t *testing.T) {
	w := newWorld(t, world.Config{})
	if got := w.Program.Addr(); got != cell.PlaceOf(cell.A).Host {
		t.Errorf("%v", got)
	}
	_, profile := phone(t, w, ua.Options{})
	if err := profile.Enable(t.Context()); err != nil {
		t.Error(err)
	}
}

// A NAT64 has no IPv4 inside; a translator of prefixes has the program at another address of its own.
func TestOtherKinds(t *testing.T) {
	model := func(text string) natmodels.Model {
		file := filepath.Join(t.TempDir(), "my.nat")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := catalogue.Find(file)
		if err != nil {
			t.Fatal(err)
		}
		return e.Model
	}
	if _, err := world.New(world.Config{NAT: model("kind nat64\nnat64-prefix 64:ff9b::/96\n")}); !errors.Is(err, world.ErrFamily) {
		t.Errorf("%v", err)
	}
	w := newWorld(t, world.Config{NAT: model("kind prefix-translator\nprefixes 10.0.0.0/24=198.51.100.0/24\n")})
	_, profile := phone(t, w, ua.Options{Rport: true})
	if err := profile.Enable(t.Context()); err != nil {
		t.Error(err)
	}
}
