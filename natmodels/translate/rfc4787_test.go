package translate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// natTest is a NAT under test and the time.
type natTest struct {
	*testing.T
	natmodels.Box
	now time.Time
}

// core is the engine inside.
func (n *natTest) core() *NAT { return n.Box.(*NAT) }

// presetNAT returns the preset with changes applied.
func presetNAT(t *testing.T, name string, changes ...func(*setup)) *natTest {
	t.Helper()
	cfg, err := presetOf(name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.External = []netip.Addr{boxtest.OutsideA}
	for _, change := range changes {
		change(&cfg)
	}
	n, err := cfg.box()
	if err != nil {
		t.Fatal(err)
	}
	return &natTest{t, n, boxtest.Start}
}

// linuxNAT returns what breaks some requirements on purpose: connection tracking.
func linuxNAT(t *testing.T) *natTest {
	t.Helper()
	n, err := conntrack.New(conntrack.Config{}, natmodels.Place{External: []netip.Addr{boxtest.OutsideA}})
	if err != nil {
		t.Fatal(err)
	}
	return &natTest{t, n, boxtest.Start}
}

// out sends a packet from the inside and returns its translated source.
func (n *natTest) out(src, dst netip.AddrPort) netip.AddrPort {
	n.T.Helper()
	v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: src, Dst: dst}, n.now)
	if v.Action != natmodels.Forward {
		n.T.Fatal(n.Explain(v))
	}
	return v.Packet.Src
}

// in sends a packet from the outside and returns NotDropped or why it was dropped.
func (n *natTest) in(src, dst netip.AddrPort) natmodels.Reason {
	return n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: src, Dst: dst}, n.now).Reason
}

func (n *natTest) wait(d time.Duration) { n.now = n.now.Add(d) }

func (n *natTest) want(what string, got, want any) {
	n.T.Helper()
	if got != want {
		n.T.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// translators lists the presets that translate.
func translators() []string { return presetNames() }

func forEachTranslator(t *testing.T, f func(n *natTest), changes ...func(*setup)) {
	for _, name := range translators() {
		t.Run(name, func(t *testing.T) { f(presetNAT(t, name, changes...)) })
	}
}

// REQ-1: A NAT MUST have an "Endpoint-Independent Mapping" behavior.
//
// Deviation: the adm and apdm presets and symmetric have not, on purpose.
func TestREQ1_EndpointIndependentMapping(t *testing.T) {
	for _, c := range []struct {
		preset               string
		sameAddress, another bool // same mapping for another port, another address?
	}{
		{"eim-eif", true, true}, {"eim-adf", true, true}, {"eim-apdf", true, true},
		{"full-cone", true, true}, {"address-restricted", true, true}, {"port-restricted", true, true},
		{"adm-eif", true, false}, {"adm-adf", true, false}, {"adm-apdf", true, false},
		{"apdm-eif", false, false}, {"apdm-adf", false, false}, {"apdm-apdf", false, false}, {"symmetric", false, false},
	} {
		n := presetNAT(t, c.preset)
		first := n.out(boxtest.InsideA, boxtest.RemoteY1)
		n.want(c.preset+": mapping reused for the same endpoint", n.out(boxtest.InsideA, boxtest.RemoteY1) == first, true)
		n.want(c.preset+": mapping reused for another port", n.out(boxtest.InsideA, boxtest.RemoteY1p) == first, c.sameAddress)
		n.want(c.preset+": mapping reused for another address", n.out(boxtest.InsideA, boxtest.RemoteY2) == first, c.another)
	}
}

// REQ-2: It is RECOMMENDED that a NAT have an "IP address pooling" behavior of
// "Paired".
//
// Deviation: Pooling Arbitrary.
func TestREQ2_PairedPooling(t *testing.T) {
	addresses := func(pooling natmodels.Pooling) int {
		n := presetNAT(t, "full-cone", func(c *setup) {
			c.External = []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}
			c.Pooling = pooling
		})
		seen := map[netip.Addr]bool{}
		for port := uint16(5000); port < 5050; port++ {
			seen[n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), port), boxtest.RemoteY1).Addr()] = true
		}
		return len(seen)
	}
	if got := addresses(natmodels.Paired); got != 1 {
		t.Errorf("paired pooling used %d addresses for one host", got)
	}
	if got := addresses(natmodels.Arbitrary); got != 2 {
		t.Errorf("arbitrary pooling used %d addresses for fifty mappings", got)
	}
}

