package sipp_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/sipp"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// need skips unless NATPROOF_REQUIRE_SIPP=1: SIPp takes half a minute.
func need(t *testing.T) {
	t.Helper()
	required := os.Getenv("NATPROOF_REQUIRE_SIPP") == "1"
	_, err := exec.LookPath("sipp")
	switch {
	case err != nil && required:
		t.Fatalf("%v (internal/setup/sipp.sh installs it)", err)
	case err != nil:
		t.Skipf("%v (internal/setup/sipp.sh installs it)", err)
	case !required:
		t.Skip("SIPp places its calls in real time: make sipp")
	}
}

// noneLost runs SIPp and wants all of its calls to succeed. On a busy machine it may have to
// repeat messages, and copies may come late (Stray).
func noneLost(t *testing.T, r sipp.Run) {
	t.Helper()
	r.Scenario, r.Dir = filepath.Join("testdata", r.Scenario), t.TempDir()
	if !r.Local.IsValid() {
		r.Local = netip.MustParseAddrPort("127.0.0.1:0")
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute) // who waits for calls that do not come
	defer stop()
	stats, err := r.Do(ctx)
	if err != nil {
		t.Error(err)
	}
	if stats.Created != r.Calls || stats.Successful != r.Calls || stats.Failed+stats.Fatal != 0 {
		t.Errorf("SIPp: %+v; want %d calls, none lost", stats, r.Calls)
	}
	t.Logf("SIPp: %+v", stats)
}

func listen(t *testing.T) (net.PacketConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// free is an address that nobody has just now.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	c, at := listen(t)
	c.Close()
	return at
}

// serve runs a server until the test ends.
func serve(t *testing.T, s interface {
	Serve() error
	Close() error
}) {
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func startRegistrar(t *testing.T, cfg registrar.Config) (*registrar.Server, netip.AddrPort) {
	t.Helper()
	conn, at := listen(t)
	cfg.Domain = "example.com"
	s, err := registrar.New(conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return s, at
}

func startGateway(t *testing.T, cfg gateway.Config) (*gateway.Server, netip.AddrPort) {
	t.Helper()
	conn, at := listen(t)
	s, err := gateway.New(conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return s, at
}

// A phone is a user agent with the sessions it had. It answers every call but those to "ring".
type phone struct {
	*ua.Client
	mu       sync.Mutex
	sessions []*ua.Session
}

func startPhone(t *testing.T, cfg ua.Config) (*phone, netip.AddrPort) {
	t.Helper()
	conn, at := listen(t)
	p := &phone{}
	first := true
	cfg.LocalAddr, cfg.SIPPort, cfg.OnEvent = at.Addr(), at.Port(), p.event
	cfg.Service.Admit = func(ua.Arrival) *ua.Refusal { return nil }
	cfg.Listen = func(ctx context.Context, at netip.AddrPort) (net.PacketConn, error) {
		if first {
			first = false
			return conn, nil
		}
		return net.ListenPacket("udp4", at.String())
	}
	var err error
	if p.Client, err = ua.New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, at
}

func (p *phone) event(e ua.Event) {
	s, ok := e.(ua.SessionEvent)
	if !ok || s.State != ua.Incoming {
		return
	}
	p.mu.Lock()
	p.sessions = append(p.sessions, s.Session)
	p.mu.Unlock()
	go func() {
		if s.Session.Ring(context.Background()) == nil && s.Session.Called() != "ring" {
			_ = s.Session.Answer(context.Background())
		}
	}()
}

// ended waits for the sessions to end, or a minute, and counts the reasons.
func (p *phone) ended() map[ua.TerminateReason]int {
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := map[ua.TerminateReason]int{}
	for _, s := range p.sessions {
		select {
		case <-s.Done():
		case <-ctx.Done():
			continue
		}
		reason, _ := s.Reason()
		n[reason]++
	}
	return n
}

// ended waits for the calls of a gateway to end, or a minute, and counts the causes. Each
// was changed so many times.
func ended(t *testing.T, s *gateway.Server, reinvites int) map[gateway.Cause]int {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	for {
		n, open := map[gateway.Cause]int{}, 0
		for _, c := range s.Calls() {
			if c.State != gateway.Ended {
				open++
				continue
			}
			n[c.Cause]++
			if c.Reinvites != reinvites {
				t.Errorf("call %s: %d re-INVITEs", c.ID, c.Reinvites)
			}
		}
		if open == 0 || ctx.Err() != nil {
			return n
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// outcomes are as ua.Stats says that they add up.
func outcomes(st ua.Stats) uint64 {
	return st.Pings + st.STUN + st.Oversize + st.Malformed + st.BadRequests + st.Served + st.Retransmits + st.ACKs + st.StrayACKs +
		st.Answers + st.Unmatched + st.ForeignVia
}

// sound checks what a user agent counted, which had at least so many ACKs.
func sound(t *testing.T, st ua.Stats, acks uint64) {
	t.Helper()
	if outcomes(st) != st.Datagrams || st.Malformed+st.BadRequests+st.Oversize+st.ReadErrors+st.SendErrors != 0 || st.ACKs < acks {
		t.Errorf("%+v", st)
	}
}

// users are n of them with passwords, and their rows for SIPp: the name, a number, credentials.
func users(n int) (map[string]string, []string) {
	passwords, rows := map[string]string{}, make([]string, n)
	for i := range n {
		name, password := "u"+strconv.Itoa(i), "secret-"+strconv.Itoa(i)
		passwords[name] = password
		rows[i] = name + ";[authentication username=" + name + " password=" + password + "]"
	}
	return passwords, rows
}
