package natmodels

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// The index finds what is in it and nothing else, through growth and removal, also
// when many hashes collide.
func TestIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, hashes := range []uint32{4, 64, 1 << 31} {
		var x index
		in := map[uint32]uint32{} // ref -> hash
		for ref := uint32(1); ref < 3000; ref++ {
			hash := random.Uint32N(hashes) * 0x9e3779b1
			x.insert(hash, ref)
			in[ref] = hash
			if gone := 1 + random.Uint32N(ref); random.IntN(3) == 0 && in[gone] != 0 {
				x.remove(in[gone], gone)
				delete(in, gone)
			}
		}
		if x.count != len(in) {
			t.Fatalf("%d hashes: count %d, want %d", hashes, x.count, len(in))
		}
		for ref, hash := range in {
			p := x.probe(hash)
			found := p.next()
			for found != 0 && found != ref {
				found = p.next()
			}
			if found != ref {
				t.Fatalf("%d hashes: %d is lost", hashes, ref)
			}
		}
		for ref, hash := range in {
			x.remove(hash, ref)
		}
		for _, s := range x.slots {
			if s.ref != 0 {
				t.Fatalf("%d hashes: %d remains", hashes, s.ref)
			}
		}
	}
}

// A timer never runs early or late, whatever its length and however few are handled
// for each packet.
func TestTimersAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, budget := range []int{0, 1, 3, enoughTimers} {
		for _, idle := range []time.Duration{1, 63, 64, 4096, time.Second, 24 * time.Hour, maxTimeout / 100} {
			n := presetNAT(t, "full-cone", func(c *Config) { c.IdleTimeout = idle })
			n.timersPerPacket = budget
			type deadline struct {
				external netip.AddrPort
				at       time.Time
			}
			var pending []deadline
			check := func() {
				for _, d := range pending {
					want := NotDropped
					if !n.now.Before(d.at) {
						want = Expired
					}
					if got := n.in(remoteY1, d.external); got != want {
						t.Fatalf("idle %v: %v from its deadline: %v", idle, n.now.Sub(d.at), got)
					}
				}
			}
			for port := range 40 {
				src := netip.AddrPortFrom(insideA.Addr(), uint16(2000+port))
				pending = append(pending, deadline{n.out(src, remoteY1), n.now.Add(idle)})
				n.wait(time.Duration(random.Int64N(int64(idle)/10 + 1)))
				check()
			}
			for _, d := range pending {
				if at := d.at.Add(-1); at.After(n.now) {
					n.now = at
					check()
				}
				if d.at.After(n.now) {
					n.now = d.at
					check()
				}
			}
			if s := n.Stats(n.now); s.Expired != 40 || s.Live != 0 {
				t.Fatalf("idle %v: %+v", idle, s)
			}
		}
	}
}

// The history is bounded: the oldest mappings are forgotten, the rest remembered.
func TestHistoryIsBounded(t *testing.T) {
	n := presetNAT(t, "full-cone")
	var externals []netip.AddrPort
	for i := range 2*historySize + 10 {
		n.wait(time.Second)
		externals = append(externals, n.out(netip.AddrPortFrom(insideA.Addr(), uint16(2000+i)), remoteY1))
	}
	n.wait(time.Hour)
	n.Advance(n.now)
	if len(n.history.ring) != historySize || len(n.history.by) != historySize {
		t.Fatalf("%d mappings remembered under %d names, want %d", len(n.history.ring), len(n.history.by), historySize)
	}
	for i, external := range externals {
		want := NoMapping
		if i >= len(externals)-historySize {
			want = Expired
		}
		n.want("reason", n.in(remoteY1, external), want)
	}
}

// Time never runs backwards.
func TestEarlierTimeCountsAsLatest(t *testing.T) {
	n := presetNAT(t, "full-cone")
	external := n.out(insideA, remoteY1)
	n.wait(time.Hour)
	n.want("late", n.in(remoteY1, external), Expired)
	n.wait(-time.Hour)
	n.want("late, told an earlier time", n.in(remoteY1, external), Expired)
	external = n.out(insideA, remoteY1)
	n.wait(time.Hour + 5*time.Minute - 1)
	n.want("new mapping", n.in(remoteY1, external), NotDropped)
}

// A packet on a mapping that is there costs no allocation, whatever its fate.
func TestNoAllocations(t *testing.T) {
	for _, name := range PresetNames() {
		cfg, _ := Preset(name)
		if cfg.Translates() {
			cfg.External = []netip.Addr{outsideA, outsideB}
		}
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		external := n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: remoteY1}, benchStart).Packet.Src
		n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: remoteY2}, benchStart)
		n.Outbound(Packet{Protocol: UDP, Src: insideB, Dst: external}, benchStart)
		now := benchStart
		got := testing.AllocsPerRun(100, func() {
			now = now.Add(time.Millisecond)
			n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: remoteY1}, now)
			n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: remoteY2}, now)
			n.Outbound(Packet{Protocol: UDP, Src: insideB, Dst: external}, now)
			n.Inbound(Packet{Protocol: UDP, Src: remoteY1, Dst: external}, now)
			n.Inbound(Packet{Protocol: UDP, Src: remoteY1p, Dst: external}, now)
			n.Inbound(Packet{Protocol: UDP, Src: remoteY2, Dst: external}, now)
			n.Inbound(Packet{Protocol: UDP, Src: remoteY2, Dst: netip.AddrPortFrom(outsideA, 9)}, now)
			n.Inbound(Packet{Protocol: 47, Src: remoteY2, Dst: external}, now)
		})
		if got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func TestPreservesPort(t *testing.T) {
	for _, name := range PresetNames() {
		cfg, _ := Preset(name)
		want := cfg.Mapping == EndpointIndependent
		if got := cfg.PreservesPort(5060); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		if !cfg.Translates() {
			continue
		}
		cfg.External = []netip.Addr{outsideA}
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Outbound(Packet{Protocol: UDP, Src: insideA, Dst: remoteY1}, benchStart).Packet.Src.Port() == insideA.Port(); got != want {
			t.Errorf("%s: the engine says %v, the configuration %v", name, got, want)
		}
	}
	if (Config{}).PreservesPort(80) {
		t.Error("port 80 lies outside the default range")
	}
	if (Config{PortChoice: Random}).PreservesPort(5060) {
		t.Error("random ports are not preserved")
	}
}

