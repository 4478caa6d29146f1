package natmodels

import (
	"net/netip"
	"strconv"
	"time"
)

// Kind says what a box does with packets.
type Kind uint8

const (
	// Translator rewrites addresses and ports (NAPT, RFC 2663 section 4.1.2).
	Translator Kind = iota
	// Router forwards every packet unchanged in both directions: no translation
	// and no filtering.
	Router
	// Conntrack translates each connection by itself, as Linux does: there are no
	// mappings that several destinations share, but a new connection takes the external
	// port of the newest one from the same internal endpoint if no other connection has
	// that port towards the same remote endpoint. So one external port may serve several
	// inside hosts, and a host may change its port for later destinations once a
	// collision forced another on it.
	Conntrack
	// Firewall filters by connection and changes nothing: a packet from the inside makes a
	// connection, and Filtering says who may send to its internal endpoint while it lives
	// (RFC 6092 for IPv6). Timers are those of a Conntrack.
	Firewall
	// PrefixTranslator rewrites the addresses of Prefixes and nothing else, both ways,
	// without state or filter: IPv6 as RFC 6296 has it, with the checksum left neutral
	// where that is possible, IPv4 as Basic NAT with a static address for each host (RFC
	// 2663 section 4.1.1).
	PrefixTranslator
)

var kindNames = []string{
	Translator: "translator", Router: "router", Conntrack: "conntrack",
	Firewall: "firewall", PrefixTranslator: "prefix-translator",
}

// String returns "translator", "router", "conntrack", "firewall" or
// "prefix-translator".
func (k Kind) String() string { return enumName(kindNames, k) }

// Dependence says which fields of the remote endpoint a mapping or a filter depends
// on. The names are those of RFC 4787 sections 4.1 and 5.
type Dependence uint8

const (
	// EndpointIndependent ignores the remote endpoint.
	EndpointIndependent Dependence = iota
	// AddressDependent looks at the remote address, not at its port.
	AddressDependent
	// AddressAndPortDependent looks at both.
	AddressAndPortDependent
)

var (
	behaviorNames  = []string{"endpoint-independent", "address-dependent", "address-and-port-dependent"}
	mappingCodes   = []string{"eim", "adm", "apdm"}
	filteringCodes = []string{"eif", "adf", "apdf"}
)

// String returns the RFC 4787 name, such as "address-dependent".
func (b Dependence) String() string { return enumName(behaviorNames, b) }

// ParseMapping reads a mapping behavior: eim, adm, apdm or the RFC 4787 name.
func ParseMapping(name string) (Dependence, error) {
	return parseEnum[Dependence]("mapping", name, mappingCodes, behaviorNames)
}

// ParseFiltering reads a filtering behavior: eif, adf, apdf or the RFC 4787 name.
func ParseFiltering(name string) (Dependence, error) {
	return parseEnum[Dependence]("filtering", name, filteringCodes, behaviorNames)
}

// FilterScope says whose outbound packets open the filter of a mapping.
type FilterScope uint8

const (
	// PerMapping: a mapping admits only remotes that were sent to through this very
	// mapping, as devices do that filter by session.
	PerMapping FilterScope = iota
	// PerEndpoint: a mapping admits every remote that its internal endpoint has sent
	// to, through whichever of its mappings, as RFC 4787 section 5 is worded. The two
	// differ only when mapping is not endpoint-independent.
	PerEndpoint
)

var filterScopeNames = []string{PerMapping: "mapping", PerEndpoint: "endpoint"}

// String returns "mapping" or "endpoint".
func (s FilterScope) String() string { return enumName(filterScopeNames, s) }

// ParseFilterScope reads "mapping" or "endpoint".
func ParseFilterScope(name string) (FilterScope, error) {
	return parseEnum[FilterScope]("filter scope", name, filterScopeNames)
}

// PortChoice says which external port a new mapping gets. A port in use is never
// given out a second time (RFC 4787 section 4.2.1, REQ-3).
type PortChoice uint8

const (
	// PreserveElseRandom keeps the internal port if it is free and within PortRange,
	// and otherwise takes a random one.
	PreserveElseRandom PortChoice = iota
	// Preserve keeps the internal port or makes no mapping at all: the packet is
	// dropped with PortConflict.
	Preserve
	// Random takes a random free port.
	Random
	// Sequential takes the port Step above the one it gave out last on that external
	// address, starting at PortRange.First and wrapping within PortRange; a port in
	// use is stepped over.
	Sequential
)

