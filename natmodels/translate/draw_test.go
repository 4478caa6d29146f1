package translate

import (
	"net/netip"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
)

// What the property tests draw. The world is small, so that packets meet: three hosts
// with four ports, three remotes with three ports, few external ports. It is drawn in
// IPv4; an IPv6 world has every address behind the same prefix.
var (
	worldExternal = []netip.Addr{boxtest.OutsideA, boxtest.OutsideB, netip.MustParseAddr("198.51.100.3")}
	worldRange    = natmodels.PortRange{First: 5060, Last: 5065}
	worldHosts    = []string{"10.0.0.2", "10.0.0.3", "10.0.0.4"}
	worldRemotes  = []string{"203.0.113.20", "203.0.113.30", "10.0.0.3"}
)

// six is the IPv6 address that stands for an IPv4 address.
func six(a netip.Addr) netip.Addr {
	b := netip.MustParseAddr("2001:db8::").As16()
	four := a.As4()
	copy(b[12:], four[:])
	return netip.AddrFrom16(b)
}

func sixEnd(e netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(six(e.Addr()), e.Port()) }

// sixPacket turns a packet of IPv4 into the same of IPv6.
func sixPacket(p natmodels.Packet) natmodels.Packet {
	p.Src, p.Dst = sixEnd(p.Src), sixEnd(p.Dst)
	if p.Protocol == natmodels.ICMP {
		p.Protocol = natmodels.ICMPv6
		p.Type = map[uint8]uint8{natmodels.EchoRequest: natmodels.V6EchoRequest, natmodels.EchoReply: natmodels.V6EchoReply, natmodels.DestUnreachable: natmodels.V6DestUnreachable, natmodels.TimeExceeded: natmodels.V6TimeExceeded}[p.Type]
	}
	if p.Quoted != nil {
		q := sixPacket(*p.Quoted)
		p.Quoted = &q
	}
	return p
}

func pickOne[V any](t *rapid.T, name string, of ...V) V { return rapid.SampledFrom(of).Draw(t, name) }

// oneIn is true once in so many draws.
func oneIn(t *rapid.T, n int, name string) bool { return rapid.IntRange(1, n).Draw(t, name) == n }

func drawInside(t *rapid.T) netip.AddrPort {
	host := netip.MustParseAddr(rapid.SampledFrom(worldHosts).Draw(t, "host"))
	return netip.AddrPortFrom(host, pickOne[uint16](t, "host port", 5060, 5061, 7000, 700))
}

func drawRemote(t *rapid.T) netip.AddrPort {
	host := netip.MustParseAddr(rapid.SampledFrom(worldRemotes).Draw(t, "remote"))
	return netip.AddrPortFrom(host, pickOne[uint16](t, "remote port", 3478, 3479, 53))
}

func drawExternal(t *rapid.T) netip.AddrPort {
	ip := rapid.SampledFrom(worldExternal).Draw(t, "external")
	return netip.AddrPortFrom(ip, rapid.Uint16Range(worldRange.First-1, worldRange.Last+1).Draw(t, "external port"))
}

func drawSeconds(t *rapid.T, name string, of ...int) time.Duration {
	return time.Duration(rapid.SampledFrom(of).Draw(t, name)) * time.Second
}

func drawFiltering(t *rapid.T, name string) natmodels.Dependence {
	return pickOne(t, name, natmodels.EndpointIndependent, natmodels.AddressDependent, natmodels.AddressAndPortDependent)
}

// drawBehavior draws the settings that a running NAT may change.
func drawBehavior(t *rapid.T, addresses int) setup {
	cfg := setup{Config: Config{
		Mapping:     drawFiltering(t, "mapping"),
		Filtering:   drawFiltering(t, "filtering"),
		FilterScope: pickOne(t, "scope", natmodels.PerMapping, natmodels.PerEndpoint),
		PortChoice:  pickOne(t, "ports", natmodels.PreserveElseRandom, natmodels.Preserve, natmodels.Random, natmodels.Sequential),
		PortRange:   worldRange,
		Refresh:     pickOne(t, "refresh", natmodels.RefreshOutbound, natmodels.RefreshInbound, natmodels.RefreshBoth),
		Hairpin:     pickOne(t, "hairpin", natmodels.NoHairpinning, natmodels.ExternalSource, natmodels.InternalSource),
		Unsolicited: pickOne(t, "unsolicited", natmodels.SilentDrop, natmodels.Reject),
		IdleTimeout: time.Duration(rapid.IntRange(5, 20).Draw(t, "idle")) * time.Second,
		ICMPTimeout: drawSeconds(t, "icmp", 0, 4, 7),
	}, Place: natmodels.Place{Seed: rapid.Uint64Range(0, 100).Draw(t, "seed")}}
	cfg.UnrepliedTimeout = time.Duration(rapid.IntRange(0, int(cfg.IdleTimeout/time.Second)).Draw(t, "unreplied")) * time.Second
	cfg.PortRange.Last -= uint16(rapid.IntRange(0, 3).Draw(t, "fewer ports"))
	if cfg.PortChoice == natmodels.Sequential {
		cfg.Step = pickOne(t, "step", 1, 2, -1)
	}
	drawTCP(t, &cfg)
	drawPolicy(t, &cfg)
	if addresses > 1 {
		cfg.Pooling = pickOne(t, "pooling", natmodels.Paired, natmodels.Arbitrary)
	}
	drawPortRules(t, &cfg, addresses)
	return cfg
}

