package translate

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// A timer never runs early or late, whatever its length and however few are handled
// for each packet.
func TestTimersAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, budget := range []int{0, 1, 3, table.EnoughTimers} {
		for _, idle := range []time.Duration{1, 63, 64, 4096, time.Second, 24 * time.Hour, 365 * 24 * time.Hour} {
			n := presetNAT(t, "full-cone", func(c *setup) { c.IdleTimeout = idle })
			n.core().timersPerPacket = budget
			type deadline struct {
				external netip.AddrPort
				at       time.Time
			}
			var pending []deadline
			check := func() {
				for _, d := range pending {
					want := natmodels.NotDropped
					if !n.now.Before(d.at) {
						want = natmodels.Expired
					}
					if got := n.in(boxtest.RemoteY1, d.external); got != want {
						t.Fatalf("idle %v: %v from its deadline: %v", idle, n.now.Sub(d.at), got)
					}
				}
			}
			for port := range 40 {
				src := netip.AddrPortFrom(boxtest.InsideA.Addr(), uint16(2000+port))
				pending = append(pending, deadline{n.out(src, boxtest.RemoteY1), n.now.Add(idle)})
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
	for i := range 2*table.HistorySize + 10 {
		n.wait(time.Second)
		externals = append(externals, n.out(netip.AddrPortFrom(boxtest.InsideA.Addr(), uint16(2000+i)), boxtest.RemoteY1))
	}
	n.wait(time.Hour)
	n.Advance(n.now)
	if got := n.core().history.Len(); got != table.HistorySize {
		t.Fatalf("%d mappings remembered, want %d", got, table.HistorySize)
	}
	for i, external := range externals {
		want := natmodels.NoMapping
		if i >= len(externals)-table.HistorySize {
			want = natmodels.Expired
		}
		n.want("reason", n.in(boxtest.RemoteY1, external), want)
	}
}

// Time never runs backwards.
func TestEarlierTimeCountsAsLatest(t *testing.T) {
	n := presetNAT(t, "full-cone")
	external := n.out(boxtest.InsideA, boxtest.RemoteY1)
	n.wait(time.Hour)
	n.want("late", n.in(boxtest.RemoteY1, external), natmodels.Expired)
	n.wait(-time.Hour)
	n.want("late, told an earlier time", n.in(boxtest.RemoteY1, external), natmodels.Expired)
	external = n.out(boxtest.InsideA, boxtest.RemoteY1)
	n.wait(time.Hour + 5*time.Minute - 1)
	n.want("new mapping", n.in(boxtest.RemoteY1, external), natmodels.NotDropped)
}

// Every value out of range is refused with the name of its setting.
func TestInvalidConfigNamesTheSetting(t *testing.T) {
	valid := setup{Place: natmodels.Place{External: []netip.Addr{boxtest.OutsideA}}}
	static := func(p natmodels.Protocol, internal, external string) func(*setup) {
		return func(c *setup) {
			c.Static = []natmodels.StaticMapping{{Protocol: p, Internal: netip.MustParseAddrPort(internal), External: netip.MustParseAddrPort(external)}}
		}
	}
	for field, changes := range map[string][]func(*setup){
		"mapping":      {func(c *setup) { c.Mapping = 3 }},
		"filtering":    {func(c *setup) { c.Filtering = 3 }},
		"filter-scope": {func(c *setup) { c.FilterScope = 2 }},
		"ports":        {func(c *setup) { c.PortChoice = 4 }},
		"refresh":      {func(c *setup) { c.Refresh = 3 }},
		"hairpin":      {func(c *setup) { c.Hairpin = 3 }},
		"pooling":      {func(c *setup) { c.Pooling = 2 }, func(c *setup) { c.Pooling = natmodels.Arbitrary }},
		"step":         {func(c *setup) { c.Step = 1 }, func(c *setup) { c.PortChoice = natmodels.Sequential }},
		"port-range":   {func(c *setup) { c.PortRange = natmodels.PortRange{First: 2, Last: 1} }, func(c *setup) { c.PortRange = natmodels.PortRange{First: 0, Last: 9} }},
		"idle":         {func(c *setup) { c.IdleTimeout = -1 }, func(c *setup) { c.IdleTimeout = 101 * 365 * 24 * time.Hour }},
		"unreplied":    {func(c *setup) { c.UnrepliedTimeout = DefaultIdleTimeout + 1 }, func(c *setup) { c.UnrepliedTimeout = -1 }},
		"blocks": {
			func(c *setup) {
				c.Blocks, c.PortChoice = Blocks{netip.MustParsePrefix("10.0.0.0/24"), 8}, natmodels.Preserve
			},
			func(c *setup) {
				c.Blocks, c.UnderLoad = Blocks{netip.MustParsePrefix("10.0.0.0/24"), 8}, UnderLoad{Mappings: 2, PortChoice: natmodels.Preserve}
			},
		},
		"external": {
			func(c *setup) { c.External = nil },
			func(c *setup) { c.External = []netip.Addr{{}} },
			func(c *setup) { c.External = []netip.Addr{netip.MustParseAddr("fe80::1%eth0")} },
			func(c *setup) { c.External = []netip.Addr{netip.MustParseAddr("224.0.0.1")} },
			func(c *setup) { c.External = []netip.Addr{boxtest.OutsideA, netip.MustParseAddr("2001:db8::1")} },
			func(c *setup) {
				for a := netip.MustParseAddr("198.18.0.0"); len(c.External) <= 4096; a = a.Next() {
					c.External = append(c.External, a.Next())
				}
			},
		},
		"static": {
			static(natmodels.ICMP, "10.0.0.5:80", "198.51.100.1:80"),
			static(natmodels.UDP, "0.0.0.0:80", "198.51.100.1:80"),
			static(natmodels.UDP, "[2001:db8::1]:80", "198.51.100.1:80"),
			static(natmodels.UDP, "10.0.0.5:80", "198.51.100.2:80"),
			static(natmodels.UDP, "10.0.0.5:80", "198.51.100.1:0"),
		},
	} {
		for i, change := range changes {
			cfg := valid
			change(&cfg)
			n, err := cfg.nat()
			var problem *natmodels.ConfigError
			if n != nil || !errors.Is(err, natmodels.ErrInvalidConfig) || !errors.As(err, &problem) || problem.Setting != field {
				t.Errorf("%s %d: got %v", field, i, err)
			}
		}
	}
}
