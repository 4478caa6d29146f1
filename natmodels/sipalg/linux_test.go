package sipalg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// gate writes down what it is asked for, and announces one port for everything.
type gate struct {
	port   uint16
	full   bool // nothing can be had
	others bool // another flow expects all media
	asked  []string
}

func (g *gate) Expect(e Expectation) (uint16, bool) {
	g.asked = append(g.asked, fmt.Sprintf("expect %d from %v to %v at %d outward=%v", e.Class, e.From, e.To, e.Port, e.Outward))
	return g.port, !g.full
}

func (g *gate) Elsewhere(Class, netip.Addr, netip.AddrPort) bool { return g.others }

func (g *gate) Renew(to netip.AddrPort, d time.Duration) bool {
	g.asked = append(g.asked, fmt.Sprintf("renew %v for %v", to, d))
	return true
}

func (g *gate) Forget(c Class) { g.asked = append(g.asked, fmt.Sprintf("forget %d", c)) }

// helped is a flow that the helper of Linux watches.
func helped(port uint16) (Flow, *gate, ALG) {
	f, g := flow, &gate{port: port}
	f.Media, f.Gate, f.Session = nil, g, new(Session)
	alg, err := Named("linux")
	if err != nil {
		panic(err)
	}
	return f, g, alg
}

func wants(t *testing.T, g *gate, want ...string) {
	t.Helper()
	if !slices.Equal(g.asked, want) {
		t.Errorf("asked for %q, want %q", g.asked, want)
	}
	g.asked = nil
}

func TestLinuxExpectsMedia(t *testing.T) {
	f, g, alg := helped(4000)
	got := alg.Outbound(invite("10.0.0.2:5060", sdp), f)
	wants(t, g, "forget 1", "forget 2", "forget 3", "expect 1 from 203.0.113.20 to 10.0.0.2:4000 at 4000 outward=false")
	if l := line(t, got, "m="); l != "m=audio 4000 RTP/AVP 0" {
		t.Error(l)
	}
	answer := strings.NewReplacer("INVITE sip:bob@203.0.113.20 SIP/2.0", "SIP/2.0 200 OK", "10.0.0.2", "203.0.113.20").Replace(string(invite("10.0.0.2", sdp)))
	alg.Inbound([]byte(answer), f)
	wants(t, g, "expect 1 from 10.0.0.2 to 203.0.113.20:4000 at 4000 outward=true")
	g.others = true
	alg.Inbound([]byte(answer), f)
	wants(t, g)
	g.port, g.others = 5000, false
	if l := line(t, alg.Outbound(invite("10.0.0.2:5060", sdp), f), "m="); l != "m=audio 5000 RTP/AVP 0" {
		t.Error(l)
	}
	g.full = true
	if got := alg.Outbound(invite("10.0.0.2:5060", sdp), f); got != nil {
		t.Errorf("passed though nothing can be expected: %s", got)
	}
}

func TestLinuxExpectsSignalling(t *testing.T) {
	f, g, alg := helped(40001)
	register := "REGISTER sip:203.0.113.20 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060\r\nCSeq: 7 REGISTER\r\nContact: <sip:a@10.0.0.2:5060>;expires=60\r\n\r\n"
	alg.Outbound([]byte(register), f)
	wants(t, g, "expect 0 from 203.0.113.20 to 10.0.0.2:5060 at 40001 outward=false")
	response := "SIP/2.0 200 OK\r\nCSeq: 7 REGISTER\r\nContact: <sip:a@198.51.100.1:40001>;expires=60\r\n\r\n"
	alg.Inbound([]byte(strings.Replace(response, "7", "6", 1)), f)
	wants(t, g)
	alg.Inbound([]byte(response), f)
	wants(t, g, "renew 198.51.100.1:40001 for 1m0s")
	alg.Inbound([]byte(strings.Replace(response, "200 OK", "403 Forbidden", 1)), f)
	wants(t, g, "forget 0")
	f.Expected = true
	alg.Outbound([]byte(register), f)
	wants(t, g)
}

func TestLinuxDropsWhatItCannotRead(t *testing.T) {
	f, _, alg := helped(4000)
	for _, s := range []string{
		"SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 abc OK\r\nCSeq: 1 INVITE\r\n\r\n", "INVITE sip:b SIP/2.0\r\n\r\n",
		"INVITE sip:b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 900 RTP/AVP 0\r\n",
	} {
		if got := alg.Outbound([]byte(s), f); got != nil {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestLinuxForcesThePortOfVia(t *testing.T) {
	f, _, alg := helped(4000)
	alg.Outbound([]byte("OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5062\r\n\r\n"), f)
	if got := f.Session.ForcedPort([]byte("SIP/2.0 200 OK")); got != 5062 {
		t.Error(got)
	}
	if got := f.Session.ForcedPort([]byte("hello")); got != 0 {
		t.Error(got)
	}
}
