package translate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// world is the engine and the model, side by side, and a twin of the engine that was
// saved and restored, and sweeps its timers at another pace.
type world struct {
	nat, twin *NAT
	model     *model
	now       time.Time
	protocols []natmodels.Protocol
	six       bool
	talks     []talk // the last ones
	homes     map[uint64]natmodels.MappingInfo
	sent      map[modelPort][]netip.AddrPort // by internal endpoint
	expected  map[modelPort][]netip.Addr     // by internal endpoint; invalid: anybody
	changed   bool                           // another behavior since
}

func newWorld(t *rapid.T, protocols ...natmodels.Protocol) *world {
	w := &world{now: boxtest.Start, protocols: protocols, homes: map[uint64]natmodels.MappingInfo{}, sent: map[modelPort][]netip.AddrPort{}, expected: map[modelPort][]netip.Addr{}}
	w.six = oneIn(t, 5, "ipv6")
	cfg := drawConfig(t)
	if w.six {
		cfg = sixConfig(cfg)
	}
	n, err := cfg.nat()
	if err != nil {
		t.Fatal(err)
	}
	n.timersPerPacket = rapid.IntRange(0, 2).Draw(t, "timers per packet")
	w.nat, w.twin = n, n.Snapshot().Restore().(*NAT)
	w.twin.timersPerPacket = table.EnoughTimers
	w.model = newModel(cfg, boxtest.Start)
	w.model.chosen = func(p natmodels.Packet) netip.AddrPort {
		newest := natmodels.MappingInfo{}
		for _, m := range w.twin.Mappings(w.now) {
			if m.Protocol == p.Protocol && m.Internal == p.Src && m.ID > newest.ID {
				newest = m
			}
		}
		return newest.External
	}
	return w
}

func (w *world) outbound(t *rapid.T) { w.sendOut(t, drawOutbound(t, w.talks, w.protocols)) }

func (w *world) inbound(t *rapid.T) { w.sendIn(t, drawInbound(t, w.talks, w.protocols)) }

// traffic is some packets, and pauses.
func (w *world) traffic(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "packets") {
		pickOne(t, "what", w.outbound, w.outbound, w.inbound, w.inbound, w.wait)(t)
	}
}

// converse is some segments of one connection, with its opening or without.
func (w *world) converse(t *rapid.T) {
	k := drawTalk(t, w.talks, []natmodels.Protocol{natmodels.TCP})
	if rapid.Bool().Draw(t, "opens") {
		w.sendOut(t, boxtest.TCP(natmodels.SYN, k.inside, k.remote))
		if len(w.talks) > 0 && w.talks[len(w.talks)-1].protocol == natmodels.TCP {
			k = w.talks[len(w.talks)-1]
		}
		w.sendIn(t, boxtest.TCP(natmodels.SYN|natmodels.ACK, k.remote, k.external))
	}
	for range rapid.IntRange(1, 6).Draw(t, "segments") {
		switch pickOne(t, "which way", judge.Inside, judge.Outside, 2) {
		case judge.Inside:
			w.sendOut(t, drawPacket(t, natmodels.TCP, k.inside, k.remote, 0, k.inside))
		case judge.Outside:
			w.sendIn(t, drawPacket(t, natmodels.TCP, k.remote, k.external, 0, k.inside))
		default:
			w.wait(t)
		}
	}
}

func (w *world) sendOut(t *rapid.T, p natmodels.Packet) {
	if w.six {
		p = sixPacket(p)
	}
	v, u := w.nat.Outbound(p, w.now), w.twin.Outbound(p, w.now)
	w.model.outbound(p, w.now, v)
	w.judge(t, p, v, u)
	if v.Reason == natmodels.NotDropped && p.Quoted == nil {
		w.remember(talk{p.Protocol, p.Src, v.Mapping.External, p.Dst})
	}
	w.sentTo(p, v)
}

// sentTo takes note of what may open a filter: also what was dropped on its way in.
func (w *world) sentTo(p natmodels.Packet, v natmodels.Verdict) {
	if p.Quoted == nil && v.Action != natmodels.Reply && v.Reason != natmodels.Invalid {
		at := modelPort{p.Protocol, p.Src}
		w.sent[at] = append(w.sent[at], remoteOf(p.Protocol, p.Dst))
	}
}

