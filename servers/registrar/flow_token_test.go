package registrar

import (
	"net/netip"
	"testing"
	"time"
)

func TestFlowToken(t *testing.T) {
	s, err := New(newHub().listen(proxyAddr), Config{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(newHub().listen(proxyAddr), Config{Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"198.51.100.2:42222", "[2001:db8::2]:5060", "0.0.0.0:0"} {
		token := s.flowToken(ap(a))
		if got, ok := s.openToken(token); got != ap(a) || !ok {
			t.Error(a, got, ok)
		}
		if _, ok := other.openToken(token); ok {
			t.Error("a token of another server")
		}
		for i := range token {
			b := []byte(token)
			b[i] ^= 1
			if got, ok := s.openToken(string(b)); ok && got != ap(a) {
				t.Error("a changed token:", got)
			}
		}
	}
}

// FuzzOpenToken: what opens was made here.
func FuzzOpenToken(f *testing.F) {
	s, err := New(newHub().listen(proxyAddr), Config{Seed: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.flowToken(ap("198.51.100.2:42222")))
	f.Add(s.flowToken(ap("[2001:db8::2]:5060")))
	f.Add("")
	f.Add("AAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		a, ok := s.openToken(token)
		if !ok {
			return
		}
		if again, ok := s.openToken(s.flowToken(a)); !ok || again != a {
			t.Errorf("%q is %v, and that again %v", token, a, again)
		}
	})
}

// Flows that are silent for longer than any registration lasts are forgotten.
func TestFlowsForgotten(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	f := newFlows(&Config{MaxExpires: time.Hour})
	peer := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5060)
	}
	for i := range 1000 {
		f.open(peer(i), now)
	}
	now = now.Add(2 * time.Hour)
	f.hear(peer(5), now)
	f.hear(peer(5000), now)
	for i := range 1000 {
		f.open(peer(2000+i), now)
	}
	if len(f.heard) > 1100 || !f.alive(peer(5), now) || f.alive(peer(6), now) || f.alive(peer(5000), now) {
		t.Error(len(f.heard))
	}
}
