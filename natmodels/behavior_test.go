package natmodels

import "testing"

// What a theory reads is what the engine does.
func TestBehaviorAgreesWithConfig(t *testing.T) {
	all := map[string]Config{"classes": {PortClasses: true}, "range": {PortRange: PortRange{20000, 29999}}, "both": {PortClasses: true, PortRange: PortRange{20000, 29999}}}
	for _, name := range append(PresetNames(), DeviceNames()...) {
		c, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = c
	}
	for name, c := range all {
		b := c.Behavior()
		if b.Translates() != c.Translates() || b.Idle != c.Idle() || b.Unreplied != c.Unreplied() || b.Mapping != c.Mapping {
			t.Errorf("%s: %+v", name, b)
		}
		for _, port := range []uint16{1, 80, 1023, 1024, 5060, 19999, 20000, 29999, 30000, 40000, 65535} {
			if b.PreservesPort(port) != c.PreservesPort(port) {
				t.Errorf("%s: port %d: %v, the settings say %v", name, port, b.PreservesPort(port), c.PreservesPort(port))
			}
		}
	}
}