func (w *world) sendIn(t *rapid.T, p natmodels.Packet) {
	if w.six {
		p = sixPacket(p)
	}
	v, u := w.nat.Inbound(p, w.now), w.twin.Inbound(p, w.now)
	w.model.inbound(p, w.now, v)
	w.judge(t, p, v, u)
	if v.Action == natmodels.Forward && p.Quoted == nil {
		w.remember(talk{p.Protocol, v.Packet.Dst, p.Dst, p.Src})
		w.wasInvited(t, p, v.Packet.Dst, remoteOf(p.Protocol, p.Src), v.Mapping.Static)
	}
}

// remember keeps a talk in the words of IPv4, in which packets are drawn.
func (w *world) remember(k talk) {
	if w.six {
		four := func(e netip.AddrPort) netip.AddrPort {
			b := e.Addr().As16()
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), e.Port())
		}
		k.inside, k.external, k.remote = four(k.inside), four(k.external), four(k.remote)
		if k.protocol == natmodels.ICMPv6 {
			k.protocol = natmodels.ICMP
		}
	}
	if w.talks = append(w.talks, k); len(w.talks) > 6 {
		w.talks = w.talks[1:]
	}
}

// wasInvited: what filtering forbids is never delivered. Whoever is let in has been sent
// to by this internal endpoint, as far as filtering looks. A connection that a filter of
// old let in goes on.
func (w *world) wasInvited(t *rapid.T, p natmodels.Packet, internal, remote netip.AddrPort, static bool) {
	filtering := filteringOf(w.model.cfg, p.Protocol)
	if static || filtering == natmodels.EndpointIndependent || w.changed && p.Protocol == natmodels.TCP {
		return
	}
	for _, to := range w.sent[modelPort{p.Protocol, internal}] {
		if masked(filtering, to) == masked(filtering, remote) {
			return
		}
	}
	for _, from := range w.expected[modelPort{p.Protocol, internal}] {
		if !from.IsValid() || from == remote.Addr() {
			return
		}
	}
	t.Fatalf("%v was let in to %v, which never sent to it", p, internal)
}

// wait lets time pass, most often to just before, at, or just after an instant at
// which something happens by itself.
func (w *world) wait(t *rapid.T) {
	d := time.Duration(rapid.Int64Range(0, int64(6*time.Second)).Draw(t, "pause"))
	if instants := w.model.instants(); len(instants) > 0 && rapid.IntRange(0, 2).Draw(t, "to an instant?") > 0 {
		at := instants[min(len(instants)-1, rapid.IntRange(0, 7).Draw(t, "which"))]
		d = max(0, at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "ns"))).Sub(w.now))
	}
	w.now = w.now.Add(d)
}

// each does the same to the engine and to its twin.
func (w *world) each(f func(n *NAT) error) error {
	err := f(w.nat)
	if twin := f(w.twin); (err == nil) != (twin == nil) {
		panic("the twins disagree")
	}
	return err
}

// maybeAdvance tells the time, which the methods without a time do not: they act at
// the time of the last packet.
func (w *world) maybeAdvance(t *rapid.T) {
	if rapid.Bool().Draw(t, "advance") {
		_ = w.each(func(n *NAT) error { n.Advance(w.now); return nil })
		w.model.advance(w.now)
	}
}

func (w *world) flush(t *rapid.T) {
	w.maybeAdvance(t)
	_ = w.each(func(n *NAT) error { n.Flush(); return nil })
	w.model.flush()
}

func (w *world) renumber(t *rapid.T) {
	external := rapid.Permutation(worldExternal).Draw(t, "new addresses")
	external = slices.Clone(external[:rapid.IntRange(1, 2).Draw(t, "how many")])
	if w.six {
		external = sixConfig(setup{Place: natmodels.Place{External: external}}).External
	}
	w.maybeAdvance(t)
	if w.each(func(n *NAT) error { return n.Renumber(external) }) == nil {
		w.model.renumber(external)
		clear(w.homes)
	}
}

