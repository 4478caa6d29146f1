package registrar

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pings gives a list of when and where the server sent what to phones.
func pings(l *lab) func() []string {
	begun, list := time.Now(), []string{}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.tap = func(p packet, to netip.AddrPort) {
		if p.from.String() != proxyAddr || strings.HasPrefix(string(p.data), "SIP/2.0") {
			return
		}
		line, _, _ := strings.Cut(string(p.data), "\r\n")
		list = append(list, fmt.Sprintf("%v %v %q", time.Since(begun).Round(time.Millisecond), to.Addr(), line))
	}
	return func() []string {
		l.settle()
		l.hub.mu.Lock()
		defer l.hub.mu.Unlock()
		return slices.Clone(list)
	}
}

// pinged is how many bindings are being pinged.
func (l *lab) pinged() int {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	return len(l.srv.pings)
}

func wantList(t *testing.T, got, want []string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPingZero(t *testing.T) {
	inLab(t, Config{Policy: PolicyReceived, Ping: Ping{Kind: PingZero, OnlyNATed: true}}, func(l *lab) {
		got := pings(l)
		alice, bob, carol := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:42222"), l.phone("carol", "198.51.100.3:42222")
		bob.contact, carol.contact = "sip:bob@10.0.0.2", "sip:carol@10.0.0.2"
		alice.register() // not behind a NAT
		carol.register()
		time.Sleep(10 * time.Second)
		bob.register("Expires: 70")
		time.Sleep(40 * time.Second)
		<-carol.in
		carol.register() // a refresh changes nothing
		time.Sleep(30 * time.Second)
		<-carol.in
		carol.register("Expires: 0")
		time.Sleep(time.Hour)
		z := `"\x00\x00\x00\x00"`
		wantList(t, got(), []string{"30s 198.51.100.3 " + z, "40s 198.51.100.2 " + z, "1m0s 198.51.100.3 " + z, "1m10s 198.51.100.2 " + z})
		if st := l.srv.Stats(); st.Pings != 4 || st.PingsAnswered+st.PingsUnanswered != 0 || l.pinged() != 0 {
			t.Errorf("%+v, %d left", st, l.pinged())
		}
	})
}

func TestPingOptions(t *testing.T) {
	inLab(t, Config{Policy: PolicyReceived, Ping: Ping{Kind: PingOptions, Interval: 20 * time.Second, MaxUnanswered: 3}}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:42222")
		bob.contact = "sip:bob@10.0.0.2;x=y"
		bob.register("Expires: 7200")
		callID := ""
		for i := range 4 {
			time.Sleep(20*time.Second - time.Duration(min(i, 1))*time.Millisecond)
			m := bob.recvWithin(time.Second)
			if m.short() != "OPTIONS sip:bob@10.0.0.2;x=y SIP/2.0" || m.one("Max-Forwards") != "70" || m.one("To") != "<sip:bob@10.0.0.2;x=y>" ||
				m.one("CSeq") != fmt.Sprint(i+1)+" OPTIONS" || callID != "" && m.one("Call-ID") != callID {
				t.Error(m.raw)
			}
			callID = m.one("Call-ID")
			bob.reply(m, []int{200, 404, 486, 100}[i], "Whatever")
		}
		// The last had a provisional answer only: unanswered when the next is due. Two more.
		l.settle()
		if st := l.srv.Stats(); st.Pings != 4 || st.PingsAnswered != 3 || st.PingsUnanswered != 0 || st.Responses != 4 || st.Bindings != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(59 * time.Second)
		if st := l.srv.Stats(); st.Pings != 6 || st.PingsUnanswered != 2 || st.Bindings != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Second)
		if st := l.srv.Stats(); st.Pings != 6 || st.PingsUnanswered != 3 || st.Unreachable != 1 || st.Bindings != 0 || l.pinged() != 0 {
			t.Errorf("%+v", st)
		}
		l.wantEvent("unreachable bob sip:bob@10.0.0.2;x=y (3 pings without an answer)")
		alice := l.phone("alice", "198.51.100.1:5060")
		alice.ask("MESSAGE", "sip:bob@example.com")
		alice.response(480)
	})
}

