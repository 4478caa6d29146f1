package conntrack

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// readModel reads settings, honourable or not.
func readModel(in *boxtest.Input) natmodels.Model {
	seconds := func() time.Duration { return time.Duration(int8(in.Byte())) * time.Second }
	flags := in.Byte()
	timers := Timers{
		Unreplied: seconds(), Idle: seconds(), StreamAfter: seconds(), ICMP: seconds(),
		SYNSent: seconds(), Established: seconds(), TimeWait: seconds(), Close: seconds(),
	}
	unsolicited := natmodels.Unsolicited(in.Byte())
	if flags&1 != 0 {
		return Firewall{natmodels.Dependence(in.Byte()), timers, unsolicited, flags&2 != 0}
	}
	c := Config{
		PortChoice: natmodels.PortChoice(in.Byte()), PortRange: natmodels.PortRange{First: in.Uint16(), Last: in.Uint16()},
		Pooling: natmodels.Pooling(in.Byte()), Timers: timers,
		Unsolicited: unsolicited, PassInvalid: flags&2 != 0, SIPHelper: flags&4 != 0,
	}
	if bits := int(in.Byte()); bits > 0 {
		c.Prefixes = []natmodels.PrefixMapping{{Internal: netip.PrefixFrom(in.Addr(), bits).Masked(), External: netip.PrefixFrom(in.Addr(), bits).Masked()}}
	}
	return c
}

var fuzzed = boxtest.Fuzzed{
	Any: readModel,
	Valid: func(in *boxtest.Input, n natmodels.Box) natmodels.Model {
		m := readModel(in)
		if c, ok := m.(Config); ok && !n.(*Tracker).firewall {
			c.Prefixes = n.(*Tracker).cfg.Prefixes
			m = c
		}
		return cured(m, n.Place())
	},
}

// cured is a model in which what cannot be honoured in a place is as by default.
func cured(m natmodels.Model, place natmodels.Place) natmodels.Model {
	for range len(settings) {
		_, err := m.New(place)
		if err == nil {
			return m
		}
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			var problem *natmodels.ConfigError
			if errors.As(e, &problem) {
				if next, err := m.With(problem.Setting, "default"); err == nil {
					m = next
				}
			}
		}
	}
	return m
}

var fuzzSeeds = [][]byte{
	{0}, {1}, {1, 30, 120, 2, 30, 60, 100, 60, 10, 1, 2},
	{6, 30, 120, 2, 30, 60, 100, 60, 10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 1, 2, 4, 3, 1, 2, 12, 1, 2, 3, 4, 5, 10, 0},
}

// FuzzConfig: New refuses what Validate refuses, with an error that names the setting, and
// a box of any other settings carries packets and keeps its counters.
func FuzzConfig(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := boxtest.Input(data)
		if n := boxtest.New(t, readModel(&in), in.Place()); n != nil {
			fuzzed.Play(t, n, &in)
		}
	})
}

// FuzzMixed plays packets of every protocol, pauses and changes to a box, and to what was
// saved of it before, which must answer the same.
func FuzzMixed(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := boxtest.Input(data)
		m, place := readModel(&in), natmodels.Place{External: []netip.Addr{boxtest.OutsideA}, Seed: 7}
		if _, ok := m.(Firewall); ok {
			place = natmodels.Place{}
		}
		n, err := cured(m, place).New(place)
		if err != nil {
			t.Fatal(err)
		}
		fuzzed.Mixed(t, n, &in)
	})
}

// Tables empty themselves, whatever went through.
func TestTablesEmpty(t *testing.T) {
	for _, m := range []natmodels.Model{
		Config{}, Config{PortChoice: natmodels.Random}, Config{Unsolicited: natmodels.LocalEntry, PassInvalid: true, SIPHelper: true}, Firewall{},
	} {
		place := natmodels.Place{External: []netip.Addr{boxtest.OutsideA}}
		if _, ok := m.(Firewall); ok {
			place = natmodels.Place{}
		}
		for seed := range uint64(5) {
			n, err := m.New(place)
			if err != nil {
				t.Fatal(err)
			}
			tr := &boxtest.Traffic{Rand: rand.New(rand.NewPCG(seed, 1)), Now: boxtest.Start}
			for range 2000 {
				tr.Send(n)
			}
			n.Advance(tr.Now.Add(6 * 24 * time.Hour))
			k := n.(*Tracker)
			if left := k.byTuple.Len() + k.bySender.newer.Len() + k.byHolder.newer.Len() + k.live; left != 0 {
				t.Fatalf("%+v: %d entries are left in the tables", m, left)
			}
		}
	}
}
