package registrar

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewRefuses(t *testing.T) {
	local := netip.MustParseAddrPort(proxyAddr)
	for name, c := range map[string]struct {
		at  string
		cfg Config
	}{
		"wildcard":       {"0.0.0.0:5060", Config{}},
		"domain":         {proxyAddr, Config{Domain: "a b"}},
		"realm":          {proxyAddr, Config{Realm: `a"b`}},
		"auth invite":    {proxyAddr, Config{AuthInvite: true}},
		"algorithm":      {proxyAddr, Config{Algorithms: []Algorithm{"SHA-512-256"}}},
		"policy":         {proxyAddr, Config{Policy: 7}},
		"negative":       {proxyAddr, Config{MinExpires: -time.Second}},
		"fraction":       {proxyAddr, Config{NonceLifetime: time.Millisecond}},
		"min over max":   {proxyAddr, Config{MinExpires: time.Hour, MaxExpires: time.Minute}},
		"default over":   {proxyAddr, Config{DefaultExpires: 3 * time.Hour}},
		"contacts":       {proxyAddr, Config{MaxContacts: -1}},
		"mtu":            {proxyAddr, Config{MTU: 100}},
		"agents":         {proxyAddr, Config{Agents: Agents{Presence: true, MessagesInterval: -1}}},
		"route nowhere":  {proxyAddr, Config{Routes: []Route{{Prefix: "+"}}}},
		"advertise zero": {proxyAddr, Config{Advertise: netip.AddrPortFrom(local.Addr(), 0)}},
	} {
		if s, err := New(newHub().listen(c.at), c.cfg); !errors.Is(err, ErrConfig) || s != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := New(newHub().listen("0.0.0.0:5060"), Config{Advertise: local})
	if err != nil || s.Addr() != local || s.cfg.Domain != "203.0.113.5" {
		t.Errorf("%v %+v", err, s)
	}
	for _, p := range []Policy{PolicyContact, PolicyReceived} {
		if got, err := ParsePolicy(p.String()); got != p || err != nil {
			t.Error(got, err)
		}
	}
	if _, err := ParsePolicy("nonsense"); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}

func TestLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newHub().listen(proxyAddr)
		s, err := New(conn, Config{})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		synctest.Wait()
		if err := s.Serve(); !errors.Is(err, ErrServing) {
			t.Error("a second Serve:", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error("Serve after Close:", err)
		}
		if err := s.Close(); err != nil {
			t.Error("a second Close:", err)
		}
		if err := s.Serve(); !errors.Is(err, ErrServing) {
			t.Error("Serve when closed:", err)
		}

		conn = newHub().listen(proxyAddr)
		s, err = New(conn, Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(); !errors.Is(err, net.ErrClosed) {
			t.Error("Serve on a broken connection:", err)
		}
	})
}

// The same seed makes the same bytes.
func TestSeed(t *testing.T) {
	run := func() string {
		var all bytes.Buffer
		inLab(t, Config{Users: users, Policy: PolicyReceived}, func(l *lab) {
			l.hub.mu.Lock()
			l.tap = func(p packet, _ netip.AddrPort) { all.Write(p.data) }
			l.hub.mu.Unlock()
			alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
			bob.sendRegister()
			m := bob.response(401)
			bob.sendRegister("Contact: <"+bob.contact+">", credentials(t, m, "REGISTER", "sip:example.com", "bob", "b-secret", 1, 0))
			bob.response(200)
			alice.ask("INVITE", "sip:bob@example.com")
			alice.response(100)
			bob.ok(bob.request("INVITE"))
			alice.within("ACK", alice.response(200))
			bob.request("ACK")
		})
		return all.String()
	}
	if a, b := run(), run(); a != b || a == "" {
		t.Errorf("two runs differ:\n%s\n---\n%s", a, b)
	}
}

// Without a seed nonces are not predictable.
func TestNoSeed(t *testing.T) {
	nonce := func() string {
		s, err := New(newHub().listen(proxyAddr), Config{Users: users})
		if err != nil {
			t.Fatal(err)
		}
		return s.auth.nonce(time.Unix(0, 0))
	}
	if nonce() == nonce() {
		t.Error("two servers make the same nonce")
	}
}

