package calibrate_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/calibrate"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/translate"
)

// Whatever the settings are together, the client measures them, or what theory
// says it must see instead.
func TestAnyConfig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model, place := anyNAT(t)
		r, err := calibrate.Measure("any", model, place)
		if errors.Is(err, natmodels.ErrInvalidConfig) {
			t.Skip("no such NAT")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Properties {
			if p.Verdict() == calibrate.Differs {
				t.Errorf("%s: configured %s, measured %s, visible %q", p.Name, p.Configured, p.Measured, p.Visible)
			}
		}
		if t.Failed() {
			t.Logf("%+v %+v\n%+v", model, place, r.Report.Notes)
		}
	})
}

func anyNAT(t *rapid.T) (natmodels.Model, natmodels.Place) {
	behavior := rapid.SampledFrom([]natmodels.Dependence{natmodels.EndpointIndependent, natmodels.AddressDependent, natmodels.AddressAndPortDependent})
	c := translate.Config{
		Mapping:     behavior.Draw(t, "mapping"),
		Filtering:   behavior.Draw(t, "filtering"),
		FilterScope: rapid.SampledFrom([]natmodels.FilterScope{natmodels.PerMapping, natmodels.PerEndpoint}).Draw(t, "scope"),
		PortChoice: rapid.SampledFrom([]natmodels.PortChoice{
			natmodels.PreserveElseRandom, natmodels.Preserve, natmodels.Random, natmodels.Sequential,
		}).Draw(t, "ports"),
		PortRange:   rapid.SampledFrom([]natmodels.PortRange{{}, {First: 20000, Last: 21000}, {First: 50001, Last: 65535}}).Draw(t, "range"),
		IdleTimeout: time.Duration(rapid.IntRange(20, 1900).Draw(t, "idle")) * time.Second,
		Refresh:     rapid.SampledFrom([]natmodels.Refresh{natmodels.RefreshOutbound, natmodels.RefreshInbound, natmodels.RefreshBoth}).Draw(t, "refresh"),
		Hairpin:     rapid.SampledFrom([]natmodels.HairpinMode{natmodels.NoHairpinning, natmodels.ExternalSource, natmodels.InternalSource}).Draw(t, "hairpin"),
		Unsolicited: rapid.SampledFrom([]natmodels.Unsolicited{natmodels.SilentDrop, natmodels.Reject}).Draw(t, "unsolicited"),
		Pooling:     rapid.SampledFrom([]natmodels.Pooling{natmodels.Paired, natmodels.Paired, natmodels.Arbitrary}).Draw(t, "pooling"),
	}
	place := natmodels.Place{Seed: rapid.Uint64().Draw(t, "seed")}
	if c.PortChoice == natmodels.Sequential {
		c.Step = rapid.SampledFrom([]int{1, 2, 7, -1, -3}).Draw(t, "step")
	}
	if rapid.Bool().Draw(t, "shorter unreplied") {
		c.UnrepliedTimeout = time.Duration(rapid.IntRange(15, int(c.IdleTimeout/time.Second)).Draw(t, "unreplied")) * time.Second
	}
	if rapid.Bool().Draw(t, "pool") {
		place.External = calibrate.Addresses(rapid.IntRange(2, 5).Draw(t, "addresses"))
	}
	if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
		return conntrackOf(c), place
	}
	return c, place
}

// conntrackOf keeps what a Conntrack has.
func conntrackOf(c translate.Config) conntrack.Config {
	k := conntrack.Config{
		Timers:      conntrack.Timers{Idle: c.IdleTimeout, Unreplied: c.UnrepliedTimeout},
		Unsolicited: natmodels.LocalEntry, PortRange: c.PortRange,
	}
	if k.Timers.Unreplied == 0 {
		k.Timers.Unreplied = min(30*time.Second, k.Timers.Idle)
	}
	if c.PortChoice == natmodels.Random {
		k.PortChoice = natmodels.Random
		k.PortRange = natmodels.PortRange{} // of few ports, two destinations may by chance see the same
	}
	if c.Pooling == natmodels.Arbitrary {
		k.Pooling = natmodels.PerDestination
	}
	return k
}