// REQ-3: A NAT MUST NOT have a "Port assignment" behavior of "Port overloading".
func TestREQ3_NoPortOverloading(t *testing.T) {
	for _, choice := range []natmodels.PortChoice{natmodels.PreserveElseRandom, natmodels.Preserve, natmodels.Random, natmodels.Sequential} {
		n := presetNAT(t, "symmetric", func(c *setup) {
			c.PortChoice = choice
			c.PortRange = natmodels.PortRange{First: 5000, Last: 5099}
			if choice == natmodels.Sequential {
				c.Step = 7
			}
		})
		holders := map[netip.AddrPort]netip.AddrPort{}
		for host := byte(2); host < 42; host++ {
			for port := uint16(5060); port < 5063; port++ {
				src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), port)
				v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: src, Dst: boxtest.RemoteY1}, n.now)
				if v.Action != natmodels.Forward {
					continue
				}
				if other, taken := holders[v.Packet.Src]; taken {
					t.Errorf("%v: %v and %v share %v", choice, other, src, v.Packet.Src)
				}
				holders[v.Packet.Src] = src
			}
		}
		want := 100
		if choice == natmodels.Preserve {
			want = 3
		}
		n.want(choice.String()+": mappings in 100 ports", len(holders), want)
	}
}

// REQ-3 a): If the host's source port was in the range 0-1023, it is RECOMMENDED
// the NAT's source port be in the same range. If the host's source port was in the
// range 1024-65535, it is RECOMMENDED that the NAT's source port be in that range.
//
// The second half holds by default. Deviation: a port below 1024 leaves from
// 1024-65535, unless PortRange includes it and it is free to be preserved, or
// PortClasses is set.
func TestREQ3a_PortClasses(t *testing.T) {
	forEachTranslator(t, func(n *natTest) {
		for port := uint16(1024); port < 1124; port++ {
			n.want("port class kept", n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), port), boxtest.RemoteY1).Port() >= 1024, true)
		}
		n.want("well-known port leaves its class", n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), 500), boxtest.RemoteY1).Port() >= 1024, true)
	})
	n := presetNAT(t, "full-cone", func(c *setup) { c.PortRange = natmodels.PortRange{First: 1, Last: 65535} })
	n.want("well-known port within PortRange", n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), 500), boxtest.RemoteY1).Port(), uint16(500))
	n = presetNAT(t, "symmetric", func(c *setup) { c.PortClasses = true })
	for i := range uint16(100) {
		n.want("well-known port among its like", n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), 500+i), boxtest.RemoteY1).Port() < 1024, true)
		n.want("other port among its like", n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), 5000+i), boxtest.RemoteY1).Port() >= 1024, true)
	}
}

// REQ-4: It is RECOMMENDED that a NAT have a "Port parity preservation" behavior of
// "Yes".
//
// Deviation: unless Parity is set, parity is preserved only with the port itself, or by
// a Sequential step of 2 among hosts that all use one parity.
func TestREQ4_PortParity(t *testing.T) {
	n := presetNAT(t, "port-restricted")
	n.want("even port", n.out(netip.MustParseAddrPort("10.0.0.2:4000"), boxtest.RemoteY1).Port(), uint16(4000))
	n.want("odd port", n.out(netip.MustParseAddrPort("10.0.0.2:4001"), boxtest.RemoteY1).Port(), uint16(4001))
	n = presetNAT(t, "symmetric", func(c *setup) { c.Parity = true })
	for i := range uint16(100) {
		n.want("parity", n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), 5000+i), boxtest.RemoteY1).Port()&1, i&1)
	}
}

// REQ-5: A NAT UDP mapping timer MUST NOT expire in less than two minutes, unless
// REQ-5a applies. c) A default value of five minutes or more for the NAT UDP mapping
// timer is RECOMMENDED.
//
// The presets keep to it. IdleTimeout may be set lower (REQ-5b), as many devices
// have it; REQ-5a (shorter for well-known destination ports) is WellKnownTimeout.
func TestREQ5_MappingTimer(t *testing.T) {
	forEachTranslator(t, func(n *natTest) {
		external := n.out(boxtest.InsideA, boxtest.RemoteY1)
		n.wait(5*time.Minute - 1)
		n.want("one nanosecond before five minutes", n.in(boxtest.RemoteY1, external), natmodels.NotDropped)
		n.wait(1)
		n.want("after five minutes", n.in(boxtest.RemoteY1, external), natmodels.Expired)
	})
	forEachTranslator(t, func(n *natTest) {
		external := n.out(boxtest.InsideA, boxtest.RemoteY1)
		n.wait(30*time.Second - 1)
		n.want("one nanosecond before thirty seconds", n.in(boxtest.RemoteY1, external), natmodels.NotDropped)
		n.wait(1)
		n.want("after thirty seconds", n.in(boxtest.RemoteY1, external), natmodels.Expired)
	}, func(c *setup) { c.IdleTimeout = 30 * time.Second })
}