func TestLogger(t *testing.T) {
	var log bytes.Buffer
	inLab(t, Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, func(l *lab) {
		l.phone("bob", "198.51.100.2:5060").register()
		l.hub.mu.Lock()
		l.fault = func(netip.AddrPort) error { return errors.New("unplugged") }
		l.hub.mu.Unlock()
		l.srv.stack.Receive(l.srv.socket, []byte(crlf("OPTIONS sip:example.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\nTo: <sip:b@c>\nCall-ID: c\nCSeq: 1 OPTIONS")), ap("192.0.2.1:1"))
	})
	for _, want := range []string{"level=DEBUG msg=\"registered REGISTER bob from 198.51.100.2:5060 sip:bob@198.51.100.2:5060\" call-id=reg-bob", "level=WARN", "unplugged"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
}

func TestSTUNHook(t *testing.T) {
	var got string
	inLab(t, Config{OnSTUN: func(b []byte, from netip.AddrPort) { got = string(b) + from.String() }}, func(l *lab) {
		l.phone("bob", "198.51.100.2:5060").raw("\x00\x01\x00\x00\x21\x12\xa4\x42............")
		if got != "\x00\x01\x00\x00\x21\x12\xa4\x42............198.51.100.2:5060" || l.srv.Stats().NotSIP != 0 {
			t.Errorf("%q", got)
		}
	})
}

func TestNames(t *testing.T) {
	for k := Registered; k <= Dropped; k++ {
		if strings.Contains(k.String(), "(") {
			t.Error(k)
		}
	}
	for c := ByContact; c <= ByRport; c++ {
		if strings.Contains(c.String(), "(") {
			t.Error(c)
		}
	}
	for got, want := range map[string]string{
		EventKind(0).String(): "EventKind(0)", Cause(99).String(): "Cause(99)", Policy(9).String(): "Policy(9)",
		Event{Kind: Returned, Code: 180, Method: "INVITE", Target: ap("192.0.2.1:5060"), By: ByVia}.String(): "returned 180 to INVITE -> 192.0.2.1:5060 by via",
		Event{Kind: Dropped, Source: ap("192.0.2.1:5060"), Detail: "why"}.String():                           "dropped from 192.0.2.1:5060 (why)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// IPv6 addresses are written with brackets and compared as addresses.
func TestIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, hub: newHub(), proxy: "[2001:db8::5]:5060"}
		srv, err := New(l.listen("[2001:db8::5]:5060"), Config{Seed: 1, Policy: PolicyReceived})
		if err != nil {
			t.Fatal(err)
		}
		l.srv = srv
		done := make(chan error, 1)
		go func() { done <- srv.Serve() }()
		defer func() {
			if err := errors.Join(srv.Close(), <-done); err != nil {
				t.Error(err)
			}
		}()
		bob := l.phone("bob", "[2001:db8::2]:5062")
		bob.send(bob.build("REGISTER", "sip:[2001:db8::5]", "<sip:bob@[2001:db8:0::5]>", "Contact: <sip:bob@[2001:db8::2]:5062>"))
		if m := bob.response(200); strings.Contains(m.one("Contact"), "received") || !strings.Contains(m.one("Via"), "received=2001:db8::2") {
			t.Error(m.raw)
		}
		alice := l.phone("alice", "[2001:db8::1]:40000")
		alice.contact = "sip:alice@[fd00::1]"
		alice.send(alice.build("INVITE", "sip:bob@[2001:db8::5]:5060", "<sip:bob@[2001:db8::5]>"))
		alice.response(100)
		in := bob.request("INVITE")
		if !strings.HasPrefix(in.all("Via")[0], "SIP/2.0/UDP [2001:db8::5]:5060;") || in.one("Contact") != "<sip:alice@[fd00::1];alias=2001:db8::1~40000~1>" ||
			!strings.HasPrefix(in.one("Record-Route"), "<sip:[2001:db8::5]:5060;lr;") {
			t.Error(in.raw)
		}
		bob.inDialog("BYE", in, true)
		if m := alice.request("BYE"); m.short() != "BYE sip:alice@[fd00::1] SIP/2.0" {
			t.Error(m.short())
		}
	})
}
