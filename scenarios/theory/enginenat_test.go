package theory_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// engineNAT puts the engine into the place of a tiny model, so that oracle, tiny
// models and engine can be compared three ways.
type engineNAT struct {
	t       *testing.T
	nat     natmodels.Box
	ips     map[string]netip.Addr
	at      time.Time
	outside netip.Addr
}

var engineInside = netip.MustParseAddr("10.0.0.2")

func newEngineNAT(t *testing.T, code string, scope cell.FilterScope, forwards ...int) *engineNAT {
	t.Helper()
	m, err := catalogue.Lookup(code)
	if err != nil {
		t.Fatal(err)
	}
	n := &engineNAT{t: t, ips: map[string]netip.Addr{}, at: time.Unix(0, 0), outside: netip.MustParseAddr("198.51.100.1")}
	if m, err = catalogue.Vary(m, "ports random\nfilter-scope "+string(scope)); err != nil {
		t.Fatal(err)
	}
	place := natmodels.Place{External: []netip.Addr{n.outside}}
	for _, port := range forwards {
		place.Static = append(place.Static, natmodels.StaticMapping{
			Protocol: natmodels.UDP,
			Internal: netip.AddrPortFrom(engineInside, uint16(port)),
			External: netip.AddrPortFrom(n.outside, uint16(port)),
		})
	}
	if n.nat, err = m.New(place); err != nil {
		t.Fatal(err)
	}
	return n
}

// remote gives every name on the tiny internet an address.
func (n *engineNAT) remote(a addr) netip.AddrPort {
	ip, ok := n.ips[a.ip]
	if !ok {
		ip = netip.AddrFrom4([4]byte{203, 0, 113, byte(len(n.ips) + 1)})
		n.ips[a.ip] = ip
	}
	return netip.AddrPortFrom(ip, uint16(a.port))
}

func (n *engineNAT) out(from int, to addr) int {
	v := n.nat.Outbound(natmodels.Packet{
		Protocol: natmodels.UDP, Src: netip.AddrPortFrom(engineInside, uint16(from)), Dst: n.remote(to),
	}, n.at)
	if v.Action != natmodels.Forward {
		n.t.Fatalf("outbound %d -> %v: %v %v", from, to, v.Action, v.Reason)
	}
	return int(v.Packet.Src.Port())
}

func (n *engineNAT) in(port int, from addr) (int, verdict) {
	v := n.nat.Inbound(natmodels.Packet{
		Protocol: natmodels.UDP, Src: n.remote(from), Dst: netip.AddrPortFrom(n.outside, uint16(port)),
	}, n.at)
	switch {
	case v.Action == natmodels.Forward:
		return int(v.Packet.Dst.Port()), passed
	case v.Reason == natmodels.NoMapping:
		return 0, noMapping
	case v.Reason == natmodels.Filtered:
		return 0, refused
	}
	n.t.Fatalf("inbound %v -> %d: %v %v", from, port, v.Action, v.Reason)
	return 0, 0
}

// TestOracleMediaAgainstEngine moves the packets of the product, with nobody or b
// strict, through the engine itself.
func TestOracleMediaAgainstEngine(t *testing.T) {
	cells := mustPlan(t, cell.Choice{
		"flow": {"call"}, "a": cell.RFC4787(), "b": cell.RFC4787(), "port-manager": all(cell.KeyPortManager),
		"registrar": {"received"}, "rport": {"true"},
		"latch": all(cell.KeyLatch), "strict": {"none", "b"}, "silent": all(cell.KeySilent), "filter-scope": all(cell.KeyFilterScope),
	})
	for _, c := range cells {
		want, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, b := playMediaWith(c, cell.A, func(side cell.Side, code string, forwards ...int) *place {
			p := behind(string(side), "192.0.2."+string(side), code, c.FilterScope, false)
			if p.nat != nil {
				p.nat = newEngineNAT(t, code, c.FilterScope, forwards...)
			}
			return p
		})
		if got := cell.DirectionOf(b.got, a.got); got != want.Media {
			t.Errorf("%s: the engine says %s, the oracle says %s", c, got, want.Media)
		}
		compareCause(t, c, want, flows.RTPAToB, a)
		compareCause(t, c, want, flows.RTPBToA, b)
		if t.Failed() {
			t.FailNow()
		}
	}
}