func drawTCP(t *rapid.T, cfg *setup) {
	cfg.TCP = TCPConfig{
		OwnTCP:        OwnTCP{Own: rapid.Bool().Draw(t, "tcp of its own")},
		PartiallyOpen: drawSeconds(t, "partially open", 0, 4, 8),
		Established:   drawSeconds(t, "established", 0, 15),
		Closing:       drawSeconds(t, "closing", 0, 3),
		Reset:         drawSeconds(t, "reset", 0, 2),
		SYN:           pickOne(t, "syn", DropSYN, HoldSYN, HoldSYN, ResetSYN),
	}
	if cfg.TCP.Own {
		cfg.TCP.Mapping, cfg.TCP.Filtering = drawFiltering(t, "tcp mapping"), drawFiltering(t, "tcp filtering")
	}
}

// drawPolicy draws the settings that few NATs have.
func drawPolicy(t *rapid.T, cfg *setup) {
	if cfg.Unreplied() < cfg.Idle() {
		cfg.StreamAfter = drawSeconds(t, "stream after", 0, 0, 2, 3, 5)
	}
	cfg.WellKnownTimeout = min(cfg.Unreplied(), drawSeconds(t, "well-known", 0, 0, 2, 3, 5))
	if cfg.Filtering != natmodels.EndpointIndependent && cfg.FilterScope == natmodels.PerMapping {
		cfg.PermissionTimeout = drawSeconds(t, "permission", 0, 0, 2, 3, 5)
	}
	whenFull := []WhenFull{RefuseSilently, RefuseICMP, EvictOldest}
	switch rapid.IntRange(0, 4).Draw(t, "limits") {
	case 1:
		cfg.Limits.PerSubscriber = 2
		cfg.WhenFull = pickOne(t, "when full", whenFull...)
	case 2:
		cfg.Limits.Total = 3
		cfg.WhenFull = pickOne(t, "when full", whenFull...)
	case 3:
		cfg.WhenFull = RefuseICMP
	case 4:
		u := UnderLoad{3, drawFiltering(t, "loaded mapping"), pickOne(t, "loaded ports", natmodels.PreserveElseRandom, natmodels.Preserve, natmodels.Random)}
		if u.Mapping != cfg.Mapping || u.PortChoice != cfg.PortChoice {
			cfg.UnderLoad = u
		}
	}
}

// drawPortRules draws what narrows the choice of a port.
func drawPortRules(t *rapid.T, cfg *setup, addresses int) {
	cfg.Contiguous = cfg.Mapping == natmodels.EndpointIndependent && oneIn(t, 3, "contiguous")
	if cfg.PortChoice == natmodels.Sequential {
		return
	}
	cfg.ReuseDelay = drawSeconds(t, "reuse delay", 0, 0, 2, 3, 5)
	cfg.Parity = rapid.Bool().Draw(t, "parity")
	cfg.PortClasses = oneIn(t, 4, "port classes")
	size := cfg.PortRange.Size() * addresses / 4
	preserves := cfg.PortChoice == natmodels.Preserve || cfg.UnderLoad.PortChoice == natmodels.Preserve
	if cfg.Pooling == natmodels.Paired && !cfg.PortClasses && !preserves && cfg.PortRange.Size()/max(1, size)*addresses >= 4 && oneIn(t, 3, "blocks") {
		cfg.Blocks = Blocks{netip.MustParsePrefix("10.0.0.0/30"), max(1, size)}
	}
}

func drawConfig(t *rapid.T) setup {
	addresses := rapid.IntRange(1, 2).Draw(t, "addresses")
	cfg := drawBehavior(t, addresses)
	cfg.External = slices.Clone(worldExternal[:addresses])
	if rapid.Bool().Draw(t, "static") {
		internal := netip.MustParseAddrPort("10.0.0.4:7000")
		cfg.Static = []natmodels.StaticMapping{
			{Protocol: natmodels.UDP, Internal: internal, External: netip.AddrPortFrom(cfg.External[addresses-1], 5061)},
			{Protocol: natmodels.TCP, Internal: internal, External: netip.AddrPortFrom(cfg.External[0], 5062)},
		}
	}
	return cfg
}

