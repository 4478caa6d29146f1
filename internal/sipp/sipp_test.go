package sipp_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/sipp"
	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/ua"
)

const (
	calls = 1000
	rate  = 50
)

// 10,000 phones register with digest authentication, 1,000 a second.
func TestRegistrations(t *testing.T) {
	need(t)
	const n = 10_000
	passwords, rows := users(n)
	s, at := startRegistrar(t, registrar.Config{Users: passwords})
	noneLost(t, sipp.Run{Scenario: "register.xml", Server: at, Calls: n, Rate: 1000, Rows: rows})
	st := s.Stats()
	if st.Bindings != n || st.Registrations != n || st.Rejected[401] != n || len(st.Rejected) != 1 ||
		st.Requests != 2*n || st.Datagrams != st.Requests+st.Absorbed || st.WriteErrors+st.ReadErrors != 0 {
		t.Errorf("%+v", st)
	}
}

// A phone whose password is wrong is one that SIPp says failed: what follows is seen by these tests.
func TestWrongPasswords(t *testing.T) {
	need(t)
	const n = 10
	passwords, rows := users(n)
	for name := range passwords {
		passwords[name] += "?"
	}
	s, at := startRegistrar(t, registrar.Config{Users: passwords})
	stats, err := sipp.Run{
		Scenario: "testdata/register.xml", Local: netip.MustParseAddrPort("127.0.0.1:0"), Server: at, Calls: n, Rate: rate, Rows: rows, Dir: t.TempDir(),
	}.Do(t.Context())
	if !errors.Is(err, sipp.ErrFailed) || stats.Failed != n || stats.Successful != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	if st := s.Stats(); st.Bindings != 0 || st.Rejected[401] != 2*n {
		t.Errorf("%+v", st)
	}
}

// Calls with digest authentication through the proxy to the gateway: hold, resume, BYE.
func TestCallsThroughTheRegistrar(t *testing.T) {
	need(t)
	t.Parallel()
	gw, gwAt := startGateway(t, gateway.Config{MinPort: 20000, MaxPort: 23999, History: calls})
	passwords, rows := users(calls)
	for i, row := range rows {
		rows[i] = strings.Replace(row, ";", ";15550100;", 1)
	}
	s, at := startRegistrar(t, registrar.Config{
		Users: passwords, AuthInvite: true, Routes: []registrar.Route{{Prefix: "1555", To: gwAt}}, Peers: []netip.AddrPort{gwAt},
	})
	noneLost(t, sipp.Run{Scenario: "call.xml", Server: at, Calls: calls, Rate: rate, Rows: rows, Args: []string{"-auth_uri", "15550100@example.com"}})
	if n := ended(t, gw, 2); n[gateway.CallerHungUp] != calls || len(n) != 1 {
		t.Errorf("gateway: %v", n)
	}
	sound(t, gw.Stats(), 3*calls)
	st := s.Stats()
	if st.Rejected[407] != calls || len(st.Rejected) != 1 {
		t.Errorf("registrar: %+v", st)
	}
	passed(t, st)
}

// Calls between two SIPps, one of which has registered.
func TestCallsToARegisteredPhone(t *testing.T) {
	need(t)
	t.Parallel()
	passwords, rows := users(1)
	s, at := startRegistrar(t, registrar.Config{Users: passwords})
	phone := free(t)
	noneLost(t, sipp.Run{Scenario: "register.xml", Local: phone, Server: at, Calls: 1, Rows: rows})
	var answers sync.WaitGroup
	answers.Go(func() { noneLost(t, sipp.Run{Scenario: "answer.xml", Local: phone, Calls: calls}) })
	noneLost(t, sipp.Run{Scenario: "call.xml", Server: at, Calls: calls, Rate: rate, Rows: []string{"alice;u0;"}})
	answers.Wait()
	st := s.Stats()
	if st.Rejected[401] != 1 || len(st.Rejected) != 1 {
		t.Errorf("%+v", st)
	}
	passed(t, st)
}

// passed checks what a registrar counted that all calls went through: each an INVITE, two
// more and a BYE.
func passed(t *testing.T, st registrar.Stats) {
	t.Helper()
	if st.RequestsForwarded != 4*calls || st.AcksForwarded < 3*calls || st.TimedOut+st.Malformed+st.WriteErrors+st.ReadErrors != 0 {
		t.Errorf("registrar: %+v", st)
	}
}

