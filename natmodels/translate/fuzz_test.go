package translate

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// readConfig reads settings, honourable or not.
func readConfig(in *boxtest.Input) Config {
	cfg := Config{
		Mapping:          natmodels.Dependence(in.Byte()),
		Filtering:        natmodels.Dependence(in.Byte()),
		FilterScope:      natmodels.FilterScope(in.Byte()),
		PortChoice:       natmodels.PortChoice(in.Byte()),
		Step:             int(int16(in.Uint16())),
		PortRange:        natmodels.PortRange{First: in.Uint16(), Last: in.Uint16()},
		IdleTimeout:      in.Duration(),
		UnrepliedTimeout: in.Duration(),
		Refresh:          natmodels.Refresh(in.Byte()),
		Hairpin:          natmodels.HairpinMode(in.Byte()),
		Pooling:          natmodels.Pooling(in.Byte()),
	}
	readPolicy(in, &cfg)
	return cfg
}

// readPolicy reads the settings that few NATs have; where the input ends they are zero.
func readPolicy(in *boxtest.Input, cfg *Config) {
	seconds := func() time.Duration { return time.Duration(int8(in.Byte())) * time.Second }
	flags := in.Byte()
	cfg.Parity, cfg.Contiguous, cfg.PortClasses, cfg.TCP.Own = flags&1 != 0, flags&2 != 0, flags&4 != 0, flags&8 != 0
	cfg.ReuseDelay, cfg.StreamAfter, cfg.WellKnownTimeout, cfg.PermissionTimeout = seconds(), seconds(), seconds(), seconds()
	cfg.Unsolicited, cfg.WhenFull, cfg.TCP.SYN = natmodels.Unsolicited(in.Byte()), WhenFull(in.Byte()), SYNPolicy(in.Byte())
	cfg.TCP.Mapping, cfg.TCP.Filtering = natmodels.Dependence(in.Byte()), natmodels.Dependence(in.Byte())
	cfg.Limits = Limits{int(int8(in.Byte())), int(int8(in.Byte()))}
	cfg.UnderLoad = UnderLoad{int(int8(in.Byte())), natmodels.Dependence(in.Byte()), natmodels.PortChoice(in.Byte())}
	cfg.ICMPTimeout = seconds()
	if bits := int(in.Byte()); bits > 0 {
		cfg.Blocks = Blocks{netip.PrefixFrom(in.Addr(), bits).Masked(), int(in.Byte())}
	}
}

// readPrefix reads the prefix of a NAT64, or none.
func readPrefix(in *boxtest.Input) netip.Prefix {
	switch bits := int(in.Byte()); {
	case bits > 128:
		return WellKnownPrefix
	case bits > 0:
		return netip.PrefixFrom(in.Addr(), bits).Masked()
	}
	return netip.Prefix{}
}

func readModel(in *boxtest.Input) natmodels.Model {
	prefix, cfg := readPrefix(in), readConfig(in)
	if prefix.IsValid() {
		return NAT64{cfg, prefix}
	}
	return cfg
}

// fuzzConfig are settings that are valid, for the seeds, fuzzPlace a place for them.
var (
	fuzzConfig = slices.Concat([]byte{
		0,          // no NAT64
		2, 2, 1, 3, // apdm, apdf, per endpoint, sequential
		0, 1, 0x13, 0xc4, 0x13, 0xc8, // step 1, ports 5060-5064
		0, 0, 0x75, 0x30, 0, 0, 0, 0, // idle 30 s
		2, 1, 1, // refresh both, external source, arbitrary
	}, make([]byte, 19))
	fuzzPlace = []byte{
		7, 2, 0, 1, // seed, two addresses
		1, 17, 2, 0x1f, 0x90, 0, 0, 80, // one forward
	}
)

var fuzzed = boxtest.Fuzzed{
	Any: readModel,
	Valid: func(in *boxtest.Input, n natmodels.Box) natmodels.Model {
		cfg := readConfig(in)
		if six, ok := n.Model().(NAT64); ok {
			return cured(NAT64{cfg, six.Prefix}, n.Place())
		}
		return cured(cfg, n.Place())
	},
	Outbound: func(in *boxtest.Input, n natmodels.Box, p natmodels.Packet) natmodels.Packet {
		if six, ok := n.Model().(NAT64); ok && in.Byte()%8 > 0 {
			return fromHost(six.Prefix, p)
		}
		return p
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
			if !errors.As(e, &problem) {
				continue
			}
			cure := []string{problem.Setting}
			if problem.Setting == "step" { // sequential ports need one
				cure = append(cure, "ports")
			}
			for _, setting := range cure {
				if next, err := m.With(setting, "default"); err == nil {
					m = next
				}
			}
		}
	}
	return m
}

// FuzzConfig: New refuses what Validate refuses, with an error that names the setting, and
// a NAT of any other settings carries packets and keeps its counters.
func FuzzConfig(f *testing.F) {
	f.Add(slices.Concat(fuzzConfig, fuzzPlace))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := boxtest.Input(data)
		if n := boxtest.New(t, readModel(&in), in.Place()); n != nil {
			fuzzed.Play(t, n, &in)
		}
	})
}

// FuzzPackets plays any packets to a valid NAT, with changes of behavior between.
func FuzzPackets(f *testing.F) {
	f.Add([]byte{0, 2, 0x13, 0xc4, 4, 0x0d, 0x96, 1, 4, 0x0d, 0x96, 0, 0x13, 0xc4})
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, place := boxtest.Input(fuzzConfig), boxtest.Input(fuzzPlace)
		n, err := readModel(&cfg).New(place.Place())
		if err != nil {
			t.Fatal(err)
		}
		in := boxtest.Input(data)
		fuzzed.Play(t, n, &in)
	})
}

// FuzzMixed plays packets of every protocol, pauses and changes to a NAT or NAT64, and to
// what was saved of it before, which must answer the same.
func FuzzMixed(f *testing.F) {
	f.Add(fuzzConfig)
	f.Add(append([]byte{255}, fuzzConfig[1:]...))
	f.Add(slices.Concat([]byte{255}, fuzzConfig[1:], fuzzConfig, fuzzConfig))
	place := natmodels.Place{External: []netip.Addr{boxtest.OutsideA, boxtest.OutsideB}, Seed: 7}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := boxtest.Input(data)
		m := cured(readModel(&in), place)
		if six, ok := m.(NAT64); ok && six.Validate() != nil {
			m = cured(NAT64{six.Config, WellKnownPrefix}, place)
		}
		n, err := m.New(place)
		if err != nil {
			t.Fatal(err)
		}
		fuzzed.Mixed(t, n, &in)
	})
}