// sixConfig turns a configuration of IPv4 into the same of IPv6.
func sixConfig(cfg setup) setup {
	cfg.External = slices.Clone(cfg.External)
	for i, a := range cfg.External {
		cfg.External[i] = six(a)
	}
	for i, s := range cfg.Static {
		cfg.Static[i].Internal, cfg.Static[i].External = sixEnd(s.Internal), sixEnd(s.External)
	}
	if b := &cfg.Blocks.Subscribers; b.IsValid() {
		*b = netip.PrefixFrom(six(b.Addr()), b.Bits()+96)
	}
	return cfg
}

// talk is who talked with whom through which external endpoint, so that packets can go
// on with it.
type talk struct {
	protocol                 natmodels.Protocol
	inside, external, remote netip.AddrPort
}

// drawTalk draws one that was, most often, or any other.
func drawTalk(t *rapid.T, known []talk, protocols []natmodels.Protocol) talk {
	k := talk{rapid.SampledFrom(protocols).Draw(t, "protocol"), netip.AddrPort{}, netip.AddrPort{}, netip.AddrPort{}}
	known = slices.DeleteFunc(slices.Clone(known), func(o talk) bool { return o.protocol != k.protocol })
	if len(known) > 0 && !oneIn(t, 3, "another?") {
		return rapid.SampledFrom(known).Draw(t, "talk")
	}
	k.inside, k.external, k.remote = drawInside(t), drawExternal(t), drawRemote(t)
	return k
}

// drawPacket draws a packet of a protocol; that of ICMP has the identifier of its near
// end.
func drawPacket(t *rapid.T, protocol natmodels.Protocol, src, dst netip.AddrPort, kind uint8, near netip.AddrPort) natmodels.Packet {
	p := natmodels.Packet{Protocol: protocol, Src: src, Dst: dst}
	switch protocol {
	case natmodels.TCP:
		p.Flags = pickOne(t, "flags", natmodels.SYN, natmodels.SYN, natmodels.SYN|natmodels.ACK, natmodels.ACK, natmodels.PSH|natmodels.ACK, natmodels.FIN|natmodels.ACK, natmodels.FIN|natmodels.ACK, natmodels.RST, natmodels.RST|natmodels.ACK, natmodels.SYN|natmodels.ECE|natmodels.CWR, natmodels.SYN|natmodels.FIN, 0)
		p.Seq, p.Ack = rapid.Uint32Range(0, 3).Draw(t, "seq"), rapid.Uint32Range(0, 3).Draw(t, "ack")
	case natmodels.ICMP:
		p.Type = kind
		if oneIn(t, 6, "the other type") {
			p.Type = natmodels.EchoRequest ^ natmodels.EchoReply ^ kind
		}
		p.Src, p.Dst = netip.AddrPortFrom(src.Addr(), near.Port()), netip.AddrPortFrom(dst.Addr(), near.Port())
	}
	return p
}

// drawError draws an ICMP error about a packet, from anybody, most often to its sender.
func drawError(t *rapid.T, from netip.AddrPort, about natmodels.Packet, to netip.AddrPort) natmodels.Packet {
	if !oneIn(t, 8, "to another?") {
		to = about.Src
	}
	return boxtest.ICMPError(pickOne(t, "error", natmodels.DestUnreachable, natmodels.TimeExceeded), pickOne[uint8](t, "code", 0, 3), from.Addr(), to.Addr(), about)
}

// drawOutbound draws a packet from the inside.
func drawOutbound(t *rapid.T, known []talk, protocols []natmodels.Protocol) natmodels.Packet {
	k := drawTalk(t, known, protocols)
	if oneIn(t, 4, "error?") {
		about := drawPacket(t, k.protocol, k.remote, k.inside, natmodels.EchoReply, k.inside)
		return drawError(t, drawInside(t), about, drawExternal(t))
	}
	if oneIn(t, 4, "hairpin?") {
		k.remote = drawTalk(t, known, []natmodels.Protocol{k.protocol}).external
	}
	return drawPacket(t, k.protocol, k.inside, k.remote, natmodels.EchoRequest, k.inside)
}

// drawInbound draws a packet from the outside.
func drawInbound(t *rapid.T, known []talk, protocols []natmodels.Protocol) natmodels.Packet {
	k := drawTalk(t, known, protocols)
	if oneIn(t, 4, "error?") {
		about := drawPacket(t, k.protocol, k.external, k.remote, natmodels.EchoRequest, k.external)
		return drawError(t, drawRemote(t), about, drawExternal(t))
	}
	if oneIn(t, 4, "from another?") {
		k.remote = drawRemote(t)
	}
	return drawPacket(t, k.protocol, k.remote, k.external, natmodels.EchoReply, k.external)
}
