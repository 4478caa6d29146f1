package boxtest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// holdSYN is for how long an unsolicited SYN is not answered (RFC 5382 REQ-4).
const holdSYN = 6 * time.Second

func kindOf(n natmodels.Box) natmodels.Kind { return n.Model().Behavior().Kind }

// Due checks what a box sends by itself, and a twin of it too.
func Due(t *testing.T, n, twin natmodels.Box, now time.Time) {
	at, ok := n.NextDue()
	due := n.Due(now)
	if early := ok && !at.After(now) && now.Sub(at) < holdSYN; early != (len(due) > 0) {
		t.Fatalf("due at %v: %v, but next was %v %v", now, due, at, ok)
	}
	if !slices.EqualFunc(due, twin.Due(now), natmodels.Packet.Equal) {
		t.Fatalf("due: %v, but not restored", due)
	}
}

// Twins checks a verdict, and that of a twin on the same packet.
func Twins(t *testing.T, n, twin natmodels.Box, p natmodels.Packet, v, u natmodels.Verdict) {
	t.Helper()
	Verdict(t, n, p, v)
	same := v.Packet.Equal(u.Packet)
	v.Packet, u.Packet = natmodels.Packet{}, natmodels.Packet{}
	if !same || v != u {
		t.Fatalf("%v: %+v, but restored, %+v", p, v, u)
	}
}

// Verdict checks what holds for every verdict.
func Verdict(t *testing.T, n natmodels.Box, p natmodels.Packet, v natmodels.Verdict) {
	t.Helper()
	if n.Explain(v) == "" {
		t.Fatalf("%v: no explanation", p)
	}
	switch {
	case v.Action == natmodels.Reply && v.Reason == natmodels.NotDropped:
		t.Fatalf("%v: answered for no reason: %+v", p, v)
	case v.Action == natmodels.Drop && (v.Reason == natmodels.NotDropped || !v.Packet.Equal(p)):
		t.Fatalf("%v: dropped for no reason, or changed: %+v", p, v)
	case v.Action != natmodels.Drop && v.Action != natmodels.Reply && v.Reason != natmodels.NotDropped:
		t.Fatalf("%v: %v, but %v", p, v.Action, v.Reason)
	case v.Action == natmodels.Forward && kindOf(n) == natmodels.Translator && !translatedBy(v.Mapping, v.Packet):
		t.Fatalf("%v: not translated by its mapping: %+v", p, v)
	case v.Since < 0 || v.Since > 0 && v.Reason != natmodels.Expired:
		t.Fatalf("%v: %+v", p, v)
	}
}

// translatedBy reports whether a packet shows an endpoint of a mapping. An ICMP error
// shows its address, and in the packet that it quotes, the endpoint.
func translatedBy(m natmodels.MappingInfo, p natmodels.Packet) bool {
	if q := p.Quoted; q != nil {
		return p.Src.Addr() == m.External.Addr() && q.Dst == m.External || p.Dst.Addr() == m.Internal.Addr() && q.Src == m.Internal
	}
	return p.Src == m.External || p.Dst == m.Internal
}

// Conserved checks that the counters add up, and that nothing is shared that must not be.
func Conserved(t *testing.T, n natmodels.Box, now time.Time) {
	t.Helper()
	s := n.Stats(now)
	if s.Outbound+s.Inbound != s.Forwarded+s.Hairpinned+s.Replied+s.DroppedTotal() {
		t.Fatalf("packets are not conserved: %+v", s)
	}
	if s.Created != s.Expired+s.Flushed+s.Renumbered+s.Closed+s.Evicted+s.Live || int(s.Live+s.Static) != len(n.Mappings(now)) {
		t.Fatalf("mappings are not conserved: %+v", s)
	}
	type key struct {
		protocol         natmodels.Protocol
		external, remote netip.AddrPort
	}
	holders := map[key]natmodels.MappingInfo{}
	for _, m := range n.Mappings(now) {
		k := key{m.Protocol, m.External, netip.AddrPort{}}
		if n.Model().Behavior().Tracks() { // only the pair with the remote endpoint is anybody's own
			k.remote = m.Remote
		}
		if other, taken := holders[k]; taken && kindOf(n) != natmodels.Firewall && m.Protocol != natmodels.ICMP {
			t.Fatalf("%v and %v share %v", other, m, k)
		}
		holders[k] = m
	}
}