var portChoiceNames = []string{
	PreserveElseRandom: "preserve-else-random",
	Preserve:           "preserve",
	Random:             "random",
	Sequential:         "sequential",
}

// String returns "preserve-else-random", "preserve", "random" or "sequential".
func (c PortChoice) String() string { return enumName(portChoiceNames, c) }

// ParsePortChoice reads the names that String returns.
func ParsePortChoice(name string) (PortChoice, error) {
	return parseEnum[PortChoice]("port choice", name, portChoiceNames)
}

// PortRange is a range of ports, both ends included. The zero value stands for
// DefaultPortRange.
type PortRange struct{ First, Last uint16 }

// DefaultPortRange leaves the ports below 1024 alone.
var DefaultPortRange = PortRange{First: 1024, Last: 65535}

// Size returns the number of ports in the range.
func (r PortRange) Size() int {
	r = r.orDefault()
	return int(r.Last) - int(r.First) + 1
}

// Contains reports whether port lies in the range.
func (r PortRange) Contains(port uint16) bool {
	r = r.orDefault()
	return r.First <= port && port <= r.Last
}

// String returns "1024-65535".
func (r PortRange) String() string {
	r = r.orDefault()
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// size, holds and wrap take the range as it is: PortRange{} is port 0.
func (r PortRange) size() int { return int(r.Last) - int(r.First) + 1 }

func (r PortRange) holds(port uint16) bool { return r.First <= port && port <= r.Last }

func (r PortRange) wrap(offset int) int {
	size := r.size()
	return (offset%size + size) % size
}

func (r PortRange) orDefault() PortRange {
	if r == (PortRange{}) {
		return DefaultPortRange
	}
	return r
}

// Refresh says which packets restart the idle timer of a mapping (RFC 4787
// section 4.3).
type Refresh uint8

const (
	// RefreshOutbound: packets from the inside do (REQ-6).
	RefreshOutbound Refresh = iota
	// RefreshInbound: only packets from the outside do, against REQ-6.
	RefreshInbound
	// RefreshBoth: packets in either direction do (REQ-6a).
	RefreshBoth
)

var refreshNames = []string{RefreshOutbound: "outbound", RefreshInbound: "inbound", RefreshBoth: "both"}

// String returns "outbound", "inbound" or "both".
func (r Refresh) String() string { return enumName(refreshNames, r) }

// ParseRefresh reads "outbound", "inbound" or "both".
func ParseRefresh(name string) (Refresh, error) {
	return parseEnum[Refresh]("refresh", name, refreshNames)
}

// HairpinMode says what happens to a packet from the inside to an external address
// of the same NAT (RFC 4787 section 6).
type HairpinMode uint8

const (
	// NoHairpinning drops it.
	NoHairpinning HairpinMode = iota
	// ExternalSource delivers it with the sender's external endpoint as its source
	// (REQ-9a).
	ExternalSource
	// InternalSource delivers it with the sender's internal endpoint as its source,
	// against REQ-9a. Filtering still judges the sender's external endpoint.
	InternalSource
)

var hairpinNames = []string{NoHairpinning: "off", ExternalSource: "external-source", InternalSource: "internal-source"}

// String returns "off", "external-source" or "internal-source".
func (h HairpinMode) String() string { return enumName(hairpinNames, h) }

// ParseHairpin reads "off", "external-source" or "internal-source".
func ParseHairpin(name string) (HairpinMode, error) {
	return parseEnum[HairpinMode]("hairpin", name, hairpinNames)
}

// Pooling says which of several external addresses a new mapping gets (RFC 4787
// section 4.1).
type Pooling uint8

const (
	// Paired gives all mappings of one internal address the same external address
	// (REQ-2): the one at position (sum of the bytes of the internal address) modulo
	// (number of external addresses).
	//
	// A Conntrack of several addresses pairs by the hash that Linux uses (the flag
	// "persistent" of nftables).
	Paired Pooling = iota
	// Arbitrary takes a random external address for each mapping, and another one if
	// that has no suitable port left.
	Arbitrary
	// PerDestination takes the external address by a hash of the internal and the
	// remote address, as Linux does without "persistent". Only a Conntrack does.
	PerDestination
)

var poolingNames = []string{Paired: "paired", Arbitrary: "arbitrary", PerDestination: "per-destination"}

// String returns "paired", "arbitrary" or "per-destination".
func (p Pooling) String() string { return enumName(poolingNames, p) }

// ParsePooling reads the names that String returns.
func ParsePooling(name string) (Pooling, error) {
	return parseEnum[Pooling]("pooling", name, poolingNames)
}

// Unsolicited says what becomes of a packet from the outside to an external address
// that nothing inside is waiting for.
type Unsolicited uint8

const (
	// SilentDrop drops it and says nothing.
	SilentDrop Unsolicited = iota
	// Reject drops it and says so to its sender: ICMP port unreachable, or RST to TCP.
	Reject
	// LocalEntry takes it for the box itself, which has no such port open: it answers
	// as Reject does, and remembers the connection. While it is remembered the external
	// port is taken towards that remote endpoint, so that an inside host that sends
	// there later gets another one: the race that a peer which sends first wins against
	// hole punching. Linux without an input filter does that.
	LocalEntry
)

var unsolicitedNames = []string{SilentDrop: "drop", Reject: "reject", LocalEntry: "local-entry"}

// String returns "drop", "reject" or "local-entry".
func (u Unsolicited) String() string { return enumName(unsolicitedNames, u) }

// ParseUnsolicited reads "drop", "reject" or "local-entry".
func ParseUnsolicited(name string) (Unsolicited, error) {
	return parseEnum[Unsolicited]("unsolicited", name, unsolicitedNames)
}

// PrefixMapping gives each address of Internal the address at the same place in
// External. Both are of the same family and length.
type PrefixMapping struct{ Internal, External netip.Prefix }

// StaticMapping is a port forward. It admits every remote, never expires and
// survives Flush; outbound packets from Internal always leave from External.
type StaticMapping struct {
	Protocol Protocol
	Internal netip.AddrPort
	// External has one of Config.External as its address. Its port may lie outside
	// PortRange.
	External netip.AddrPort
}

// DefaultIdleTimeout is what RFC 4787 section 4.3, REQ-5c recommends at least.
const DefaultIdleTimeout = 5 * time.Minute

// Config is the behavior of a NAT. The settings are independent of each other.
// The zero value with External filled in is a NAT with endpoint-independent
// mapping and filtering that preserves ports where it can and does not hairpin.
type Config struct {
	Kind Kind

	// Mapping says which destinations share a mapping (RFC 4787 section 4.1).
	Mapping Dependence
	// Filtering says which remotes a mapping admits (RFC 4787 section 5).
	Filtering   Dependence
	FilterScope FilterScope

	PortChoice PortChoice
	// Step is the distance between ports that Sequential gives out, other than 0 and
	// smaller than the range; it may be negative. Other port choices need 0.
	Step int
	// PortRange is where ports are chosen from and preserved in; zero means
	// DefaultPortRange.
	PortRange PortRange

	// Parity gives a port that is not preserved the parity of the internal one (RFC 4787
	// section 4.2.2, REQ-4). Not with Sequential.
	Parity bool
	// Contiguous gives an odd internal port, where it can, the external port above that
	// of the even one below it: RTCP beside RTP. UDP with endpoint-independent mapping
	// only.
	Contiguous bool
	// PortClasses keeps internal ports below 1024 below 1024 (RFC 4787 section 4.2.1,
	// REQ-3a); PortRange is for the others, and must not reach below 1024.
	PortClasses bool
	// ReuseDelay keeps a port that was freed from everybody for so long (RFC 6888 REQ-8
	// asks for DefaultReuseDelay).
	ReuseDelay time.Duration
	// Blocks, if its Size is not 0, gives each subscriber ports of its own.
	Blocks Blocks

	// IdleTimeout ends a mapping that was not refreshed for so long: it is alive one
	// nanosecond before and dead at that instant. Zero means DefaultIdleTimeout.
	IdleTimeout time.Duration
	// UnrepliedTimeout takes the place of IdleTimeout until the mapping has admitted
	// its first inbound packet. It is at most IdleTimeout; zero means the same.
	UnrepliedTimeout time.Duration
	Refresh          Refresh

	// StreamAfter is how old a UDP flow must be before IdleTimeout takes the place of
	// UnrepliedTimeout; until then even packets of a flow that was answered give it
	// UnrepliedTimeout. A Conntrack has 2 s if it is zero.
	StreamAfter time.Duration
	// WellKnownTimeout, if not zero, takes the place of both for a UDP mapping that was
	// used for nothing but destination ports below 1024 (RFC 4787 REQ-5a). It is no longer
	// than they are.
	WellKnownTimeout time.Duration
	// PermissionTimeout ends the permission of a UDP or ICMP filter for a remote that was
	// not sent to for so long, though the mapping may live on. Zero means that permissions
	// live and die with their mapping. Not with FilterScope PerEndpoint.
	PermissionTimeout time.Duration

	Hairpin HairpinMode

	// Unsolicited says what becomes of packets from the outside that nothing is waiting
	// for.
	Unsolicited Unsolicited

	// TCP is how TCP is handled.
	TCP TCPConfig
	// ICMPTimeout ends the mapping of an ICMP query that was not refreshed for so long;
	// zero means DefaultICMPTimeout.
	ICMPTimeout time.Duration

	Limits   Limits
	WhenFull WhenFull

	UnderLoad UnderLoad

	// Tracking holds the other timers of a Conntrack.
	Tracking TrackingTimers
	// PassInvalid lets a Conntrack forward, untranslated, the packets that it makes no
	// sense of, as Linux does unless a rule drops what is invalid.
	PassInvalid bool
	// SIPHelper keeps the connections to UDP port 5060, and those of expected signalling,
	// for an hour, as the SIP helper of Linux does; see [NAT.Watched]. What that does to
	// payloads, and expects, is the business of package sipalg.
	SIPHelper bool
	// Prefixes are translated 1:1, in both directions and whoever begins.
	Prefixes []PrefixMapping

	// NAT64, if it is not the zero Prefix, makes the inside IPv6 and the outside IPv4 (RFC
	// 6146): packets from the inside go to IPv4 addresses behind this prefix, as RFC 6052
	// section 2.2 embeds them, and packets to the inside come from there. The Well-Known
	// Prefix is 64:ff9b::/96.
	NAT64 netip.Prefix

	// External lists the external addresses, all of one family.
	External []netip.Addr
	Pooling  Pooling

	Static []StaticMapping

	// Seed decides every random choice: equal seeds and equal packets give equal
	// ports.
	Seed uint64
}

// Code returns the code of the mapping and filtering behavior, such as "eim-apdf",
// or "none" for a Router. A box that keeps ports has endpoint-independent mapping.
func (c Config) Code() string {
	if c.Kind == Router {
		return "none"
	}
	return enumName(mappingCodes, c.Mapping) + "-" + enumName(filteringCodes, c.Filtering)
}

// Translates reports whether the box changes addresses at all.
func (c Config) Translates() bool { return c.Kind != Router && c.Kind != Firewall }

// PreservesPort reports whether the first mapping of an internal endpoint on that
// port has the same port outside, provided that no other mapping holds it. With
// endpoint-independent mapping the first mapping is the only one. Port forwards
// are not considered, and of Blocks is said that they preserve nothing.
func (c Config) PreservesPort(port uint16) bool {
	switch {
	case c.Kind == Router, c.Kind == Firewall, c.Kind == PrefixTranslator:
		return true
	case c.Kind == Conntrack && c.PortChoice == PreserveElseRandom && c.PortRange == PortRange{}:
		return true
	}
	switch c.PortChoice {
	case Preserve, PreserveElseRandom:
		return c.Blocks.Size == 0 && (c.PortRange.Contains(port) || c.PortClasses && port < 1024)
	}
	return false
}

// Unreplied returns the timeout of a mapping that has had no answer yet.
func (c Config) Unreplied() time.Duration {
	switch {
	case c.UnrepliedTimeout != 0:
		return c.UnrepliedTimeout
	case c.tracks():
		return min(trackUnreplied, c.Idle())
	}
	return c.Idle()
}

// Idle returns the timeout of a mapping that has had an answer.
func (c Config) Idle() time.Duration {
	switch {
	case c.IdleTimeout != 0:
		return c.IdleTimeout
	case c.tracks():
		return trackStream
	}
	return DefaultIdleTimeout
}

// QueryTimeout returns the timeout of a mapping for ICMP queries.
func (c Config) QueryTimeout() time.Duration {
	if c.ICMPTimeout == 0 {
		return DefaultICMPTimeout
	}
	return c.ICMPTimeout
}

// filtering returns the filtering behavior for a protocol.
func (c Config) filtering(p Protocol) Dependence {
	if p == TCP && c.TCP.Own {
		return c.TCP.Filtering
	}
	return c.Filtering
}

// tracks reports whether the box has connections instead of mappings.
func (c Config) tracks() bool { return c.Kind == Conntrack || c.Kind == Firewall }
