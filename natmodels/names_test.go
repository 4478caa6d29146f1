package natmodels

import (
	"errors"
	"testing"
)

// Every name that is printed can be read, and only those.
func TestNames(t *testing.T) {
	for b := EndpointIndependent; b <= AddressAndPortDependent; b++ {
		if got, err := ParseMapping(b.String()); got != b || err != nil {
			t.Errorf("%v: %v, %v", b, got, err)
		}
		if got, err := ParseFiltering(filteringCodes[b]); got != b || err != nil {
			t.Errorf("%v: %v, %v", b, got, err)
		}
	}
	seen := map[string]bool{}
	for _, r := range Reasons() {
		if seen[r.String()] || r.String() == "" {
			t.Errorf("reason %d has no name of its own", r)
		}
		seen[r.String()] = true
	}
	if got := Reason(200).String(); got != "unknown-200" {
		t.Error(got)
	}
}

func TestUnknownNames(t *testing.T) {
	for _, parse := range []func() error{
		func() error { _, err := ParseMapping("eif"); return err },
		func() error { _, err := ParseFiltering(""); return err },
		func() error { _, err := ParsePortChoice("prime"); return err },
		func() error { _, err := ParseHairpin("on"); return err },
	} {
		if err := parse(); !errors.Is(err, ErrUnknownName) {
			t.Errorf("got %v", err)
		}
	}
}