// An answer counts for the ping it is for; with a long interval a ping is lost after Timer F.
func TestPingTimerF(t *testing.T) {
	for _, interval := range []time.Duration{31 * time.Second, 32 * time.Second, 33 * time.Second, time.Minute} {
		inLab(t, Config{Ping: Ping{Kind: PingOptions, Interval: interval, MaxUnanswered: 2}}, func(l *lab) {
			bob := l.phone("bob", "198.51.100.2:5060")
			bob.register()
			time.Sleep(2*interval + min(interval, 32*time.Second) + time.Second)
			if st := l.srv.Stats(); st.Pings != 2 || st.PingsUnanswered != 2 || st.Bindings != 0 || st.Unreachable != 1 {
				t.Errorf("%v: %+v", interval, st)
			}
		})
	}
}

// A binding that ran out and is made again begins anew.
func TestPingAnew(t *testing.T) {
	inLab(t, Config{Ping: Ping{Kind: PingOptions, Interval: 50 * time.Second, MaxUnanswered: 2}}, func(l *lab) {
		got := pings(l)
		bob := l.phone("bob", "198.51.100.2:5060")
		bob.register("Expires: 60")
		time.Sleep(70 * time.Second) // one ping, and it is not decided yet
		for len(bob.in) > 0 {
			<-bob.in
		}
		bob.register()
		time.Sleep(51 * time.Second)
		if st := l.srv.Stats(); st.Pings != 2 || st.PingsUnanswered != 0 || l.pinged() != 1 {
			t.Errorf("%+v\n%s", st, strings.Join(got(), "\n"))
		}
		time.Sleep(100 * time.Second)
		if st := l.srv.Stats(); st.Pings != 3 || st.PingsUnanswered != 2 || st.Unreachable != 1 || l.pinged() != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Users are pinged in the order in which they came, and those of one instant too.
func TestPingOrder(t *testing.T) {
	run := func() (all []string) {
		inLab(t, Config{Ping: Ping{Kind: PingOptions}}, func(l *lab) {
			got := pings(l)
			for i := range 9 {
				l.phone(fmt.Sprint("u", i*7%9), fmt.Sprintf("198.51.100.%d:5060", i+1)).register()
			}
			time.Sleep(30*time.Second + time.Millisecond)
			all = got()
		})
		return all
	}
	a, b := run(), run()
	wantList(t, a, b)
	if len(a) != 9 || !strings.HasPrefix(a[3], "30s 198.51.100.4 ") {
		t.Error(a)
	}
}

// Bindings that are there before Serve are pinged from then on, by name.
func TestPingAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		s, err := New(h.listen(proxyAddr), Config{Seed: 1, Ping: Ping{Kind: PingZero}})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range []string{"b", "a", "c"} {
			s.location.users[u] = &record{bindings: []Binding{{User: u, Contact: "sip:" + u + "@x", Received: ap("198.51.100.1:5060"), Expires: time.Now().Add(time.Minute)}}}
		}
		end := h.listen("198.51.100.1:5060")
		done := make(chan error, 1)
		go func() { done <- s.Serve() }()
		time.Sleep(time.Hour)
		if len(end.in) != 3 { // at 30 s; at a minute they have run out
			t.Error(len(end.in))
		}
		if err := errors.Join(s.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
}

func TestPingRefused(t *testing.T) {
	for _, p := range []Ping{
		{Kind: 9}, {Interval: time.Second}, {OnlyNATed: true}, {Kind: PingZero, MaxUnanswered: 1}, {Kind: PingOptions, MaxUnanswered: -1},
		{Kind: PingZero, Interval: time.Millisecond}, {Kind: PingZero, Interval: -time.Second},
	} {
		if _, err := New(newHub().listen(proxyAddr), Config{Ping: p}); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for _, k := range []PingKind{PingNone, PingZero, PingOptions} {
		if got, err := ParsePingKind(k.String()); got != k || err != nil {
			t.Error(got, err)
		}
	}
	if _, err := ParsePingKind("crlf"); !errors.Is(err, ErrConfig) || PingKind(9).String() != "PingKind(9)" {
		t.Error(err)
	}
}
