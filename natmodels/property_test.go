package natmodels

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A small world, so that packets meet: three hosts with two ports, three remotes with
// two ports, few external ports.
var (
	worldExternal = []netip.Addr{outsideA, outsideB, netip.MustParseAddr("198.51.100.3")}
	worldRange    = PortRange{5060, 5065}
)

func drawInside(t *rapid.T) netip.AddrPort {
	host := rapid.SampledFrom([]string{"10.0.0.2", "10.0.0.3", "10.0.0.4"}).Draw(t, "host")
	port := rapid.SampledFrom([]uint16{5060, 5061, 7000}).Draw(t, "host port")
	return netip.AddrPortFrom(netip.MustParseAddr(host), port)
}

func drawRemote(t *rapid.T) netip.AddrPort {
	host := rapid.SampledFrom([]string{"203.0.113.20", "203.0.113.30", "10.0.0.3"}).Draw(t, "remote")
	port := rapid.SampledFrom([]uint16{3478, 3479, 53}).Draw(t, "remote port")
	return netip.AddrPortFrom(netip.MustParseAddr(host), port)
}

func drawExternal(t *rapid.T) netip.AddrPort {
	ip := rapid.SampledFrom(worldExternal).Draw(t, "external")
	port := rapid.Uint16Range(worldRange.First-1, worldRange.Last+1).Draw(t, "external port")
	return netip.AddrPortFrom(ip, port)
}

// drawBehavior draws the settings that a running NAT may change.
func drawBehavior(t *rapid.T, addresses int) Config {
	cfg := Config{
		Mapping:     rapid.SampledFrom([]Behavior{EndpointIndependent, AddressDependent, AddressAndPortDependent}).Draw(t, "mapping"),
		Filtering:   rapid.SampledFrom([]Behavior{EndpointIndependent, AddressDependent, AddressAndPortDependent}).Draw(t, "filtering"),
		FilterScope: rapid.SampledFrom([]FilterScope{PerMapping, PerEndpoint}).Draw(t, "scope"),
		PortChoice:  rapid.SampledFrom([]PortChoice{PreserveElseRandom, Preserve, Random, Sequential}).Draw(t, "ports"),
		PortRange:   worldRange,
		Refresh:     rapid.SampledFrom([]Refresh{RefreshOutbound, RefreshInbound, RefreshBoth}).Draw(t, "refresh"),
		Hairpin:     rapid.SampledFrom([]HairpinMode{NoHairpinning, ExternalSource, InternalSource}).Draw(t, "hairpin"),
		IdleTimeout: time.Duration(rapid.IntRange(5, 20).Draw(t, "idle")) * time.Second,
		Seed:        rapid.Uint64Range(0, 100).Draw(t, "seed"),
	}
	cfg.UnrepliedTimeout = time.Duration(rapid.IntRange(0, int(cfg.IdleTimeout/time.Second)).Draw(t, "unreplied")) * time.Second
	cfg.PortRange.Last -= uint16(rapid.IntRange(0, 3).Draw(t, "fewer ports"))
	if cfg.PortChoice == Sequential {
		cfg.Step = rapid.SampledFrom([]int{1, 2, -1}).Draw(t, "step")
	}
	drawPolicy(t, &cfg)
	if addresses > 1 {
		cfg.Pooling = rapid.SampledFrom([]Pooling{Paired, Arbitrary}).Draw(t, "pooling")
	}
	return cfg
}

// drawPolicy draws the settings that few NATs have.
func drawPolicy(t *rapid.T, cfg *Config) {
	seconds := func(name string) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 0, 2, 3, 5}).Draw(t, name)) * time.Second
	}
	if cfg.Unreplied() < cfg.Idle() {
		cfg.StreamAfter = seconds("stream after")
	}
	cfg.WellKnownTimeout = min(cfg.Unreplied(), seconds("well-known"))
	if cfg.Filtering != EndpointIndependent && cfg.FilterScope == PerMapping {
		cfg.PermissionTimeout = seconds("permission")
	}
	if cfg.PortChoice != Sequential {
		cfg.ReuseDelay = seconds("reuse delay")
		cfg.Parity = rapid.Bool().Draw(t, "parity")
	}
	switch rapid.IntRange(0, 3).Draw(t, "limits") {
	case 1:
		cfg.Limits.PerSubscriber = 2
		cfg.WhenFull = rapid.SampledFrom([]WhenFull{RefuseSilently, RefuseICMP, EvictOldest}).Draw(t, "when full")
	case 2:
		cfg.Limits.Total = 3
		cfg.WhenFull = rapid.SampledFrom([]WhenFull{RefuseSilently, RefuseICMP, EvictOldest}).Draw(t, "when full")
	case 3:
		cfg.WhenFull = RefuseICMP
	}
}

