package catalogue_test

import (
	"net/netip"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// What a theory reads of ports is what the engine does with the first packet of a host.
func TestPreservedPortsAreThoseOfTheEngine(t *testing.T) {
	all := map[string]natmodels.Model{}
	for _, name := range catalogue.Names() {
		m, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = m
	}
	for _, settings := range []string{
		"kind translator\nport-classes yes",
		"kind translator\nport-range 20000-29999",
		"kind translator\nport-range 20000-65535",
		"kind translator\nport-range 20000-65535\nport-classes yes",
		"kind translator\nport-range 1-65535\nports preserve",
		"kind conntrack\nport-range 20000-65535",
		"kind conntrack\nport-range 1-100",
		"kind prefix-translator\nprefixes 10.0.0.0/24=198.51.100.0/24",
		"kind firewall",
	} {
		e, err := catalogue.Parse(settings, settings)
		if err != nil {
			t.Fatal(err)
		}
		all[settings] = e.Model
	}
	for name, m := range all {
		b := m.Behavior()
		for _, port := range []uint16{1, 80, 1023, 1024, 5060, 19999, 20000, 29999, 30000, 40000, 65534, 65535} {
			e := catalogue.Entry{Model: m}
			n, err := m.New(natmodels.Place{External: []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}[:e.Addresses()], Seed: 1})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: netip.AddrPortFrom(boxtest.InsideA.Addr(), port), Dst: boxtest.RemoteY1}, boxtest.Start)
			if got := v.Action == natmodels.Forward && v.Packet.Src.Port() == port; got != b.PreservesPort(port) {
				t.Errorf("%s: port %d: preserved %v, and the behavior says %v", name, port, got, b.PreservesPort(port))
			}
		}
	}
}