// REQ-6: The NAT mapping Refresh Direction MUST have a "NAT Outbound refresh
// behavior" of "True". a) The NAT mapping Refresh Direction MAY have a "NAT Inbound
// refresh behavior" of "True".
//
// Deviation: RefreshInbound.
func TestREQ6_RefreshDirection(t *testing.T) {
	for _, c := range []struct {
		refresh           natmodels.Refresh
		outbound, inbound bool
	}{
		{natmodels.RefreshOutbound, true, false}, {natmodels.RefreshInbound, false, true}, {natmodels.RefreshBoth, true, true},
	} {
		forEachTranslator(t, func(n *natTest) {
			alive := func(refreshed bool) natmodels.Reason {
				if refreshed {
					return natmodels.NotDropped
				}
				return natmodels.Expired
			}
			external := n.out(boxtest.InsideA, boxtest.RemoteY1)
			n.wait(4 * time.Minute)
			n.out(boxtest.InsideA, boxtest.RemoteY1)
			n.wait(4 * time.Minute)
			n.want("after an outbound packet", n.in(boxtest.RemoteY1, external), alive(c.outbound))

			external = n.out(boxtest.InsideB, boxtest.RemoteY1)
			n.wait(4 * time.Minute)
			n.want("before the timeout", n.in(boxtest.RemoteY1, external), natmodels.NotDropped)
			n.wait(4 * time.Minute)
			n.want("after an inbound packet", n.in(boxtest.RemoteY1, external), alive(c.inbound))
		}, func(cfg *setup) { cfg.Refresh = c.refresh })
	}
}

// REQ-7: A NAT device whose external IP interface can be configured dynamically MUST
// either (1) automatically ensure that its internal network uses IP addresses that do
// not conflict with its external network, or (2) be able to translate and forward
// traffic between all internal nodes and all external nodes whose IP addresses
// numerically conflict with the internal network.
//
// The engine is of the second sort: inside and outside are told apart by direction,
// never by address.
func TestREQ7_OverlappingAddresses(t *testing.T) {
	forEachTranslator(t, func(n *natTest) {
		external := n.out(boxtest.InsideA, boxtest.InsideA)
		n.want("answer from the numerically equal address", n.in(boxtest.InsideA, external), natmodels.NotDropped)
		external = n.out(boxtest.InsideA, boxtest.InsideB)
		n.want("answer from an address of the inside network", n.in(boxtest.InsideB, external), natmodels.NotDropped)
	}, func(c *setup) { c.External = []netip.Addr{netip.MustParseAddr("10.0.0.1")} })
}

// REQ-8: If application transparency is most important, it is RECOMMENDED that a NAT
// have an "Endpoint-Independent Filtering" behavior. If a more stringent filtering
// behavior is most important, it is RECOMMENDED that a NAT have an
// "Address-Dependent Filtering" behavior. a) The filtering behavior MAY be an option
// configurable by the administrator of the NAT.
//
// All three behaviors are there; address-and-port-dependent filtering is neither of
// the two recommended ones.
func TestREQ8_Filtering(t *testing.T) {
	for _, c := range []struct {
		preset                 string
		samePort, address, any natmodels.Reason // from Y1 itself, its other port, another address
	}{
		{"eim-eif", natmodels.NotDropped, natmodels.NotDropped, natmodels.NotDropped},
		{"eim-adf", natmodels.NotDropped, natmodels.NotDropped, natmodels.Filtered},
		{"eim-apdf", natmodels.NotDropped, natmodels.Filtered, natmodels.Filtered},
		{"adm-eif", natmodels.NotDropped, natmodels.NotDropped, natmodels.NotDropped},
		{"adm-adf", natmodels.NotDropped, natmodels.NotDropped, natmodels.Filtered},
		{"adm-apdf", natmodels.NotDropped, natmodels.Filtered, natmodels.Filtered},
		{"apdm-eif", natmodels.NotDropped, natmodels.NotDropped, natmodels.NotDropped},
		{"apdm-adf", natmodels.NotDropped, natmodels.NotDropped, natmodels.Filtered},
		{"apdm-apdf", natmodels.NotDropped, natmodels.Filtered, natmodels.Filtered},
	} {
		for _, scope := range []natmodels.FilterScope{natmodels.PerMapping, natmodels.PerEndpoint} {
			n := presetNAT(t, c.preset, func(cfg *setup) { cfg.FilterScope = scope })
			external := n.out(boxtest.InsideA, boxtest.RemoteY1)
			n.want(c.preset+" same endpoint", n.in(boxtest.RemoteY1, external), c.samePort)
			n.want(c.preset+" same address", n.in(boxtest.RemoteY1p, external), c.address)
			n.want(c.preset+" other address", n.in(boxtest.RemoteY2, external), c.any)
		}
	}
}

