package translate

import (
	"errors"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// DefaultIdleTimeout is what RFC 4787 section 4.3, REQ-5c recommends at least.
const DefaultIdleTimeout = 5 * time.Minute

// Config is the behavior of a NAT, a [natmodels.Model]. The settings are independent of
// each other. The zero value is a NAT with endpoint-independent mapping and filtering that
// preserves ports where it can and does not hairpin.
type Config struct {
	// Mapping says which destinations share a mapping (RFC 4787 section 4.1).
	Mapping natmodels.Dependence
	// Filtering says which remotes a mapping admits (RFC 4787 section 5).
	Filtering   natmodels.Dependence
	FilterScope natmodels.FilterScope

	PortChoice natmodels.PortChoice
	// Step is the distance between ports that Sequential gives out, other than 0 and
	// smaller than the range; it may be negative. Other port choices need 0.
	Step int
	// PortRange is where ports are chosen from and preserved in; zero means
	// DefaultPortRange.
	PortRange natmodels.PortRange

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
	Refresh          natmodels.Refresh

	// StreamAfter is how old a UDP flow must be before IdleTimeout takes the place of
	// UnrepliedTimeout; until then even packets of a flow that was answered give it
	// UnrepliedTimeout. Zero is at once.
	StreamAfter time.Duration
	// WellKnownTimeout, if not zero, takes the place of both for a UDP mapping that was
	// used for nothing but destination ports below 1024 (RFC 4787 REQ-5a). It is no longer
	// than they are.
	WellKnownTimeout time.Duration
	// PermissionTimeout ends the permission of a UDP or ICMP filter for a remote that was
	// not sent to for so long, though the mapping may live on. Zero means that permissions
	// live and die with their mapping. Not with FilterScope PerEndpoint.
	PermissionTimeout time.Duration

	Hairpin natmodels.HairpinMode

	// Unsolicited says what becomes of packets from the outside that nothing is waiting
	// for: SilentDrop or Reject.
	Unsolicited natmodels.Unsolicited

	// TCP is how TCP is handled.
	TCP TCPConfig
	// ICMPTimeout ends the mapping of an ICMP query that was not refreshed for so long;
	// zero means DefaultICMPTimeout.
	ICMPTimeout time.Duration

	Limits   Limits
	WhenFull WhenFull

	UnderLoad UnderLoad

	// Pooling is Paired, or Arbitrary with several external addresses.
	Pooling natmodels.Pooling
}

// Behavior is the behavior of UDP.
func (c Config) Behavior() natmodels.Behavior {
	return natmodels.Behavior{
		Kind: natmodels.Translator, Mapping: c.Mapping, Filtering: c.Filtering, FilterScope: c.FilterScope,
		PortChoice: c.PortChoice, Preserved: c.preserved(),
		Unreplied: c.Unreplied(), Idle: c.Idle(), StreamAfter: c.StreamAfter, Refresh: c.Refresh,
		Hairpin: c.Hairpin, Pooling: c.Pooling, Unsolicited: c.Unsolicited,
		Mappings: c.Limits.least(), Ports: c.PortRange.Size(), Unforeseen: settings.Unforeseen(c),
	}
}

// preserved lists the internal ports of which the first mapping has the same port outside,
// provided that no other mapping holds it. With endpoint-independent mapping the first
// mapping is the only one. Port forwards are not considered, and of Blocks is said that
// they preserve nothing.
func (c Config) preserved() []natmodels.PortRange {
	keeps := c.PortChoice == natmodels.Preserve || c.PortChoice == natmodels.PreserveElseRandom
	if !keeps || c.Blocks.Size != 0 {
		return nil
	}
	ports := []natmodels.PortRange{c.PortRange.OrDefault()}
	if c.PortClasses {
		ports = append(ports, wellKnownPorts)
	}
	return ports
}

// wellKnownPorts are the class that PortClasses keeps apart.
var wellKnownPorts = natmodels.PortRange{First: 1, Last: 1023}

// Settings lists every setting.
func (c Config) Settings() []natmodels.Setting { return settings.List(c) }

// With changes one setting.
func (c Config) With(name string, words ...string) (natmodels.Model, error) {
	return settings.With(c, name, words)
}

// Validate reports every setting that New could not honour.
func (c Config) Validate() error { return errors.Join(c.problems()...) }

// New returns such a NAT in its place.
func (c Config) New(place natmodels.Place) (natmodels.Box, error) {
	n, err := New(c, place)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Unreplied returns the timeout of a mapping that has had no answer yet.
func (c Config) Unreplied() time.Duration {
	if c.UnrepliedTimeout == 0 {
		return c.Idle()
	}
	return c.UnrepliedTimeout
}

// Idle returns the timeout of a mapping that has had an answer.
func (c Config) Idle() time.Duration {
	if c.IdleTimeout == 0 {
		return DefaultIdleTimeout
	}
	return c.IdleTimeout
}

// QueryTimeout returns the timeout of a mapping for ICMP queries.
func (c Config) QueryTimeout() time.Duration {
	if c.ICMPTimeout == 0 {
		return DefaultICMPTimeout
	}
	return c.ICMPTimeout
}

// filtering returns the filtering behavior for a protocol.
func (c Config) filtering(p natmodels.Protocol) natmodels.Dependence {
	if p == natmodels.TCP && c.TCP.Own {
		return c.TCP.Filtering
	}
	return c.Filtering
}

// RFC4787 returns a NAT that differs from RFC 4787 in nothing but the mapping and
// filtering asked for: five minutes idle (REQ-5c), refresh by outbound packets
// (REQ-6, without the optional REQ-6a), paired pooling (REQ-2), hairpinning with
// the external source (REQ-9, REQ-9a). The RFC leaves the port choice open:
// endpoint-independent mapping preserves the port where it can, the others take
// random ports, as most devices of either sort do.
func RFC4787(mapping, filtering natmodels.Dependence) Config {
	c := Config{
		Mapping:     mapping,
		Filtering:   filtering,
		PortChoice:  natmodels.PreserveElseRandom,
		IdleTimeout: DefaultIdleTimeout,
		Refresh:     natmodels.RefreshOutbound,
		Hairpin:     natmodels.ExternalSource,
		Pooling:     natmodels.Paired,
	}
	if mapping != natmodels.EndpointIndependent {
		c.PortChoice = natmodels.Random
	}
	return c
}
