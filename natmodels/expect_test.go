package natmodels

import (
	"net/netip"
	"testing"
	"time"
)

// expectant returns a NAT of that name.
func expectant(t *testing.T, preset string) *NAT {
	t.Helper()
	cfg, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Translates() {
		cfg.External = []netip.Addr{outsideA}
	}
	n, err := New(cfg)
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
		e      Expectation
		reason Reason
	}{
		"ICMP":           {Expectation{Protocol: ICMP, Internal: mediaAt}, UnsupportedProtocol},
		"no port":        {Expectation{Protocol: UDP, Internal: at("10.0.0.2:0")}, BadPacket},
		"nothing":        {Expectation{Protocol: UDP}, BadPacket},
		"remote IPv6":    {Expectation{Protocol: UDP, Internal: mediaAt, Remote: from("2001:db8::2")}, FamilyMismatch},
		"remote in IPv6": {Expectation{Protocol: UDP, Internal: mediaAt, Remote: from("::ffff:203.0.113.9")}, FamilyMismatch},
		"IPv4 from IPv6": {Expectation{Protocol: UDP, Internal: at("[2001:db8::1]:4000"), Remote: from("203.0.113.9")}, FamilyMismatch},
	} {
		for _, preset := range []string{"full-cone", "symmetric", "linux-masquerade", "aws-security-group", "none"} {
			if got, reason := expectant(t, preset).Expect(x.e, benchStart); reason != x.reason || got.IsValid() {
				t.Errorf("%s, %s: %v %v, want %v", preset, name, got, reason, x.reason)
			}
		}
	}
	for _, preset := range []string{"full-cone", "linux-masquerade"} {
		e := Expectation{Protocol: UDP, Internal: at("[2001:db8::1]:4000")}
		if got, reason := expectant(t, preset).Expect(e, benchStart); reason != FamilyMismatch {
			t.Errorf("%s, inside IPv6: %v %v", preset, got, reason)
		}
	}
	e := Expectation{Protocol: UDP, Internal: mediaAt, Tracked: TrackedExpectation{Pair: true}}
	if got, reason := expectant(t, "full-cone").Expect(e, benchStart); reason != Invalid {
		t.Errorf("a translator took a pair: %v %v", got, reason)
	}
}

// A lifetime that makes no sense is the usual one.
func TestExpectWaitsNoLonger(t *testing.T) {
	for _, preset := range []string{"port-restricted", "linux-masquerade"} {
		n := expectant(t, preset)
		external, _ := n.Expect(Expectation{Protocol: UDP, Internal: mediaAt, Lifetime: -time.Second}, benchStart)
		p := Packet{Protocol: UDP, Src: mediaSrc, Dst: external}
		if v := n.Snapshot().Restore().Inbound(p, benchStart.Add(DefaultExpectationLifetime-1)); v.Action != Forward {
			t.Errorf("%s: too early: %s", preset, n.Explain(v))
		}
		if v := n.Inbound(p, benchStart.Add(DefaultExpectationLifetime)); v.Action == Forward {
			t.Errorf("%s: too late: %s", preset, n.Explain(v))
		}
	}
}

// A firewall translates nothing, also where another port would do.
func TestExpectOfAFirewall(t *testing.T) {
	n := expectant(t, "aws-security-group")
	if got, reason := n.Expect(Expectation{Protocol: UDP, Internal: mediaAt}, benchStart); got != mediaAt || reason != NotDropped {
		t.Errorf("%v %v", got, reason)
	}
	if got, reason := n.Expect(Expectation{Protocol: UDP, Internal: mediaAt, Remote: mediaSrc.Addr()}, benchStart); reason != PortConflict {
		t.Errorf("the same from one address: %v %v", got, reason)
	}
	e := Expectation{Protocol: UDP, Internal: mediaAt, Tracked: TrackedExpectation{Port: 4002}}
	if got, reason := n.Expect(e, benchStart); reason != Invalid {
		t.Errorf("another port: %v %v", got, reason)
	}
}

// What was announced to one remote stays what it sees, whatever is expected besides.
func TestWhatWasAnnouncedStays(t *testing.T) {
	for _, preset := range []string{"symmetric", "adm-adf", "port-restricted"} {
		n := expectant(t, preset)
		one := Expectation{Protocol: UDP, Internal: mediaAt, Remote: mediaSrc.Addr()}
		told, _ := n.Expect(one, benchStart)
		n.Expect(Expectation{Protocol: UDP, Internal: mediaAt}, benchStart)
		if again, _ := n.Expect(one, benchStart); again != told {
			t.Errorf("%s: expected again at %v, not %v", preset, again, told)
		}
		if v := n.Outbound(Packet{Protocol: UDP, Src: mediaAt, Dst: mediaSrc}, benchStart); v.Packet.Src != told {
			t.Errorf("%s: it sees %v, and was told %v", preset, v.Packet.Src, told)
		}
	}
}

// Another mapping behavior does not find the old mappings for those who were not expected.
func TestExpectationIsForTheExpected(t *testing.T) {
	n := expectant(t, "port-restricted")
	told, _ := n.Expect(Expectation{Protocol: UDP, Internal: mediaAt, Remote: mediaSrc.Addr()}, benchStart)
	cfg, err := Preset("symmetric")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.SetBehavior(cfg); err != nil {
		t.Fatal(err)
	}
	if v := n.Outbound(Packet{Protocol: UDP, Src: mediaAt, Dst: mediaSrc}, benchStart); v.Packet.Src != told {
		t.Errorf("the expected one sees %v, and was told %v", v.Packet.Src, told)
	}
	if v := n.Outbound(Packet{Protocol: UDP, Src: mediaAt, Dst: remoteX}, benchStart); v.Packet.Src == told {
		t.Error("a stranger is sent to from the announced port")
	}
}

// A packet that a gateway drops leaves no connection, however often that is said.
func TestRetract(t *testing.T) {
	n := expectant(t, "linux-masquerade")
	v := n.Outbound(Packet{Protocol: UDP, Src: mediaAt, Dst: mediaSrc}, benchStart)
	for _, id := range []uint64{v.Mapping.ID, v.Mapping.ID, 0} {
		n.Retract(id, benchStart)
	}
	if all := n.Mappings(benchStart); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
}