func (w *world) change(t *rapid.T) {
	cfg := drawBehavior(t, len(w.nat.Place().External))
	if w.six {
		cfg = sixConfig(cfg)
		cfg.External, cfg.Static = nil, nil
	}
	w.maybeAdvance(t)
	if err := w.each(func(n *NAT) error { return n.SetBehavior(cfg.model()) }); err != nil {
		t.Fatal(err)
	}
	w.model.setBehavior(cfg)
	w.changed = true
}

// save goes on with what was saved, after a detour that must leave no trace.
func (w *world) save(t *rapid.T) {
	saved := w.nat.Snapshot()
	for range rapid.IntRange(0, 3).Draw(t, "detour") {
		p := drawOutbound(t, w.talks, w.protocols)
		q := drawInbound(t, w.talks, w.protocols)
		w.nat.Outbound(p, w.now.Add(time.Second))
		w.nat.Inbound(q, w.now.Add(time.Minute))
	}
	elsewhere := sixConfig(setup{Place: natmodels.Place{External: worldExternal}}).External
	if w.six {
		elsewhere = worldExternal
	}
	_ = w.nat.Renumber(elsewhere[:1]) // refused or not
	w.nat.Flush()
	w.nat = saved.Restore().(*NAT)
}

// due asks for what the NAT sends by itself.
func (w *world) due(t *rapid.T) {
	w.model.advance(w.now)
	got, twin, want := w.nat.Due(w.now), w.twin.Due(w.now), w.model.due()
	if !slices.EqualFunc(got, want, natmodels.Packet.Equal) || !slices.EqualFunc(twin, want, natmodels.Packet.Equal) {
		t.Fatalf("due:\n got %v\ntwin %v\nwant %v", got, twin, want)
	}
}

// judge compares what became of a packet.
func (w *world) judge(t *rapid.T, p natmodels.Packet, v, u natmodels.Verdict) {
	if w.model.problem != "" {
		t.Fatalf("%s\n%+v", w.model.problem, w.nat.Config())
	}
	if problem := w.misexplained(v, w.nat.Explain(v)); problem != "" {
		t.Fatalf("%v: %s: %s", p, problem, w.nat.Explain(v))
	}
	same := v.Packet.Equal(u.Packet)
	v.Packet, u.Packet = natmodels.Packet{}, natmodels.Packet{}
	if !same || v != u {
		t.Fatalf("%v: %+v, but restored, %+v", p, v, u)
	}
}

// misexplained says what a sentence about a verdict lacks.
func (w *world) misexplained(v natmodels.Verdict, says string) string {
	var parts []string
	switch v.Action {
	case natmodels.Forward:
		parts = []string{v.Mapping.String()}
		if v.Created != strings.Contains(says, "new mapping") {
			return "new or not"
		}
	case natmodels.Hairpin:
		parts = []string{"hairpinned", v.Packet.Dst.String(), v.Mapping.String()}
	case natmodels.Reply:
		parts = []string{"answered by " + v.Packet.String(), v.Reason.String()}
	case natmodels.Drop:
		parts = []string{v.Reason.String() + ": "}
		if slices.Contains([]natmodels.Reason{natmodels.Filtered, natmodels.Expired, natmodels.Flushed, natmodels.Renumbered, natmodels.Evicted}, v.Reason) {
			parts = append(parts, v.Mapping.String())
		}
	}
	if f := w.model.byExternal(v.Mapping.Protocol, v.Mapping.External); v.Reason == natmodels.Filtered && f != nil {
		remotes, _ := w.model.admitted(f)
		for _, r := range remotes[:min(3, len(remotes))] {
			parts = append(parts, r.Addr().String())
		}
		if len(remotes) == 0 {
			parts = append(parts, "nobody")
		}
	}
	for _, part := range parts {
		if !strings.Contains(says, part) {
			return "not a word of " + part
		}
	}
	return ""
}

// look compares everything that can be seen from outside.
func (w *world) look(t *rapid.T) {
	w.model.advance(w.now)
	w.twin.Advance(w.now)
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
	at, ok := w.nat.NextDue()
	if wantAt, wantOK := w.model.nextDue(); ok != wantOK || !at.Equal(wantAt) {
		t.Fatalf("next due: got %v %v, want %v %v", at, ok, wantAt, wantOK)
	}
	w.invariants(t, got, stats)
}

