package catalogue

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// all lists the devices.
func all(t *testing.T) []Entry {
	t.Helper()
	entries, err := entries()
	if err != nil {
		t.Fatal(err)
	}
	return entries[len(presets):]
}

func TestCatalogue(t *testing.T) {
	if len(all(t)) < 20 {
		t.Errorf("only %d devices", len(all(t)))
	}
	seen := PresetNames()
	for i, d := range all(t) {
		if slices.Contains(seen, d.Name) || d.Name != DeviceNames()[i] {
			t.Errorf("%s: the name is taken, or not that of its file", d.Name)
		}
		seen = append(seen, d.Name)
		if d.Title == "" || d.Observed == "" || len(d.Facts) == 0 {
			t.Errorf("%s: without title, observation or facts", d.Name)
		}
		n, err := d.Model.New(natmodels.Place{External: []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}[:d.Addresses()]})
		if err != nil {
			t.Errorf("%s: %v", d.Name, err)
			continue
		}
		if v := n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.InsideA, Dst: boxtest.RemoteY1}, boxtest.Start); v.Action != natmodels.Forward {
			t.Errorf("%s: %s", d.Name, n.Explain(v))
		}
	}
}

// TestFactsCoverTheDevice: there is a word on where each aspect of a device is from, and
// none on what it has not.
func TestFactsCoverTheDevice(t *testing.T) {
	for _, d := range all(t) {
		want := []string{AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutUDP, AboutTCP}
		if !d.Model.Behavior().Translates() {
			want = []string{AboutFiltering, AboutUDP, AboutTCP}
		}
		if slices.ContainsFunc(d.Model.Settings(), func(s natmodels.Setting) bool { return strings.HasPrefix(s.Name, "limit-") && s.Value != "" }) {
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
	for _, d := range all(t) {
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
			case f.Confidence == Measured && d.Observed != "Linux 6.18.44, nftables" && !strings.Contains(f.Source, "internal/realnats"):
				t.Errorf("%s: %v: packets were sent through Linux, and what internal/realnats has, alone", d.Name, f)
			}
		}
	}
}

func TestConfidence(t *testing.T) {
	d, err := Find("starlink-cgnat")
	if err != nil || d.Confidence(AboutMapping) != Guess || d.Confidence(AboutLimits) != Medium {
		t.Errorf("starlink: %v %v, %v", d.Confidence(AboutMapping), d.Confidence(AboutLimits), err)
	}
}

func TestUnknownNameIsShort(t *testing.T) {
	_, err := Lookup("ful-cone")
	if want := `catalogue: unknown NAT "ful-cone" (did you mean full-cone?)`; err == nil || err.Error() != want || !errors.Is(err, natmodels.ErrUnknownName) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Every name that is printed can be read.
func TestCodesAreNames(t *testing.T) {
	for _, name := range PresetNames() {
		e, err := Find(name)
		if err != nil || e.Title == "" || e.Observed != "" {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if again, err := Lookup(e.Model.Behavior().Code()); err != nil || again.Behavior().Code() != e.Model.Behavior().Code() {
			t.Errorf("%s has code %s: %v", name, e.Model.Behavior().Code(), err)
		}
	}
}
