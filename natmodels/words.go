package natmodels

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/natproof/natproof/natmodels/internal/enum"
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
	// PrefixTranslator rewrites the addresses of some prefixes and nothing else, both ways,
	// without state or filter: IPv6 as RFC 6296 has it, with the checksum left neutral
	// where that is possible, IPv4 as Basic NAT with a static address for each host (RFC
	// 2663 section 4.1.1).
	PrefixTranslator
	// NAT64 is a Translator between IPv6 inside and IPv4 outside (RFC 6146).
	NAT64
)

var kindNames = []string{
	Translator: "translator", Router: "router", Conntrack: "conntrack",
	Firewall: "firewall", PrefixTranslator: "prefix-translator", NAT64: "nat64",
}

// String returns "translator", "router", "conntrack", "firewall", "prefix-translator" or
// "nat64".
func (k Kind) String() string { return enum.Name(kindNames, k) }

// ParseKind reads the names that String returns.
func ParseKind(name string) (Kind, error) { return parse[Kind]("kind", name, kindNames) }

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
	dependenceNames = []string{"endpoint-independent", "address-dependent", "address-and-port-dependent"}
	mappingCodes    = []string{"eim", "adm", "apdm"}
	filteringCodes  = []string{"eif", "adf", "apdf"}
)

// String returns the RFC 4787 name, such as "address-dependent".
func (b Dependence) String() string { return enum.Name(dependenceNames, b) }

// ParseMapping reads a mapping behavior: eim, adm, apdm or the RFC 4787 name.
func ParseMapping(name string) (Dependence, error) {
	return parse[Dependence]("mapping", name, mappingCodes, dependenceNames)
}

// ParseFiltering reads a filtering behavior: eif, adf, apdf or the RFC 4787 name.
func ParseFiltering(name string) (Dependence, error) {
	return parse[Dependence]("filtering", name, filteringCodes, dependenceNames)
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
func (s FilterScope) String() string { return enum.Name(filterScopeNames, s) }

// ParseFilterScope reads "mapping" or "endpoint".
func ParseFilterScope(name string) (FilterScope, error) {
	return parse[FilterScope]("filter scope", name, filterScopeNames)
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
func (c PortChoice) String() string { return enum.Name(portChoiceNames, c) }

// ParsePortChoice reads the names that String returns.
func ParsePortChoice(name string) (PortChoice, error) {
	return parse[PortChoice]("port choice", name, portChoiceNames)
}

// PortRange is a range of ports, both ends included. The zero value stands for
// DefaultPortRange.
type PortRange struct{ First, Last uint16 }

// DefaultPortRange leaves the ports below 1024 alone.
var DefaultPortRange = PortRange{First: 1024, Last: 65535}

// Size returns the number of ports in the range.
func (r PortRange) Size() int {
	r = r.OrDefault()
	return int(r.Last) - int(r.First) + 1
}

// Contains reports whether port lies in the range.
func (r PortRange) Contains(port uint16) bool {
	r = r.OrDefault()
	return r.First <= port && port <= r.Last
}

// String returns "1024-65535".
func (r PortRange) String() string {
	r = r.OrDefault()
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// OrDefault returns the range, or DefaultPortRange for the zero value.
func (r PortRange) OrDefault() PortRange {
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
func (r Refresh) String() string { return enum.Name(refreshNames, r) }

// ParseRefresh reads "outbound", "inbound" or "both".
func ParseRefresh(name string) (Refresh, error) {
	return parse[Refresh]("refresh", name, refreshNames)
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
func (h HairpinMode) String() string { return enum.Name(hairpinNames, h) }

// ParseHairpin reads "off", "external-source" or "internal-source".
func ParseHairpin(name string) (HairpinMode, error) {
	return parse[HairpinMode]("hairpin", name, hairpinNames)
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
func (p Pooling) String() string { return enum.Name(poolingNames, p) }

// ParsePooling reads the names that String returns.
func ParsePooling(name string) (Pooling, error) {
	return parse[Pooling]("pooling", name, poolingNames)
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
func (u Unsolicited) String() string { return enum.Name(unsolicitedNames, u) }

// ParseUnsolicited reads "drop", "reject" or "local-entry".
func ParseUnsolicited(name string) (Unsolicited, error) {
	return parse[Unsolicited]("unsolicited", name, unsolicitedNames)
}

// PrefixMapping gives each address of Internal the address at the same place in
// External. Both are of the same family and length.
type PrefixMapping struct{ Internal, External netip.Prefix }

// StaticMapping is a port forward. It admits every remote, never expires and
// survives Flush; outbound packets from Internal always leave from External.
type StaticMapping struct {
	Protocol Protocol
	Internal netip.AddrPort
	// External has one of Place.External as its address. Its port may lie outside the
	// range that the NAT chooses from.
	External netip.AddrPort
}

func parse[E ~uint8](what, name string, tables ...[]string) (E, error) {
	v, err := enum.Parse[E](what, name, tables...)
	if err != nil {
		err = fmt.Errorf("natmodels: %w", err)
	}
	return v, err
}