// Every name that is printed can be read, and only those.
func TestNames(t *testing.T) {
	for _, name := range PresetNames() {
		cfg, err := Preset(name)
		if err != nil {
			t.Error(err)
		}
		if summary, err := PresetSummary(name); err != nil || summary == "" {
			t.Errorf("%s: summary %q, %v", name, summary, err)
		}
		if again, _ := Preset(cfg.Code()); again.Code() != cfg.Code() {
			t.Errorf("%s has code %s, which means %s", name, cfg.Code(), again.Code())
		}
	}
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

// Every value out of range is refused with the name of its field.
func TestInvalidConfigNamesTheField(t *testing.T) {
	valid := Config{External: []netip.Addr{outsideA}}
	static := func(p Protocol, internal, external string) func(*Config) {
		return func(c *Config) {
			c.Static = []StaticMapping{{p, netip.MustParseAddrPort(internal), netip.MustParseAddrPort(external)}}
		}
	}
	for field, changes := range map[string][]func(*Config){
		"Kind":             {func(c *Config) { c.Kind = 9 }},
		"Mapping":          {func(c *Config) { c.Mapping = 3 }},
		"Filtering":        {func(c *Config) { c.Filtering = 3 }},
		"FilterScope":      {func(c *Config) { c.FilterScope = 2 }},
		"PortChoice":       {func(c *Config) { c.PortChoice = 4 }},
		"Refresh":          {func(c *Config) { c.Refresh = 3 }},
		"Hairpin":          {func(c *Config) { c.Hairpin = 3 }},
		"Pooling":          {func(c *Config) { c.Pooling = 2 }, func(c *Config) { c.Pooling = Arbitrary }},
		"Step":             {func(c *Config) { c.Step = 1 }, func(c *Config) { c.PortChoice = Sequential }},
		"PortRange":        {func(c *Config) { c.PortRange = PortRange{2, 1} }, func(c *Config) { c.PortRange = PortRange{0, 9} }},
		"IdleTimeout":      {func(c *Config) { c.IdleTimeout = -1 }, func(c *Config) { c.IdleTimeout = maxTimeout + 1 }},
		"UnrepliedTimeout": {func(c *Config) { c.UnrepliedTimeout = DefaultIdleTimeout + 1 }, func(c *Config) { c.UnrepliedTimeout = -1 }},
		"Blocks": {
			func(c *Config) { c.Blocks, c.PortChoice = Blocks{netip.MustParsePrefix("10.0.0.0/24"), 8}, Preserve },
			func(c *Config) {
				c.Blocks, c.UnderLoad = Blocks{netip.MustParsePrefix("10.0.0.0/24"), 8}, UnderLoad{Mappings: 2, PortChoice: Preserve}
			},
		},
		"External": {
			func(c *Config) { c.External = nil },
			func(c *Config) { c.External = []netip.Addr{{}} },
			func(c *Config) { c.External = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} },
			func(c *Config) { c.External = []netip.Addr{netip.MustParseAddr("224.0.0.1")} },
			func(c *Config) { c.External = []netip.Addr{outsideA, netip.MustParseAddr("2001:db8::1")} },
			func(c *Config) {
				for a := netip.MustParseAddr("198.18.0.0"); len(c.External) <= maxExternal; a = a.Next() {
					c.External = append(c.External, a.Next())
				}
			},
		},
		"Static": {
			static(ICMP, "10.0.0.5:80", "198.51.100.1:80"),
			static(UDP, "0.0.0.0:80", "198.51.100.1:80"),
			static(UDP, "[2001:db8::1]:80", "198.51.100.1:80"),
			static(UDP, "10.0.0.5:80", "198.51.100.2:80"),
			static(UDP, "10.0.0.5:80", "198.51.100.1:0"),
		},
	} {
		for i, change := range changes {
			cfg := valid
			change(&cfg)
			n, err := New(cfg)
			var problem *ConfigError
			if n != nil || !errors.Is(err, ErrInvalidConfig) || !errors.As(err, &problem) || problem.Field != field {
				t.Errorf("%s %d: got %v", field, i, err)
			}
		}
	}
}

func TestUnknownNames(t *testing.T) {
	for _, parse := range []func() error{
		func() error { _, err := Preset("easy"); return err },
		func() error { _, err := PresetSummary("hard"); return err },
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