// invariants hold whatever the model thinks.
func (w *world) invariants(t *rapid.T, mappings []natmodels.MappingInfo, s natmodels.Stats) {
	seen := map[modelPort]natmodels.MappingInfo{}
	for _, m := range mappings {
		at := modelPort{m.Protocol, m.External}
		if other, taken := seen[at]; taken {
			t.Fatalf("%v and %v share an external endpoint", other, m)
		}
		seen[at] = m
		if before, known := w.homes[m.ID]; known && before != m {
			t.Fatalf("%v was %v", m, before)
		}
		w.homes[m.ID] = m
	}
	if s.Outbound+s.Inbound != s.Forwarded+s.Hairpinned+s.Replied+s.DroppedTotal() {
		t.Fatalf("packets are not conserved: %+v", s)
	}
	if s.Created != s.Expired+s.Flushed+s.Renumbered+s.Closed+s.Evicted+s.Live {
		t.Fatalf("mappings are not conserved: %+v", s)
	}
	w.tables(t, len(mappings))
}

// tables: the engine holds what its mappings need, and nothing else.
func (w *world) tables(t *rapid.T, mappings int) {
	n := w.nat
	grants, sessions := 0, 0
	n.each(func(_ uint32, m *mapping) {
		for ref := m.moreGrants; ref != 0; ref = n.grants.At(ref).next {
			grants++
		}
		for ref := m.sessions; ref != 0; {
			sessions++
			if ref = n.sessions.At(ref).next; ref == m.sessions {
				break
			}
		}
	})
	for ref := range n.holes {
		if m := n.mappings.At(ref); m.id == 0 || !m.open {
			t.Fatalf("holes of mapping %d, which is not there", ref)
		}
	}
	if n.byFlow.Len() != mappings || n.byGrant.Len() != grants || n.bySession.Len() != sessions || len(n.endpoint) > mappings {
		t.Fatalf("%d mappings, %d grants and %d sessions, but tables of %d, %d, %d and %d",
			mappings, grants, sessions, n.byFlow.Len(), n.byGrant.Len(), n.bySession.Len(), len(n.endpoint))
	}
}

var worlds = map[string][]natmodels.Protocol{"udp": {natmodels.UDP}, "tcp": {natmodels.TCP}, "icmp": {natmodels.ICMP, natmodels.ICMP, natmodels.UDP}, "mixed": {natmodels.UDP, natmodels.TCP, natmodels.TCP, natmodels.ICMP}}

// TestEngineMatchesModel plays random packets, pauses and changes to the engine and
// to the model and wants the same answers.
func TestEngineMatchesModel(t *testing.T) {
	for _, name := range []string{"udp", "tcp", "icmp", "mixed"} {
		for range 4 {
			t.Run(name, rapid.MakeCheck(func(t *rapid.T) { engineMatchesModel(t, worlds[name]) }))
		}
	}
}

// FuzzEngineMatchesModel is the same under the control of the fuzzer.
func FuzzEngineMatchesModel(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { engineMatchesModel(t, worlds["mixed"]) }))
}

func engineMatchesModel(t *rapid.T, protocols []natmodels.Protocol) {
	w := newWorld(t, protocols...)
	actions := map[string]func(*rapid.T){
		"traffic":  w.traffic,
		"traffic2": w.traffic,
		"traffic3": w.traffic,
		"wait":     w.wait,
		"look":     w.look,
		"due":      w.due,
		"expect":   w.expect,
		"save":     w.save,
		"flush":    w.flush,
		"renumber": w.renumber,
		"change":   w.change,
	}
	if slices.Contains(protocols, natmodels.TCP) {
		actions["converse"], actions["converse2"], actions["converse3"] = w.converse, w.converse, w.converse
	}
	t.Repeat(actions)
	w.look(t)
}

// TestNoSideEffectOfLooking plays the same packets to two engines, one of which is
// looked at all the time: expiry must not depend on when somebody sweeps.
func TestNoSideEffectOfLooking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, worlds["mixed"]...)
		for range rapid.IntRange(1, 60).Draw(t, "packets") {
			w.wait(t)
			w.twin.Mappings(w.now)
			w.twin.NextDue()
			if rapid.Bool().Draw(t, "outbound") {
				w.outbound(t)
			} else {
				w.inbound(t)
			}
		}
	})
}
