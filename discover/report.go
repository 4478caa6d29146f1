package discover

import (
	"net/netip"
	"time"
)

// A Behavior is a mapping or filtering behaviour in the words of RFC 4787
// sections 4.1 and 5.
type Behavior uint8

// The behaviours.
const (
	Unknown Behavior = iota
	EndpointIndependent
	AddressDependent
	AddressAndPortDependent
)

// String returns "endpoint-independent" and so on, or "unknown".
func (b Behavior) String() string {
	return name(b, "unknown", "endpoint-independent", "address-dependent", "address-and-port-dependent")
}

// MarshalText is String.
func (b Behavior) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// An Answer is yes, no, or not known.
type Answer uint8

// The answers.
const (
	NotKnown Answer = iota
	No
	Yes
)

// String returns "unknown", "no" or "yes".
func (a Answer) String() string { return name(a, "unknown", "no", "yes") }

// MarshalText is String.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// A Scope says on whose account a NAT remembers who was contacted.
type Scope uint8

// The scopes.
const (
	UnknownScope Scope = iota
	PerMapping         // a mapping admits whom it was used to send to
	PerEndpoint        // a mapping admits whom its socket has sent to, through whichever mapping
)

// String returns "mapping" and so on, or "unknown".
func (s Scope) String() string { return name(s, "unknown", "mapping", "endpoint") }

// MarshalText is String.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Class is the name that the tree of RFC 3489 section 10.1 gives a NAT.
type Class uint8

// The classes.
const (
	Unclassified Class = iota
	Blocked
	OpenInternet
	SymmetricFirewall
	FullCone
	RestrictedCone
	PortRestrictedCone
	Symmetric
)

// String returns "full cone" and so on, or "unknown".
func (c Class) String() string {
	return name(c, "unknown", "UDP blocked", "open Internet", "symmetric UDP firewall", "full cone",
		"restricted cone", "port restricted cone", "symmetric")
}

// MarshalText is String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func name[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return names[0]
}

// A Report is what was found out. What was not tested or could not be told is
// unknown; Notes say why.
type Report struct {
	Server      netip.AddrPort `json:"server"`
	Other       netip.AddrPort `json:"other"`       // the server's alternate address and port
	Local       netip.AddrPort `json:"local"`       // the socket that tested connectivity
	Mapped      netip.AddrPort `json:"mapped"`      // the same, seen from Server
	Reachable   Answer         `json:"reachable"`   // something answered; if of no use, Mapped is not valid and Notes say what
	NAT         Answer         `json:"nat"`         // Mapped is not Local
	SamePort    Answer         `json:"samePort"`    // Mapped has the port of Local
	Mapping     Behavior       `json:"mapping"`     // RFC 5780 section 4.3
	Filtering   Behavior       `json:"filtering"`   // RFC 5780 section 4.4
	FilterScope Scope          `json:"filterScope"` // no test of RFC 5780
	Hairpinning Answer         `json:"hairpinning"` // RFC 5780 section 3.4
	// HairpinSource is where a hairpinned packet seemed to come from: an external
	// address, or against RFC 4787 REQ-9a the internal one.
	HairpinSource netip.AddrPort `json:"hairpinSource"`
	Fragments     Answer         `json:"fragments"` // datagrams longer than the MTU pass (RFC 5780 section 3.5)
	ALG           Answer         `json:"alg"`       // addresses in payloads are rewritten (RFC 5780 section 3.6)
	Lifetime      Lifetime       `json:"lifetime"`
	Classic       Class          `json:"classic"` // RFC 3489 section 10.1

	Notes  []Note  `json:"notes"`
	Probes []Probe `json:"probes"` // every request, in order
}

// A Span is what is known of a lifetime.
type Span struct {
	Alive   time.Duration `json:"alive"`   // the longest pause after which the mapping was alive
	Expired time.Duration `json:"expired"` // the shortest after which it was gone; 0 if it never was
}

// A Lifetime says how long a mapping lives that is not used.
type Lifetime struct {
	Span           // if it was used both ways for some seconds before
	Unreplied Span `json:"unreplied"` // if one packet went out and none came in
	// OutboundRefresh and InboundRefresh say which packets prolong it (RFC 4787
	// REQ-6 and REQ-6a).
	OutboundRefresh Answer `json:"outboundRefresh"`
	InboundRefresh  Answer `json:"inboundRefresh"`
}

// A Note says why something is unknown, or what to think of it.
type Note struct {
	Test Test   `json:"test"`
	Text string `json:"text"`
}

// A Probe is one request and what became of it.
type Probe struct {
	Test       Test           `json:"test"`
	At         time.Duration  `json:"at"` // since the start
	Local      netip.AddrPort `json:"local"`
	To         netip.AddrPort `json:"to"`
	ChangeIP   bool           `json:"changeIP"`
	ChangePort bool           `json:"changePort"`
	Sends      int            `json:"sends"` // 0 if no answer came
	From       netip.AddrPort `json:"from"`  // of the answer
	Mapped     netip.AddrPort `json:"mapped"`
	Failure    string         `json:"failure"` // empty if it was answered
}
