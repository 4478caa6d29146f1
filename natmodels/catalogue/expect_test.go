package catalogue_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// placed puts a NAT of the catalogue in a place.
func placed(t testing.TB, name string) natmodels.Box {
	t.Helper()
	e, err := catalogue.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := e.Model.New(natmodels.Place{External: []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}[:e.Addresses()]})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var (
	mediaAt  = netip.MustParseAddrPort("10.0.0.2:4000")
	mediaSrc = netip.MustParseAddrPort("203.0.113.9:9000")
)

func TestExpectRefuses(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	from := netip.MustParseAddr
	for name, x := range map[string]struct {
		e      natmodels.Expectation
		reason natmodels.Reason
	}{
		"ICMP":           {natmodels.Expectation{Protocol: natmodels.ICMP, Internal: mediaAt}, natmodels.UnsupportedProtocol},
		"no port":        {natmodels.Expectation{Protocol: natmodels.UDP, Internal: at("10.0.0.2:0")}, natmodels.BadPacket},
		"nothing":        {natmodels.Expectation{Protocol: natmodels.UDP}, natmodels.BadPacket},
		"remote IPv6":    {natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Remote: from("2001:db8::2")}, natmodels.FamilyMismatch},
		"remote in IPv6": {natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Remote: from("::ffff:203.0.113.9")}, natmodels.FamilyMismatch},
		"IPv4 from IPv6": {natmodels.Expectation{Protocol: natmodels.UDP, Internal: at("[2001:db8::1]:4000"), Remote: from("203.0.113.9")}, natmodels.FamilyMismatch},
	} {
		for _, preset := range []string{"full-cone", "symmetric", "linux-masquerade", "aws-security-group", "none"} {
			if got, reason := placed(t, preset).Expect(x.e, boxtest.Start); reason != x.reason || got.IsValid() {
				t.Errorf("%s, %s: %v %v, want %v", preset, name, got, reason, x.reason)
			}
		}
	}
	for _, preset := range []string{"full-cone", "linux-masquerade"} {
		e := natmodels.Expectation{Protocol: natmodels.UDP, Internal: at("[2001:db8::1]:4000")}
		if got, reason := placed(t, preset).Expect(e, boxtest.Start); reason != natmodels.FamilyMismatch {
			t.Errorf("%s, inside IPv6: %v %v", preset, got, reason)
		}
	}
	e := natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Tracked: natmodels.TrackedExpectation{Pair: true}}
	if got, reason := placed(t, "full-cone").Expect(e, boxtest.Start); reason != natmodels.Invalid {
		t.Errorf("a translator took a pair: %v %v", got, reason)
	}
}

// A lifetime that makes no sense is the usual one.
func TestExpectWaitsNoLonger(t *testing.T) {
	for _, preset := range []string{"port-restricted", "linux-masquerade"} {
		n := placed(t, preset)
		external, _ := n.Expect(natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Lifetime: -time.Second}, boxtest.Start)
		p := natmodels.Packet{Protocol: natmodels.UDP, Src: mediaSrc, Dst: external}
		if v := n.Snapshot().Restore().Inbound(p, boxtest.Start.Add(natmodels.DefaultExpectationLifetime-1)); v.Action != natmodels.Forward {
			t.Errorf("%s: too early: %s", preset, n.Explain(v))
		}
		if v := n.Inbound(p, boxtest.Start.Add(natmodels.DefaultExpectationLifetime)); v.Action == natmodels.Forward {
			t.Errorf("%s: too late: %s", preset, n.Explain(v))
		}
	}
}

// A firewall translates nothing, also where another port would do.
func TestExpectOfAFirewall(t *testing.T) {
	n := placed(t, "aws-security-group")
	if got, reason := n.Expect(natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt}, boxtest.Start); got != mediaAt || reason != natmodels.NotDropped {
		t.Errorf("%v %v", got, reason)
	}
	if got, reason := n.Expect(natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Remote: mediaSrc.Addr()}, boxtest.Start); reason != natmodels.PortConflict {
		t.Errorf("the same from one address: %v %v", got, reason)
	}
	e := natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Tracked: natmodels.TrackedExpectation{Port: 4002}}
	if got, reason := n.Expect(e, boxtest.Start); reason != natmodels.Invalid {
		t.Errorf("another port: %v %v", got, reason)
	}
}

// What was announced to one remote stays what it sees, whatever is expected besides.
func TestWhatWasAnnouncedStays(t *testing.T) {
	for _, preset := range []string{"symmetric", "adm-adf", "port-restricted"} {
		n := placed(t, preset)
		one := natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Remote: mediaSrc.Addr()}
		told, _ := n.Expect(one, boxtest.Start)
		n.Expect(natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt}, boxtest.Start)
		if again, _ := n.Expect(one, boxtest.Start); again != told {
			t.Errorf("%s: expected again at %v, not %v", preset, again, told)
		}
		if v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: mediaAt, Dst: mediaSrc}, boxtest.Start); v.Packet.Src != told {
			t.Errorf("%s: it sees %v, and was told %v", preset, v.Packet.Src, told)
		}
	}
}

// Another mapping behavior does not find the old mappings for those who were not expected.
func TestExpectationIsForTheExpected(t *testing.T) {
	n := placed(t, "port-restricted")
	told, _ := n.Expect(natmodels.Expectation{Protocol: natmodels.UDP, Internal: mediaAt, Remote: mediaSrc.Addr()}, boxtest.Start)
	cfg, err := catalogue.Lookup("symmetric")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.SetBehavior(cfg); err != nil {
		t.Fatal(err)
	}
	if v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: mediaAt, Dst: mediaSrc}, boxtest.Start); v.Packet.Src != told {
		t.Errorf("the expected one sees %v, and was told %v", v.Packet.Src, told)
	}
	if v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: mediaAt, Dst: boxtest.RemoteX}, boxtest.Start); v.Packet.Src == told {
		t.Error("a stranger is sent to from the announced port")
	}
}

// A packet that a gateway drops leaves no connection, however often that is said.
func TestRetract(t *testing.T) {
	n := placed(t, "linux-masquerade")
	v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: mediaAt, Dst: mediaSrc}, boxtest.Start)
	for _, id := range []uint64{v.Mapping.ID, v.Mapping.ID, 0} {
		n.(natmodels.Helped).Retract(id, boxtest.Start)
	}
	if all := n.Mappings(boxtest.Start); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
}