func drawConfig(t *rapid.T) Config {
	addresses := rapid.IntRange(1, 2).Draw(t, "addresses")
	cfg := drawBehavior(t, addresses)
	cfg.External = slices.Clone(worldExternal[:addresses])
	if rapid.Bool().Draw(t, "static") {
		cfg.Static = []StaticMapping{{UDP, netip.MustParseAddrPort("10.0.0.4:7000"), netip.AddrPortFrom(cfg.External[addresses-1], 5061)}}
	}
	return cfg
}

// world is the engine and the model, side by side.
type world struct {
	nat   *NAT
	model *model
	now   time.Time
}

func newWorld(t *rapid.T) *world {
	cfg := drawConfig(t)
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.timersPerPacket = rapid.IntRange(0, 2).Draw(t, "timers per packet")
	w := &world{n, newModel(cfg, benchStart), benchStart}
	w.model.chosen = func(internal netip.AddrPort) netip.AddrPort {
		newest := MappingInfo{}
		for _, m := range n.Mappings(w.now) {
			if m.Internal == internal && m.ID > newest.ID {
				newest = m
			}
		}
		return newest.External
	}
	return w
}

func (w *world) outbound(t *rapid.T) {
	p := Packet{Protocol: UDP, Src: drawInside(t), Dst: drawRemote(t)}
	if rapid.IntRange(0, 3).Draw(t, "hairpin?") == 0 {
		p.Dst = drawExternal(t)
	}
	w.model.outbound(p, w.now, w.nat.Outbound(p, w.now))
	w.judge(t)
}

func (w *world) inbound(t *rapid.T) {
	p := Packet{Protocol: UDP, Src: drawRemote(t), Dst: drawExternal(t)}
	w.model.inbound(p, w.now, w.nat.Inbound(p, w.now))
	w.judge(t)
}

// wait lets time pass, most often to just before, at, or just after an instant at
// which something expires.
func (w *world) wait(t *rapid.T) {
	d := time.Duration(rapid.Int64Range(0, int64(6*time.Second)).Draw(t, "pause"))
	if len(w.model.flows) > 0 && rapid.IntRange(0, 2).Draw(t, "to a deadline?") > 0 {
		f := rapid.SampledFrom(w.model.flows).Draw(t, "flow")
		offset := time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns"))
		d = max(0, w.model.deadline(f).Add(offset).Sub(w.now))
		if f.info.Static {
			d = 0
		}
	}
	w.now = w.now.Add(d)
}

// maybeAdvance tells the time, which the methods without a time do not: they act at
// the time of the last packet.
func (w *world) maybeAdvance(t *rapid.T) {
	if rapid.Bool().Draw(t, "advance") {
		w.nat.Advance(w.now)
		w.model.advance(w.now)
	}
}

func (w *world) flush(t *rapid.T) {
	w.maybeAdvance(t)
	w.nat.Flush()
	w.model.flush()
}

func (w *world) renumber(t *rapid.T) {
	external := rapid.Permutation(worldExternal).Draw(t, "new addresses")
	external = external[:rapid.IntRange(1, 2).Draw(t, "how many")]
	w.maybeAdvance(t)
	if w.nat.Renumber(external) == nil {
		w.model.renumber(external)
	}
}

func (w *world) change(t *rapid.T) {
	cfg := drawBehavior(t, len(w.nat.Config().External))
	w.maybeAdvance(t)
	if err := w.nat.SetBehavior(cfg); err != nil {
		t.Fatal(err)
	}
	w.model.setBehavior(cfg)
}

func (w *world) judge(t *rapid.T) {
	if w.model.problem != "" {
		t.Fatal(w.model.problem)
	}
}