// Section 5 words filtering per internal endpoint: a packet from Y:y to X:x is
// filtered out if X:x has not sent to Y (or Y:y) before, through whichever mapping.
// FilterScope PerEndpoint takes that literally; the default does not.
func TestSection5_FilterScope(t *testing.T) {
	for _, c := range []struct {
		preset    string
		scope     natmodels.FilterScope
		want      natmodels.Reason // Y2 to the mapping towards Y1
		wantOther natmodels.Reason // the same from a port of Y2 that was never sent to
	}{
		{"adm-adf", natmodels.PerMapping, natmodels.Filtered, natmodels.Filtered},
		{"adm-apdf", natmodels.PerMapping, natmodels.Filtered, natmodels.Filtered},
		{"apdm-adf", natmodels.PerMapping, natmodels.Filtered, natmodels.Filtered},
		{"apdm-apdf", natmodels.PerMapping, natmodels.Filtered, natmodels.Filtered},
		{"adm-adf", natmodels.PerEndpoint, natmodels.NotDropped, natmodels.NotDropped},
		{"adm-apdf", natmodels.PerEndpoint, natmodels.NotDropped, natmodels.Filtered},
		{"apdm-adf", natmodels.PerEndpoint, natmodels.NotDropped, natmodels.NotDropped},
		{"apdm-apdf", natmodels.PerEndpoint, natmodels.NotDropped, natmodels.Filtered},
	} {
		n := presetNAT(t, c.preset, func(cfg *setup) { cfg.FilterScope = c.scope })
		external := n.out(boxtest.InsideA, boxtest.RemoteY1)
		n.out(boxtest.InsideA, boxtest.RemoteY2)
		n.want(c.preset+" scope "+c.scope.String(), n.in(boxtest.RemoteY2, external), c.want)
		other := netip.AddrPortFrom(boxtest.RemoteY2.Addr(), 9)
		n.want(c.preset+" other port, scope "+c.scope.String(), n.in(other, external), c.wantOther)
	}
}

// REQ-9: A NAT MUST support "Hairpinning". a) A NAT Hairpinning behavior MUST be
// "External source IP address and port".
//
// Deviation: NoHairpinning and InternalSource.
func TestREQ9_Hairpinning(t *testing.T) {
	for _, c := range []struct {
		mode     natmodels.HairpinMode
		action   natmodels.Action
		internal bool
	}{
		{natmodels.ExternalSource, natmodels.Hairpin, false}, {natmodels.InternalSource, natmodels.Hairpin, true}, {natmodels.NoHairpinning, natmodels.Drop, false},
	} {
		n := presetNAT(t, "full-cone", func(cfg *setup) { cfg.Hairpin = c.mode })
		a, b := n.out(boxtest.InsideA, boxtest.RemoteY1), n.out(boxtest.InsideB, boxtest.RemoteY1)
		v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: b}, n.now)
		n.want(c.mode.String(), v.Action, c.action)
		if c.action == natmodels.Drop {
			n.want(c.mode.String()+" reason", v.Reason, natmodels.HairpinOff)
			continue
		}
		source := a
		if c.internal {
			source = boxtest.InsideA
		}
		n.want(c.mode.String()+" packet", v.Packet, natmodels.Packet{Protocol: natmodels.UDP, Src: source, Dst: boxtest.InsideB})
	}
}

// Hairpinning is subject to filtering: both sides must have sent.
func TestREQ9_HairpinningIsFiltered(t *testing.T) {
	n := presetNAT(t, "port-restricted")
	a, b := n.out(boxtest.InsideA, boxtest.RemoteY1), n.out(boxtest.InsideB, boxtest.RemoteY1)
	n.want("A to B", n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: b}, n.now).Reason, natmodels.Filtered)
	n.want("B to A", n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideB, Dst: a}, n.now).Action, natmodels.Hairpin)
	n.want("A to B again", n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: b}, n.now).Action, natmodels.Hairpin)
}

