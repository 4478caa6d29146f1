package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// WellKnownPrefix is that of RFC 6052 section 2.1.
var WellKnownPrefix = netip.MustParsePrefix("64:ff9b::/96")

// NAT64 is a [natmodels.Model] between IPv6 inside and IPv4 outside (RFC 6146): packets from
// the inside go to IPv4 addresses behind the prefix, as RFC 6052 section 2.2 embeds them,
// and packets to the inside come from there.
//
// Mapping must be endpoint-independent, filtering endpoint-independent or
// address-dependent, the two that RFC 6146 describes, and no UDP timer below two minutes.
type NAT64 struct {
	Config
	Prefix netip.Prefix
}

// minUDP64 is UDP_MIN of RFC 6146 section 4.
const minUDP64 = 2 * time.Minute

// Behavior is that of the translation, of the kind NAT64.
func (c NAT64) Behavior() natmodels.Behavior {
	b := c.Config.Behavior()
	b.Kind = natmodels.NAT64
	return b
}

// Settings lists every setting.
func (c NAT64) Settings() []natmodels.Setting { return settings64.List(c) }

// With changes one setting.
func (c NAT64) With(name string, words ...string) (natmodels.Model, error) {
	return settings64.With(c, name, words)
}

// Validate reports every setting that New could not honour.
func (c NAT64) Validate() error { return errors.Join(c.problems()...) }

// New returns such a NAT in its place.
func (c NAT64) New(place natmodels.Place) (natmodels.Box, error) {
	p := c.problems()
	c.checkPlace(&p, place)
	if err := errors.Join(p...); err != nil {
		return nil, err
	}
	return &nat64{newNAT(c.Config, place, true), c.Prefix}, nil
}

func (c NAT64) problems() judge.Problems {
	p := c.Config.problems()
	prefix := c.Prefix
	switch a := prefix.Addr(); {
	case !prefix.IsValid() || prefix != prefix.Masked() || !a.Is6() || judge.AddrProblem(a) != "":
		p.Add(settingPrefix64, "%v is not a prefix of IPv6", prefix)
	case !slices.Contains(lengths64, prefix.Bits()):
		p.Add(settingPrefix64, "%v: its length must be one of %v (RFC 6052 section 2.2)", prefix, lengths64)
	case a.As16()[uOctet] != 0:
		p.Add(settingPrefix64, "%v: bits 64 to 71 must be zero (RFC 6052 section 2.2)", prefix)
	}
	c.checkMapping64(&p)
	c.checkTimers64(&p)
	if c.Hairpin == natmodels.InternalSource {
		p.Add("hairpin", "what a NAT64 hairpins is from the external endpoint of its sender (RFC 6146 section 3.8)")
	}
	return p
}

func (c NAT64) checkMapping64(p *judge.Problems) {
	for _, s := range []struct {
		setting            string
		mapping, filtering natmodels.Dependence
	}{{"mapping", c.Mapping, 0}, {"filtering", 0, c.Filtering}, {"tcp", c.TCP.Mapping, c.TCP.Filtering}, {"under-load", c.UnderLoad.Mapping, 0}} {
		if s.mapping != natmodels.EndpointIndependent {
			p.Add(s.setting, "a NAT64 has endpoint-independent mapping (RFC 6146 section 3.5), not %v", s.mapping)
		}
		if s.filtering == natmodels.AddressAndPortDependent {
			p.Add(s.setting, "a NAT64 has endpoint-independent or address-dependent filtering (RFC 6146 section 3.5), not %v", s.filtering)
		}
	}
}

func (c NAT64) checkTimers64(p *judge.Problems) {
	for _, t := range []struct {
		setting string
		lasts   time.Duration
	}{{"idle", c.IdleTimeout}, {"unreplied", c.UnrepliedTimeout}, {"well-known", c.WellKnownTimeout}, {"permission", c.PermissionTimeout}} {
		if t.lasts > 0 && t.lasts < minUDP64 {
			p.Add(t.setting, "%v is less than the %v that a UDP session of a NAT64 lives at least (RFC 6146 section 4)", t.lasts, minUDP64)
		}
	}
}

func (c NAT64) checkPlace(p *judge.Problems, place natmodels.Place) {
	c.Config.checkPlace(p, place, true)
	if len(place.External) > 0 && !place.External[0].Is4() {
		p.Add("external", "%v: a NAT64 has IPv4 outside", place.External[0])
	}
	for _, s := range place.Static {
		if c.Prefix.Contains(s.Internal.Addr()) {
			p.Add("static", "internal %v is in the prefix %v of the NAT64", s.Internal, c.Prefix)
		}
	}
}

// nat64 decorates a NAT: packets from the inside are turned into IPv4 at the boundary, all
// but their internal endpoint, which stays as it is, and those to the inside into IPv6.
// Between the two it is the NAT that all the others are: its mappings are the BIB entries
// of the RFC, with an IPv6 internal and an IPv4 external endpoint, those of queries of
// protocol ICMP.
type nat64 struct {
	*NAT
	prefix netip.Prefix
}

// Mute is no promise of this NAT.
func (n *nat64) Mute() bool { return false }

// Model is the configuration in force.
func (n *nat64) Model() natmodels.Model { return NAT64{n.cfg, n.prefix} }

// Outbound handles a packet of IPv6.
func (n *nat64) Outbound(p natmodels.Packet, now time.Time) natmodels.Verdict {
	in, problem := p, n.problem(judge.Inside, &p)
	if problem == natmodels.NotDropped {
		in, problem = toFour(n.prefix, p)
	}
	if problem != natmodels.NotDropped {
		return n.turnAway(judge.Inside, p, problem, now)
	}
	v := n.NAT.Outbound(in, now)
	return n.leave(p, v, v.Action == natmodels.Hairpin || v.Action == natmodels.Reply)
}