// look compares everything that can be seen from outside.
func (w *world) look(t *rapid.T) {
	w.model.advance(w.now)
	got, want := w.nat.Mappings(w.now), w.model.mappings()
	if !slices.Equal(got, want) {
		t.Fatalf("mappings:\n got %v\nwant %v", got, want)
	}
	for _, f := range w.model.flows {
		got, gotAll := w.nat.Admitted(f.info, w.now)
		want, wantAll := w.model.admitted(f)
		if !slices.Equal(got, want) || gotAll != wantAll {
			t.Fatalf("%v admits\n got %v %v\nwant %v %v", f.info, got, gotAll, want, wantAll)
		}
	}
	stats, expect := w.nat.Stats(w.now), w.model.stats
	expect.Live = uint64(len(want)) - expect.Static
	if stats != expect {
		t.Fatalf("counters:\n got %+v\nwant %+v", stats, expect)
	}
	w.invariants(t, got, stats)
}

// invariants hold whatever the model thinks.
func (w *world) invariants(t *rapid.T, mappings []MappingInfo, s Stats) {
	seen := map[netip.AddrPort]MappingInfo{}
	for _, m := range mappings {
		if other, taken := seen[m.External]; taken {
			t.Fatalf("%v and %v share an external endpoint", other, m)
		}
		seen[m.External] = m
	}
	if s.Outbound+s.Inbound != s.Forwarded+s.Hairpinned+s.Replied+s.DroppedTotal() {
		t.Fatalf("packets are not conserved: %+v", s)
	}
	if s.Created != s.Expired+s.Flushed+s.Renumbered+s.Closed+s.Evicted+s.Live {
		t.Fatalf("mappings are not conserved: %+v", s)
	}
	grants := 0
	w.nat.each(func(_ uint32, m *mapping) {
		for ref := m.moreGrants; ref != 0; ref = w.nat.grants.at(ref).next {
			grants++
		}
	})
	if w.nat.byFlow.count != len(mappings) || w.nat.byGrant.count != grants || len(w.nat.endpoint) > len(mappings) {
		t.Fatalf("%d mappings and %d grants, but tables of %d, %d and %d", len(mappings), grants, w.nat.byFlow.count, w.nat.byGrant.count, len(w.nat.endpoint))
	}
}

// TestEngineMatchesModel plays random packets, pauses and changes to the engine and
// to the model and wants the same answers.
func TestEngineMatchesModel(t *testing.T) { rapid.Check(t, engineMatchesModel) }

// FuzzEngineMatchesModel is the same under the control of the fuzzer.
func FuzzEngineMatchesModel(f *testing.F) { f.Fuzz(rapid.MakeFuzz(engineMatchesModel)) }

func engineMatchesModel(t *rapid.T) {
	w := newWorld(t)
	t.Repeat(map[string]func(*rapid.T){
		"out":      w.outbound,
		"out2":     w.outbound,
		"in":       w.inbound,
		"in2":      w.inbound,
		"wait":     w.wait,
		"look":     w.look,
		"flush":    w.flush,
		"renumber": w.renumber,
		"change":   w.change,
	})
	w.look(t)
}

// TestNoSideEffectOfLooking plays the same packets to two engines, one of which is
// looked at all the time: expiry must not depend on when somebody sweeps.
func TestNoSideEffectOfLooking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		other, err := New(w.nat.Config())
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			w.wait(t)
			other.Mappings(w.now)
			var v, u Verdict
			if p := (Packet{Protocol: UDP, Src: drawInside(t), Dst: drawRemote(t)}); rapid.Bool().Draw(t, "outbound") {
				v, u = w.nat.Outbound(p, w.now), other.Outbound(p, w.now)
				w.model.outbound(p, w.now, v)
			} else {
				p = Packet{Protocol: UDP, Src: p.Dst, Dst: drawExternal(t)}
				v, u = w.nat.Inbound(p, w.now), other.Inbound(p, w.now)
				w.model.inbound(p, w.now, v)
			}
			same := v.Packet.Equal(u.Packet)
			v.Packet, u.Packet = Packet{}, Packet{}
			if !same || v != u {
				t.Fatalf("%+v, but looked at, %+v", v, u)
			}
		}
		w.judge(t)
	})
}