// Calls to the gateway, without anybody between.
func TestCallsToTheGateway(t *testing.T) {
	need(t)
	t.Parallel()
	gw, at := startGateway(t, gateway.Config{MinPort: 24000, MaxPort: 27999, History: calls})
	noneLost(t, sipp.Run{Scenario: "call.xml", Server: at, Calls: calls, Rate: rate, Rows: []string{"alice;15550100;"}})
	if n := ended(t, gw, 2); n[gateway.CallerHungUp] != calls || len(n) != 1 {
		t.Errorf("%v", n)
	}
	sound(t, gw.Stats(), 3*calls)
	if st := gw.Stats(); st.Invites != calls || st.Answered[200] != 4*calls || len(st.Answered) != 1 {
		t.Errorf("%+v", st)
	}
}

// Calls to the gateway that the caller gives up.
func TestCancelledAtTheGateway(t *testing.T) {
	need(t)
	t.Parallel()
	gw, at := startGateway(t, gateway.Config{MinPort: 28000, MaxPort: 31999, History: calls, RingTime: time.Hour})
	noneLost(t, sipp.Run{Scenario: "cancel.xml", Server: at, Calls: calls, Rate: rate, Rows: []string{"alice;15550100;"}})
	if n := ended(t, gw, 0); n[gateway.Canceled] != calls || len(n) != 1 {
		t.Errorf("%v", n)
	}
	sound(t, gw.Stats(), 0)
	if st := gw.Stats(); st.Invites != calls || st.Answered[200] != calls || st.Answered[487] != calls || len(st.Answered) != 2 {
		t.Errorf("%+v", st)
	}
}

// Calls to a user agent.
func TestCallsToTheUserAgent(t *testing.T) {
	need(t)
	t.Parallel()
	p, at := startPhone(t, ua.Config{MediaPortMin: 16000, MediaPortMax: 19999})
	noneLost(t, sipp.Run{Scenario: "call.xml", Server: at, Calls: calls, Rate: rate, Rows: []string{"alice;bob;"}})
	if n := p.ended(); n[ua.Normal] != calls || len(n) != 1 {
		t.Errorf("%v", n)
	}
	sound(t, p.Stats(), 3*calls)
	if st := p.Stats(); st.Invites != calls || st.Answered[200] != 4*calls || len(st.Answered) != 1 {
		t.Errorf("%+v", st)
	}
}

// Calls to a user agent that the caller gives up.
func TestCancelledAtTheUserAgent(t *testing.T) {
	need(t)
	t.Parallel()
	p, at := startPhone(t, ua.Config{MediaPortMin: 12000, MediaPortMax: 15999})
	noneLost(t, sipp.Run{Scenario: "cancel.xml", Server: at, Calls: calls, Rate: rate, Rows: []string{"alice;ring;"}})
	if n := p.ended(); n[ua.Canceled] != calls || len(n) != 1 {
		t.Errorf("%v", n)
	}
	sound(t, p.Stats(), 0)
	if st := p.Stats(); st.Invites != calls || st.Answered[200] != calls || st.Answered[487] != calls || len(st.Answered) != 2 {
		t.Errorf("%+v", st)
	}
}

// Calls of a user agent to SIPp, each with hold, resume and BYE; ten at a time.
func TestCallsOfTheUserAgent(t *testing.T) {
	need(t)
	t.Parallel()
	p, _ := startPhone(t, ua.Config{MediaPortMin: 8000, MediaPortMax: 11999})
	at := free(t)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range calls / 10 {
				if !call(t, p, at) {
					return
				}
			}
		})
	}
	noneLost(t, sipp.Run{Scenario: "answer.xml", Local: at, Calls: calls})
	all.Wait()
	if n := p.ended(); n[ua.Normal] != calls || len(n) != 1 {
		t.Errorf("%v", n)
	}
	sound(t, p.Stats(), 0)
}

// call plays one call of p from beginning to end.
func call(t *testing.T, p *phone, at netip.AddrPort) bool {
	s, err := p.NewSession(nil)
	if err != nil {
		t.Error(err)
		return false
	}
	p.mu.Lock()
	p.sessions = append(p.sessions, s)
	p.mu.Unlock()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"call", func() error { return s.Call(t.Context(), "sip:answer@"+at.String()) }},
		{"hold", func() error { return s.Hold(t.Context()) }},
		{"resume", func() error { return s.Resume(t.Context()) }},
		{"hangup", func() error { return s.Hangup(t.Context()) }},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
			return false
		}
	}
	return true
}
