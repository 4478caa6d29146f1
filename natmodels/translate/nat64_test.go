package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// TestEmbedding has the examples of RFC 6052 section 2.4, and what stands in an address
// beside the prefix and the IPv4 address.
func TestEmbedding(t *testing.T) {
	four := netip.MustParseAddr("192.0.2.33")
	for _, c := range []struct{ prefix, six, also string }{
		{"2001:db8::/32", "2001:db8:c000:221::", "2001:db8:c000:221:ff00::1"},
		{"2001:db8:100::/40", "2001:db8:1c0:2:21::", "2001:db8:1c0:2:ff21::1"},
		{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::", "2001:db8:122:c000:ff02:2100::1"},
		{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::", "2001:db8:122:3c0:ff00:221::1"},
		{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::", "2001:db8:122:344:ffc0:2:2100:1"},
		{"2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33", "2001:db8:122:344::192.0.2.33"},
		{"64:ff9b::/96", "64:ff9b::192.0.2.33", "64:ff9b::192.0.2.33"},
	} {
		prefix := netip.MustParsePrefix(c.prefix)
		if got := embed(prefix, four); got != netip.MustParseAddr(c.six) {
			t.Errorf("%v behind %v is %v, want %v", four, prefix, got, c.six)
		}
		for _, six := range []string{c.six, c.also} {
			if got, ok := extract(prefix, netip.MustParseAddr(six)); !ok || got != four {
				t.Errorf("%v behind %v is %v, %v, want %v", six, prefix, got, ok, four)
			}
		}
		if got, ok := extract(prefix, netip.MustParseAddr("2001:db9::1")); ok {
			t.Errorf("2001:db9::1 is not behind %v, but %v", prefix, got)
		}
	}
}

// TestICMPTables has the tables of RFC 7915 sections 4.2 and 5.2, and nothing else is
// translated.
func TestICMPTables(t *testing.T) {
	const dropped = "dropped"
	inward := func(kind, code uint8) string {
		switch {
		case kind == 3 && code <= 15 && code != 14:
			return [...]string{"1/0", "1/0", "4/1", "1/4", "2/0", "1/0", "1/0", "1/0", "1/0", "1/1", "1/1", "1/0", "1/0", "1/1", "", "1/1"}[code]
		case kind == 11:
			return fmt.Sprintf("3/%d", code)
		case kind == 12 && (code == 0 || code == 2):
			return "4/0"
		}
		return dropped
	}
	outward := func(kind, code uint8) string {
		switch {
		case kind == 1 && code <= 4:
			return [...]string{"3/1", "3/10", "3/1", "3/1", "3/3"}[code]
		case kind == 2:
			return "3/4"
		case kind == 3:
			return fmt.Sprintf("11/%d", code)
		case kind == 4 && code <= 1:
			return [...]string{"12/0", "3/2"}[code]
		}
		return dropped
	}
	for i := range 1 << 16 {
		kind, code := uint8(i>>8), uint8(i)
		for from, want := range map[natmodels.Protocol]string{natmodels.ICMP: inward(kind, code), natmodels.ICMPv6: outward(kind, code)} {
			got, p := dropped, natmodels.Packet{Protocol: from, Type: kind, Code: code}
			if _, ok := errors64[icmpCode{from, kind, code}.general()]; ok {
				translateICMP(&p, from)
				got = fmt.Sprintf("%d/%d", p.Type, p.Code)
			}
			if got != want {
				t.Errorf("%v %d/%d is %s, want %s", from, kind, code, got, want)
			}
		}
	}
}

// isomorphism is a NAT64 and a NAT44 with the same settings, which do the same once
// addresses are exchanged: internal hosts for IPv6 hosts, remote ones for what is behind
// the prefix.
type isomorphism struct {
	four   *NAT
	six    natmodels.Box
	prefix netip.Prefix
	now    time.Time
	talks  []talk
}

// host is the IPv6 host that stands for an IPv4 one. The bytes of its prefix add up to a
// multiple of six, so that pooling pairs both alike.
func host(a netip.Addr) netip.Addr {
	if !a.Is4() {
		return a
	}
	return embed(netip.MustParsePrefix("2001:db8:0:4::/96"), a)
}

func hostEnd(e netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(host(e.Addr()), e.Port()) }

func behind(prefix netip.Prefix, e netip.AddrPort) netip.AddrPort {
	if !e.Addr().Is4() {
		return e
	}
	return netip.AddrPortFrom(embed(prefix, e.Addr()), e.Port())
}

// fromHost and toHost turn an IPv4 packet that leaves or reaches a host into that of
// IPv6. The packet that an error quotes went the other way.
func fromHost(prefix netip.Prefix, p natmodels.Packet) natmodels.Packet {
	p.Src, p.Dst = hostEnd(p.Src), behind(prefix, p.Dst)
	return inSix(p, func(q natmodels.Packet) natmodels.Packet { return toHost(prefix, q) })
}

func toHost(prefix netip.Prefix, p natmodels.Packet) natmodels.Packet {
	p.Src, p.Dst = behind(prefix, p.Src), hostEnd(p.Dst)
	return inSix(p, func(q natmodels.Packet) natmodels.Packet { return fromHost(prefix, q) })
}

func inSix(p natmodels.Packet, quoted func(natmodels.Packet) natmodels.Packet) natmodels.Packet {
	if p.Protocol == natmodels.ICMP {
		if p.Type == natmodels.DestUnreachable {
			p.Code = map[uint8]uint8{natmodels.HostUnreachable: 0, natmodels.PortUnreachable: 4}[p.Code]
		}
		p.Protocol = natmodels.ICMPv6
		p.Type = map[uint8]uint8{natmodels.EchoRequest: natmodels.V6EchoRequest, natmodels.EchoReply: natmodels.V6EchoReply, natmodels.DestUnreachable: natmodels.V6DestUnreachable, natmodels.TimeExceeded: natmodels.V6TimeExceeded}[p.Type]
	}
	if p.Quoted != nil {
		q := quoted(*p.Quoted)
		p.Quoted = &q
	}
	return p
}

// reversible gives an error a code that comes back from ICMPv6 as it was.
func reversible(p natmodels.Packet) natmodels.Packet {
	if p.Type == natmodels.DestUnreachable && p.Code == 0 {
		p.Code = natmodels.HostUnreachable
	}
	return p
}

// for64 turns the settings of a NAT44 into some that a NAT64 may have too.
func for64(cfg setup, prefix netip.Prefix) setup {
	const slower = 60
	cfg.Mapping, cfg.TCP.Mapping, cfg.UnderLoad.Mapping = natmodels.EndpointIndependent, natmodels.EndpointIndependent, natmodels.EndpointIndependent
	cfg.Filtering, cfg.TCP.Filtering = min(cfg.Filtering, natmodels.AddressDependent), min(cfg.TCP.Filtering, natmodels.AddressDependent)
	cfg.Hairpin = min(cfg.Hairpin, natmodels.ExternalSource)
	cfg.IdleTimeout *= slower
	cfg.UnrepliedTimeout *= slower
	cfg.StreamAfter *= slower
	cfg.WellKnownTimeout *= slower
	cfg.PermissionTimeout *= slower
	six := hosts64(cfg, prefix)
	blocks := cfg.Blocks
	cfg.Config = cured(six.model(), six.Place).(NAT64).Config
	if cfg.Blocks.Size > 0 {
		cfg.Blocks = blocks
	}
	return cfg
}

// hosts64 is the NAT64 for a NAT44.
func hosts64(cfg setup, prefix netip.Prefix) setup {
	cfg.NAT64 = prefix
	cfg.Static = slices.Clone(cfg.Static)
	for i, s := range cfg.Static {
		cfg.Static[i].Internal = hostEnd(s.Internal)
	}
	if b := &cfg.Blocks.Subscribers; b.IsValid() {
		*b = netip.PrefixFrom(host(b.Addr()), b.Bits()+96)
	}
	return cfg
}

func newIsomorphism(t *rapid.T) *isomorphism {
	w := &isomorphism{now: boxtest.Start}
	w.prefix = netip.MustParsePrefix(pickOne(t, "prefix", "64:ff9b::/96", "2001:db8:64::/48", "2001:db9::/32", "2001:db8:0:64::/64"))
	cfg := for64(drawConfig(t), w.prefix)
	var err, err64 error
	w.four, err = cfg.nat()
	w.six, err64 = hosts64(cfg, w.prefix).box()
	if err != nil || err64 != nil {
		t.Fatal(err, err64)
	}
	return w
}

// expected is what the NAT64 says where the NAT44 says v, of the packet p.
func (w *isomorphism) expected(from judge.Side, p natmodels.Packet, v natmodels.Verdict) natmodels.Verdict {
	if v.Mapping.Internal.IsValid() {
		v.Mapping.Internal = hostEnd(v.Mapping.Internal)
	}
	switch {
	case v.Action == natmodels.Drop:
		v.Packet = p
	case v.Action == natmodels.Reply && from == judge.Inside && v.Packet.Quoted != nil: // its own words
		code := map[uint8]uint8{natmodels.HostUnreachable: 3, natmodels.AdminProhibited: 1}[v.Packet.Code]
		v.Packet = toHost(w.prefix, v.Packet)
		v.Packet.Code = code
	case v.Action == natmodels.Hairpin || (v.Action == natmodels.Reply) == (from == judge.Inside):
		v.Packet = toHost(w.prefix, v.Packet)
	}
	return v
}

func (w *isomorphism) judge(t *rapid.T, from judge.Side, p natmodels.Packet, v, v64 natmodels.Verdict) {
	want := w.expected(from, p, v)
	same := want.Packet.Equal(v64.Packet)
	if says := w.six.Explain(v64); says == "" {
		t.Fatalf("%v: not explained", p)
	}
	a, b := want, v64
	a.Packet, b.Packet = natmodels.Packet{}, natmodels.Packet{}
	if !same || a != b {
		t.Fatalf("%v:\n got %+v %v\nwant %+v %v", p, b, v64.Packet, a, want.Packet)
	}
}

func (w *isomorphism) outbound(t *rapid.T) {
	p := reversible(drawOutbound(t, w.talks, worlds["mixed"]))
	v := w.four.Outbound(p, w.now)
	p64 := fromHost(w.prefix, p)
	w.judge(t, judge.Inside, p64, v, w.six.Outbound(p64, w.now))
	if v.Reason == natmodels.NotDropped && p.Quoted == nil {
		w.talks = append(w.talks, talk{p.Protocol, p.Src, v.Mapping.External, p.Dst})
		w.talks = w.talks[max(0, len(w.talks)-6):]
	}
}

func (w *isomorphism) inbound(t *rapid.T) {
	p := reversible(drawInbound(t, w.talks, worlds["mixed"]))
	w.judge(t, judge.Outside, p, w.four.Inbound(p, w.now), w.six.Inbound(p, w.now))
}

func (w *isomorphism) traffic(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "packets") {
		pickOne(t, "what", w.outbound, w.outbound, w.inbound, w.inbound, w.wait)(t)
	}
}

func (w *isomorphism) wait(t *rapid.T) {
	w.now = w.now.Add(drawSeconds(t, "wait", 0, 1, 6, 59, 60, 120, 240, 480, 1200))
}

func (w *isomorphism) expect(t *rapid.T) {
	e := natmodels.Expectation{
		Protocol: pickOne(t, "protocol", natmodels.UDP, natmodels.TCP), Internal: drawInside(t), Remote: drawRemote(t).Addr(),
		Lifetime: drawSeconds(t, "lifetime", 0, 30, 600),
	}
	external, reason := w.four.Expect(e, w.now)
	e.Internal = hostEnd(e.Internal)
	if external64, reason64 := w.six.Expect(e, w.now); external != external64 || reason != reason64 {
		t.Fatalf("expected at %v %v, not at %v %v", external64, reason64, external, reason)
	}
}

func (w *isomorphism) change(t *rapid.T) {
	place := w.four.Place()
	next := drawBehavior(t, len(place.External))
	next.Place = place
	next = for64(next, w.prefix)
	err, err64 := w.four.SetBehavior(next.model()), w.six.SetBehavior(hosts64(next, w.prefix).model())
	if err != nil || err64 != nil {
		t.Fatal(err, err64)
	}
}

func (w *isomorphism) renumber(t *rapid.T) {
	external := rapid.Permutation(worldExternal).Draw(t, "new addresses")
	external = external[:rapid.IntRange(1, 2).Draw(t, "how many")]
	if err, err64 := w.four.Renumber(external), w.six.Renumber(external); (err == nil) != (err64 == nil) {
		t.Fatal(err, err64)
	}
}

func (w *isomorphism) flush(*rapid.T) {
	w.four.Flush()
	w.six = w.six.Snapshot().Restore()
	w.six.Flush()
}

// look compares everything that can be seen from outside.
func (w *isomorphism) look(t *rapid.T) {
	mappings, mappings64 := w.four.Mappings(w.now), w.six.Mappings(w.now)
	for i, m := range mappings {
		m.Internal = hostEnd(m.Internal)
		if i >= len(mappings64) || mappings64[i] != m {
			t.Fatalf("mappings:\n got %v\nwant %v", mappings64, mappings)
		}
		remotes, all := w.four.Admitted(m, w.now)
		if remotes64, all64 := w.six.Admitted(m, w.now); all != all64 || !slices.Equal(remotes, remotes64) {
			t.Fatalf("%v admits\n got %v %v\nwant %v %v", m, remotes64, all64, remotes, all)
		}
	}
	if got, want := w.six.Stats(w.now), w.four.Stats(w.now); got != want {
		t.Fatalf("counters:\n got %+v\nwant %+v", got, want)
	}
	if got, want := w.six.Due(w.now), w.four.Due(w.now); !slices.EqualFunc(got, want, natmodels.Packet.Equal) {
		t.Fatalf("due:\n got %v\nwant %v", got, want)
	}
}

// TestNAT64IsIsomorphic plays the same packets, pauses and changes to a NAT44 and a NAT64.
func TestNAT64IsIsomorphic(t *testing.T) {
	for range 4 {
		t.Run("mixed", rapid.MakeCheck(isIsomorphic))
	}
}

// FuzzNAT64IsIsomorphic is the same under the control of the fuzzer.
func FuzzNAT64IsIsomorphic(f *testing.F) { f.Fuzz(rapid.MakeFuzz(isIsomorphic)) }

func isIsomorphic(t *rapid.T) {
	w := newIsomorphism(t)
	t.Repeat(map[string]func(*rapid.T){
		"traffic": w.traffic, "traffic2": w.traffic, "traffic3": w.traffic,
		"wait": w.wait, "look": w.look, "expect": w.expect,
		"flush": w.flush, "renumber": w.renumber, "change": w.change,
	})
	w.look(t)
}

// TestNAT64CountsWhatItDrops: a packet that does not get past the boundary is counted,
// and tells the time as any other.
func TestNAT64CountsWhatItDrops(t *testing.T) {
	n, err := NAT64{Prefix: WellKnownPrefix}.New(natmodels.Place{External: []netip.Addr{boxtest.OutsideA}})
	if err != nil {
		t.Fatal(err)
	}
	inside, server := hostEnd(boxtest.InsideA), behind(WellKnownPrefix, boxtest.RemoteY1)
	n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: inside, Dst: server}, boxtest.Start)
	later := boxtest.Start.Add(DefaultIdleTimeout)
	for _, v := range []natmodels.Verdict{
		n.Outbound(natmodels.Packet{Protocol: natmodels.UDP, Src: inside, Dst: inside}, later),
		n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: server, Dst: inside}, later),
	} {
		if v.Action != natmodels.Drop {
			t.Fatalf("%+v", v)
		}
	}
	v := n.Inbound(natmodels.Packet{Protocol: natmodels.UDP, Src: boxtest.RemoteY1, Dst: netip.AddrPortFrom(boxtest.OutsideA, boxtest.InsideA.Port())}, boxtest.Start)
	if v.Reason != natmodels.Expired {
		t.Fatalf("time ran backwards: %+v", v)
	}
	boxtest.Conserved(t, n, later)
	if s := n.Stats(later); s.Outbound != 2 || s.Inbound != 2 || s.DroppedTotal() != 3 {
		t.Fatalf("%+v", s)
	}
}