// REQ-11: A NAT MUST have deterministic behavior, i.e., it MUST NOT change the NAT
// translation (Section 4) or the Filtering (Section 5) Behavior at any point in time,
// or under any particular conditions.
//
// Deviation: SetBehavior.
func TestREQ11_SameBehaviorUnderConflict(t *testing.T) {
	for _, name := range []string{"eim-eif", "eim-adf", "eim-apdf"} {
		n := presetNAT(t, name)
		first := n.out(boxtest.InsideA, boxtest.RemoteY1)
		other := netip.AddrPortFrom(boxtest.InsideB.Addr(), boxtest.InsideA.Port())
		second := n.out(other, boxtest.RemoteY1)
		n.want(name+": conflicting port", second.Port() != first.Port(), true)
		n.want(name+": first host, another destination", n.out(boxtest.InsideA, boxtest.RemoteY2), first)
		n.want(name+": second host, another destination", n.out(other, boxtest.RemoteY2), second)
	}
}

// Two NATs with one configuration and one sequence of packets answer alike.
func TestREQ11_SameSeedSameAnswers(t *testing.T) {
	forEachTranslator(t, func(n *natTest) {
		other, err := n.Model().New(n.Place())
		if err != nil {
			n.T.Fatal(err)
		}
		for i := range 2000 {
			p := natmodels.Packet{Protocol: natmodels.UDP, Src: inside(i % 300), Dst: netip.AddrPortFrom(boxtest.RemoteY1.Addr(), uint16(1+i%7))}
			n.wait(time.Second)
			if v, w := n.Outbound(p, n.now), other.Outbound(p, n.now); v != w {
				n.T.Fatalf("packet %d: %+v and %+v", i, v, w)
			}
		}
		n.want("counters", n.Stats(n.now), other.Stats(n.now))
	})
}

// REQ-11: A NAT MUST have deterministic behavior, i.e., it MUST NOT change the NAT
// translation or the Filtering Behavior at any point in time, or under any particular
// conditions.
//
// Deviation: UnderLoad, on purpose, and every Conntrack, whose mapping is
// endpoint-independent until two connections collide.
func TestREQ11_Deviations(t *testing.T) {
	n := presetNAT(t, "port-restricted", func(c *setup) { c.UnderLoad = UnderLoad{2, natmodels.AddressAndPortDependent, natmodels.Random} })
	n.want("alone", n.out(boxtest.InsideA, boxtest.RemoteY1) == n.out(boxtest.InsideA, boxtest.RemoteY2), true)
	n.out(boxtest.InsideB, boxtest.RemoteY1)
	n.want("under load", n.out(boxtest.InsideA, boxtest.RemoteY1) == n.out(boxtest.InsideA, boxtest.RemoteY2), false)

	n = linuxNAT(t)
	twin := netip.AddrPortFrom(boxtest.InsideB.Addr(), boxtest.InsideA.Port())
	n.want("overloaded", n.out(boxtest.InsideA, boxtest.RemoteY1) == n.out(twin, boxtest.RemoteY2), true)
	n.want("after a collision", n.out(twin, boxtest.RemoteY1) == n.out(boxtest.InsideA, boxtest.RemoteY1), false)
}

// REQ-12: Receipt of any sort of ICMP message MUST NOT terminate the NAT mapping. a)
// The NAT's default configuration SHOULD NOT filter ICMP messages based on their source
// IP address. b) It is RECOMMENDED that a NAT support ICMP Destination Unreachable
// messages.
func TestREQ12_ICMP(t *testing.T) {
	for _, name := range []string{"full-cone", "port-restricted", "symmetric", "linux"} {
		n := linuxNAT(t)
		if name != "linux" {
			n = presetNAT(t, name)
		}
		external := n.out(boxtest.InsideA, boxtest.RemoteY1)
		quoted := natmodels.Packet{Protocol: natmodels.UDP, Src: external, Dst: boxtest.RemoteY1}
		for code := range uint8(16) {
			v := n.Inbound(boxtest.ICMPError(natmodels.DestUnreachable, code, boxtest.RemoteY2.Addr(), external.Addr(), quoted), n.now)
			n.want(name+": unreachable from anybody", v.Action, natmodels.Forward)
			n.want(name+": for the inside host", v.Packet.Dst.Addr(), boxtest.InsideA.Addr())
			n.want(name+": about its packet", *v.Packet.Quoted, natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1})
		}
		n.want(name+": mapping after ICMP", n.in(boxtest.RemoteY1, external), natmodels.NotDropped)
	}
}