// Inbound handles a packet of IPv4.
func (n *nat64) Inbound(p natmodels.Packet, now time.Time) natmodels.Verdict {
	if problem := n.problem(judge.Outside, &p); problem != natmodels.NotDropped {
		return n.turnAway(judge.Outside, p, problem, now)
	}
	v := n.NAT.Inbound(p, now)
	return n.leave(p, v, v.Action == natmodels.Forward)
}

// turnAway drops a packet that does not get past the boundary. It tells the time as any
// other.
func (n *nat64) turnAway(from judge.Side, p natmodels.Packet, problem natmodels.Reason, now time.Time) natmodels.Verdict {
	n.expireSome(n.clock.Tick(now))
	n.count(from)
	return n.drop(p, problem)
}

// leave turns what the NAT made of p into IPv6 if it goes to the inside. A Drop has the
// packet as it came.
func (n *nat64) leave(p natmodels.Packet, v natmodels.Verdict, toInside bool) natmodels.Verdict {
	switch {
	case v.Action == natmodels.Drop:
		v.Packet = p
	case toInside && v.Action == natmodels.Reply && v.Packet.Quoted != nil: // an error of its own
		v.Packet = judge.Unreachable(p, embed(n.prefix, v.Packet.Src.Addr()), v.Packet.Code)
	case toInside:
		v.Packet = toSix(n.prefix, v.Packet)
	}
	return v
}

// problem checks that a packet is of the family of its side, and can be translated.
func (n *nat64) problem(from judge.Side, p *natmodels.Packet) natmodels.Reason {
	family := n.pools[0].ip
	if from == judge.Inside {
		family = n.prefix.Addr()
	}
	if _, _, problem := judge.UnpackFor(p, family); problem != natmodels.NotDropped {
		return problem
	}
	if from == judge.Inside && n.prefix.Contains(p.Src.Addr()) {
		return natmodels.BadPacket // it would go in circles (RFC 6146 section 3.5)
	}
	if p.Quoted != nil {
		if _, ok := errors64[icmpCode{p.Protocol, p.Type, p.Code}.general()]; !ok {
			return natmodels.Invalid
		}
	}
	return natmodels.NotDropped
}

// Expect is that of the NAT, for hosts that are not behind the prefix. Who is expected has
// an IPv4 address.
func (n *nat64) Expect(e natmodels.Expectation, now time.Time) (external netip.AddrPort, reason natmodels.Reason) {
	if n.prefix.Contains(e.Internal.Addr()) && (e.Protocol == natmodels.UDP || e.Protocol == natmodels.TCP) {
		n.expireSome(n.clock.Tick(now))
		return netip.AddrPort{}, natmodels.BadPacket
	}
	return n.NAT.Expect(e, now)
}

// Renumber gives it other external addresses of IPv4.
func (n *nat64) Renumber(external []netip.Addr) error {
	var p judge.Problems
	NAT64{n.cfg, n.prefix}.checkPlace(&p, n.moved(external))
	if err := errors.Join(p...); err != nil {
		return err
	}
	return n.NAT.Renumber(external)
}

// SetBehavior changes everything but the prefix.
func (n *nat64) SetBehavior(m natmodels.Model) error {
	cfg, ok := m.(NAT64)
	if !ok {
		return judge.Become(natmodels.NAT64, m.Behavior().Kind)
	}
	p := cfg.problems()
	cfg.checkPlace(&p, n.place)
	if cfg.Prefix != n.prefix {
		p.Add(settingPrefix64, "a NAT64 cannot change its prefix while it runs")
	}
	if err := errors.Join(p...); err != nil {
		return err
	}
	n.change(cfg.Config)
	return nil
}

// Snapshot saves it.
func (n *nat64) Snapshot() natmodels.Snapshot { return snapshot64{n.clone(), n.prefix} }

type snapshot64 struct {
	nat    *NAT
	prefix netip.Prefix
}

// Restore returns a NAT64 with the same future as the one that was saved.
func (s snapshot64) Restore() natmodels.Box { return &nat64{s.nat.clone(), s.prefix} }

// Explain says what became of a packet and why.
func (n *nat64) Explain(v natmodels.Verdict) string { return judge.Explain(v, n.explainDrop) }

func (n *nat64) explainDrop(v natmodels.Verdict) string {
	p := v.Packet
	switch {
	case v.Reason == natmodels.NotExternal && p.Dst.Addr().Is6():
		return fmt.Sprintf("%v is not in the prefix %v of this NAT64 (RFC 6146 section 3.5)", p.Dst.Addr(), n.prefix)
	case v.Reason == natmodels.BadPacket && n.prefix.Contains(p.Src.Addr()):
		return fmt.Sprintf("%v is in the prefix %v of this NAT64, where no host is (RFC 6146 section 3.5)", p.Src.Addr(), n.prefix)
	case v.Reason == natmodels.Invalid && p.Quoted != nil:
		return fmt.Sprintf("%s has no translation (RFC 7915 sections 4.2 and 5.2)", p.What())
	case v.Reason == natmodels.NoMapping || v.Reason == natmodels.HairpinOff:
		if out, problem := toFour(n.prefix, p); problem == natmodels.NotDropped {
			v.Packet = out
		}
	}
	return n.NAT.explainDrop(v)
}
