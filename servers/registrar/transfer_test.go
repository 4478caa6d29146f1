package registrar_test

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
)

const registrarAt = "203.0.113.5:5060"

// behind says what a phone that knows nothing of its NAT would: a private SIP address. Its
// media has the address of its socket, so that what a call is worth depends on SIP alone.
type behind struct {
	ua.Local
	private netip.AddrPort
}

func (b behind) GetMapping(ctx context.Context, r ua.MappingRequest) (ua.Mapping, error) {
	m, err := b.Local.GetMapping(ctx, r)
	if err == nil && r.Type == ua.SIP {
		m.External = b.private
	}
	return m, err
}

// transferPhone is a registered user agent.
type transferPhone struct {
	*ua.Client
	profile *ua.Profile

	mu       sync.Mutex
	sessions []*ua.Session // in the order in which they were connected
	answers  bool
}

func newTransferPhone(t *testing.T, n *memnet.Net, user, at, private string) *transferPhone {
	t.Helper()
	p := &transferPhone{answers: true}
	local := netip.MustParseAddrPort(at)
	c, err := ua.New(ua.Config{
		Listen:    func(_ context.Context, a netip.AddrPort) (net.PacketConn, error) { return n.Listen(a.String()), nil },
		LocalAddr: local.Addr(), SIPPort: local.Port(), OnEvent: p.event,
		Options: ua.Options{Rport: true, Refer: ua.ReferFollow, Replaces: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	t.Cleanup(func() { c.Close() })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.profile, err = c.NewProfile(ua.ProfileConfig{
		Account: ua.Account{URI: "sip:" + user + "@example.com", Password: "secret"}, Registrar: netip.MustParseAddrPort(registrarAt),
	})
	if err == nil && private != "" {
		err = p.profile.SetPortManager(behind{private: netip.MustParseAddrPort(private)})
	}
	if err == nil {
		err = p.profile.Enable(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *transferPhone) event(e ua.Event) {
	s, ok := e.(ua.SessionEvent)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case ok && s.State == ua.Incoming && p.answers:
		go func() { _ = s.Session.Answer(context.Background()) }()
	case ok && s.State == ua.Connected && !slices.Contains(p.sessions, s.Session):
		p.sessions = append(p.sessions, s.Session)
	}
}

// last is the session that was connected last.
func (p *transferPhone) last(t *testing.T) *ua.Session {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) == 0 {
		t.Fatal("no call")
	}
	return p.sessions[len(p.sessions)-1]
}

func (p *transferPhone) call(t *testing.T, target string) *ua.Session {
	t.Helper()
	s, err := p.NewSession(p.profile)
	if err == nil {
		err = s.Call(t.Context(), target)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	return s
}

// Three registered phones transfer calls through the proxy, blind and attended: REFER, NOTIFY
// and an INVITE with Replaces pass it as everything else in a dialog does.
func TestTransfers(t *testing.T) {
	secrets := map[string]string{"alice": "secret", "bob": "secret", "carol": "secret"}
	for name, c := range map[string]struct {
		cfg     registrar.Config
		private bool
	}{
		"contact":                        {registrar.Config{Policy: registrar.PolicyContact}, false},
		"received":                       {registrar.Config{Policy: registrar.PolicyReceived}, false},
		"received, private Contact":      {registrar.Config{Policy: registrar.PolicyReceived}, true},
		"received, private, with digest": {registrar.Config{Policy: registrar.PolicyReceived, Users: secrets, AuthInvite: true}, true},
	} {
		for kind, transfer := range map[string]func(*testing.T, *transferPhone, *ua.Session) *ua.Session{
			"blind": func(t *testing.T, _ *transferPhone, s *ua.Session) *ua.Session {
				if err := s.Transfer(t.Context(), "sip:carol@example.com"); err != nil {
					t.Fatal(err)
				}
				return nil
			},
			"attended": func(t *testing.T, alice *transferPhone, s *ua.Session) *ua.Session {
				if err := s.Hold(t.Context()); err != nil {
					t.Fatal(err)
				}
				other := alice.call(t, "sip:carol@example.com")
				if err := s.TransferTo(t.Context(), other); err != nil {
					t.Fatal(err)
				}
				return other
			},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := memnet.New()
					n.Latency = 10 * time.Millisecond
					cfg := c.cfg
					cfg.Domain, cfg.Seed = "example.com", 7
					serve(t, n, cfg)
					private := func(s string) string { return map[bool]string{true: s}[c.private] }
					alice := newTransferPhone(t, n, "alice", "198.51.100.1:40001", private("10.0.0.1:5060"))
					bob := newTransferPhone(t, n, "bob", "198.51.100.2:40002", private("10.0.0.2:5060"))
					carol := newTransferPhone(t, n, "carol", "198.51.100.3:40003", private("10.0.0.3:5060"))

					s := alice.call(t, "sip:bob@example.com")
					other := transfer(t, alice, s)
					if s.State() != ua.Disconnected {
						t.Error("the transferor's call is", s.State())
					}
					if other != nil {
						<-other.Done()
					}
					time.Sleep(time.Second)
					x, y := bob.last(t), carol.last(t)
					if x.State() != ua.Connected || y.State() != ua.Connected || x.Referrer() == nil || x.Peer() != "sip:carol@example.com" ||
						y.ReferredBy() != "<sip:alice@example.com>" {
						t.Errorf("%s %s, to %s, by %s", x.State(), y.State(), x.Peer(), y.ReferredBy())
					}
					before, _ := y.MediaStats()
					time.Sleep(time.Second)
					if after, _ := y.MediaStats(); after.RTPReceived-before.RTPReceived != 50 {
						t.Errorf("%d packets in a second", after.RTPReceived-before.RTPReceived)
					}
					if err := y.Hangup(t.Context()); err != nil { // the callee's end hangs up
						t.Error(err)
					}
					<-x.Done()
					for _, p := range n.From(registrarAt) {
						if strings.HasPrefix(p.Dst.Addr().String(), "10.") {
							t.Errorf("sent to %s: %.60q", p.Dst, p.B)
						}
					}
				})
			})
		}
	}
}

// serve runs a registrar until the test ends.
func serve(t *testing.T, n *memnet.Net, cfg registrar.Config) {
	t.Helper()
	srv, err := registrar.New(n.Listen(registrarAt), cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
