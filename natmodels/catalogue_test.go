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

// TestFactsCoverTheDevice: there is a word on where each aspect of a device is from, and
// none on what it has not.
func TestFactsCoverTheDevice(t *testing.T) {
	for _, d := range Catalogue() {
		want := slices.Clone(aspects)
		if !d.Config.Translates() {
			want = []string{AboutFiltering, AboutUDP, AboutTCP}
		}
		if d.Config.Limits != (Limits{}) {
			want = append(want, AboutLimits)
		}
		var got []string
		for _, f := range d.Facts {
			got = append(got, f.About...)
		}
		for _, about := range want {
			if !slices.Contains(got, about) {
				t.Errorf("%s: no word on where its %s is from", d.Name, about)
			}
		}
		for _, about := range got {
			if !slices.Contains(want, about) {
				t.Errorf("%s: it has no %s, but a fact about that", d.Name, about)
			}
		}
	}
}

func TestFactsNameTheirSource(t *testing.T) {
	for _, d := range Catalogue() {
		for _, f := range d.Facts {
			switch {
			case (f.Source == "") != (f.Confidence == Guess):
				t.Errorf("%s: %v: what has no source is a guess, and nothing else is", d.Name, f)
			case f.Source == "" && f.URL != "":
				t.Errorf("%s: %v: %s is no source", d.Name, f, f.URL)
			case f.URL != "" && !strings.HasPrefix(f.URL, "https://") && !strings.HasPrefix(f.URL, "http://"):
				t.Errorf("%s: %v: %s is no address", d.Name, f, f.URL)
			case f.Confidence > Medium && (strings.Contains(f.Source, "not read again") || strings.Contains(f.Source, "as quoted")):
				t.Errorf("%s: %v: so much cannot be known of what was not read", d.Name, f)
			case f.Confidence == Measured && d.Observed != measuredLinux:
				t.Errorf("%s: %v: packets were sent through Linux alone", d.Name, f)
			}
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
	if d.Confidence(AboutMapping) != Guess || d.Confidence(AboutLimits) != Medium {
		t.Errorf("starlink: %v %v", d.Confidence(AboutMapping), d.Confidence(AboutLimits))
	}
}
