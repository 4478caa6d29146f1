package natmodels

import (
	"slices"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	all := Catalogue()
	if len(all) < 20 {
		t.Errorf("only %d devices", len(all))
	}
	seen := PresetNames()
	for _, d := range all {
		if slices.Contains(seen, d.Name) {
			t.Errorf("%s: the name is taken", d.Name)
		}
		seen = append(seen, d.Name)
		if d.Title == "" || d.Observed == "" || len(d.Facts) == 0 {
			t.Errorf("%s: without title, observation or facts", d.Name)
		}
		for _, f := range d.Facts {
			if (f.Source == "") != (f.Confidence == Guess) {
				t.Errorf("%s: %v: what has no source is a guess, and nothing else is", d.Name, f)
			}
		}
		if d.Config.Translates() {
			for _, about := range aspects {
				if !slices.ContainsFunc(d.Facts, func(f Fact) bool { return slices.Contains(f.About, about) }) {
					t.Errorf("%s: no word on where its %s is from", d.Name, about)
				}
			}
		}
		cfg, err := Preset(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		cfg.External = worldExternal[:d.Addresses]
		n, err := New(cfg)
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		if v := n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: remoteY1}, benchStart); v.Action != Forward {
			t.Errorf("%s: %s", d.Name, n.Explain(v))
		}
	}
}

func TestLookupDevice(t *testing.T) {
	for _, name := range DeviceNames() {
		d, err := LookupDevice(name)
		if err != nil || d.Name != name {
			t.Errorf("%s: %v, %v", name, d.Name, err)
		}
		if lines := d.Settings(); len(lines) < 6 || strings.Contains(strings.Join(lines, ""), "unknown") {
			t.Errorf("%s: %q", name, lines)
		}
	}
	if _, err := LookupDevice("no-such-box"); err == nil || !strings.Contains(err.Error(), "linux-masquerade") {
		t.Errorf("unknown device: %v", err)
	}
	d, _ := LookupDevice("starlink-cgnat")
	if d.Confidence(AboutMapping) != Guess || d.Confidence(AboutLimits) != Low {
		t.Errorf("starlink: %v %v", d.Confidence(AboutMapping), d.Confidence(AboutLimits))
	}
}
