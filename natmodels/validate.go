package natmodels

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// ErrInvalidConfig is what errors.Is finds in every error about a configuration
// that cannot be honoured.
var ErrInvalidConfig = errors.New("invalid configuration")

// ConfigError says which setting cannot be honoured, and why. Config.Validate may
// return several of them joined.
type ConfigError struct {
	Field   string // a field of Config
	Problem string
}

// Error returns "natmodels: config: FIELD: PROBLEM".
func (e *ConfigError) Error() string { return "natmodels: config: " + e.Field + ": " + e.Problem }

// Is reports that every ConfigError is an ErrInvalidConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrInvalidConfig }

const (
	maxTimeout  = 100 * 365 * 24 * time.Hour
	maxExternal = 4096
)

// problems gathers what is wrong with a configuration.
type problems []error

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, &ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

// Validate reports every setting that New could not honour: each value out of
// range, and each option that would be accepted and ignored. The error joins
// ConfigErrors.
func (c Config) Validate() error {
	var p problems
	c.checkEnums(&p)
	switch c.Kind {
	case Router:
		c.checkUnused(&p, "a router translates and filters nothing", c.unusedBy())
	case Conntrack:
		c.checkConntrack(&p)
	case Firewall:
		c.checkFirewall(&p)
	case PrefixTranslator:
		c.checkPrefixTranslator(&p)
	default:
		c.checkUnused(&p, "a translator of mappings has no such thing", c.trackingOnly())
		if c.Pooling == PerDestination {
			p.add("Pooling", "only a conntrack pools per destination")
		}
		if c.Unsolicited == LocalEntry {
			p.add("Unsolicited", "only a conntrack has entries for itself")
		}
		c.checkPorts(&p)
		c.checkTimeouts(&p)
		c.checkTCP(&p)
		c.checkPolicy(&p)
		c.checkExternal(&p)
		c.checkStatic(&p)
		c.checkNAT64(&p)
	}
	return errors.Join(p...)
}

func (c Config) checkEnums(p *problems) {
	for _, e := range []struct {
		field string
		value int
		names []string
	}{
		{"Kind", int(c.Kind), kindNames},
		{"Mapping", int(c.Mapping), behaviorNames},
		{"Filtering", int(c.Filtering), behaviorNames},
		{"FilterScope", int(c.FilterScope), filterScopeNames},
		{"PortChoice", int(c.PortChoice), portChoiceNames},
		{"Refresh", int(c.Refresh), refreshNames},
		{"Hairpin", int(c.Hairpin), hairpinNames},
		{"Pooling", int(c.Pooling), poolingNames},
		{"Unsolicited", int(c.Unsolicited), unsolicitedNames},
		{"TCP.Mapping", int(c.TCP.Mapping), behaviorNames},
		{"TCP.Filtering", int(c.TCP.Filtering), behaviorNames},
		{"TCP.SYN", int(c.TCP.SYN), synNames},
		{"WhenFull", int(c.WhenFull), whenFullNames},
		{"UnderLoad.Mapping", int(c.UnderLoad.Mapping), behaviorNames},
		{"UnderLoad.PortChoice", int(c.UnderLoad.PortChoice), portChoiceNames},
	} {
		if e.value >= len(e.names) {
			p.add(e.field, "%d is not one of %v", e.value, e.names)
		}
	}
}

// use says whether a setting was given.
type use struct {
	field string
	set   bool
}

// checkUnused refuses settings that would be ignored, and says why.
func (c Config) checkUnused(p *problems, why string, uses []use) {
	for _, s := range uses {
		if s.set {
			p.add(s.field, "%s, so it cannot honour this", why)
		}
	}
}

// unusedBy lists every setting. A Seed binds to nothing and is welcome anywhere.
func (c Config) unusedBy() []use {
	return append([]use{
		{"Mapping", c.Mapping != 0},
		{"Filtering", c.Filtering != 0},
		{"FilterScope", c.FilterScope != 0},
		{"PortChoice", c.PortChoice != 0},
		{"Step", c.Step != 0},
		{"PortRange", c.PortRange != PortRange{}},
		{"IdleTimeout", c.IdleTimeout != 0},
		{"UnrepliedTimeout", c.UnrepliedTimeout != 0},
		{"Refresh", c.Refresh != 0},
		{"Hairpin", c.Hairpin != 0},
		{"Unsolicited", c.Unsolicited != 0},
		{"TCP", c.TCP != TCPConfig{}},
		{"ICMPTimeout", c.ICMPTimeout != 0},
		{"External", len(c.External) != 0},
		{"Pooling", c.Pooling != 0},
		{"Static", len(c.Static) != 0},
		{"StreamAfter", c.StreamAfter != 0},
	}, append(c.mappingOnly(), c.trackingOnly()...)...)
}

// mappingOnly lists the settings that only a Translator has.
func (c Config) mappingOnly() []use {
	return []use{
		{"Parity", c.Parity},
		{"Contiguous", c.Contiguous},
		{"PortClasses", c.PortClasses},
		{"ReuseDelay", c.ReuseDelay != 0},
		{"Blocks", c.Blocks != Blocks{}},
		{"WellKnownTimeout", c.WellKnownTimeout != 0},
		{"PermissionTimeout", c.PermissionTimeout != 0},
		{"Limits", c.Limits != Limits{}},
		{"WhenFull", c.WhenFull != 0},
		{"UnderLoad", c.UnderLoad != UnderLoad{}},
		{"NAT64", c.NAT64 != netip.Prefix{}},
	}
}

// trackingOnly lists the settings that only a Conntrack has.
func (c Config) trackingOnly() []use {
	return []use{
		{"Tracking", c.Tracking != TrackingTimers{}},
		{"PassInvalid", c.PassInvalid},
		{"SIPHelper", c.SIPHelper},
		{"Prefixes", len(c.Prefixes) != 0},
	}
}

// checkConntrack wants the settings that describe a Conntrack to say what it does.
func (c Config) checkConntrack(p *problems) {
	mapping := EndpointIndependent
	if c.PortChoice == Random {
		mapping = AddressAndPortDependent
	}
	for _, s := range []struct {
		field     string
		got, want fmt.Stringer
	}{
		{"Mapping", c.Mapping, mapping},
		{"Filtering", c.Filtering, AddressAndPortDependent},
		{"FilterScope", c.FilterScope, PerMapping},
		{"Refresh", c.Refresh, RefreshBoth},
		{"Hairpin", c.Hairpin, NoHairpinning},
	} {
		if s.got != s.want {
			p.add(s.field, "a conntrack with port choice %v is %v, not %v", c.PortChoice, s.want, s.got)
		}
	}
	if c.PortChoice != PreserveElseRandom && c.PortChoice != Random {
		p.add("PortChoice", "a conntrack preserves ports or takes random ones; it cannot do %v", c.PortChoice)
	}
	c.checkUnused(p, "a conntrack has no such thing", c.mappingOnly())
	c.checkUnused(p, "a conntrack has no such thing", []use{
		{"Step", c.Step != 0},
		{"Static", len(c.Static) != 0},
		{"TCP", c.TCP != TCPConfig{}},
		{"ICMPTimeout", c.ICMPTimeout != 0},
	})
	if c.PortRange != (PortRange{}) {
		c.checkRange(p)
	}
	c.checkTimeouts(p)
	c.checkTracking(p)
	c.checkPrefixes(p)
	if len(c.External) == 0 && len(c.Prefixes) > 0 {
		return
	}
	c.checkExternal(p)
	if c.Pooling == Arbitrary {
		p.add("Pooling", "a conntrack pools by a hash: paired or per-destination")
	}
	if c.Pooling == PerDestination && len(c.External) == 1 {
		p.add("Pooling", "per-destination pooling needs at least two external addresses")
	}
	if len(c.External) > 1 && c.External[0].Is6() {
		p.add("External", "the hash over a pool of IPv6 addresses is not modelled; give one")
	}
}

// checkFirewall refuses everything but filtering and timers.
func (c Config) checkFirewall(p *problems) {
	used := map[string]bool{
		"Filtering": true, "IdleTimeout": true, "UnrepliedTimeout": true, "StreamAfter": true, "Tracking": true,
		"Unsolicited": true, "Refresh": true, "PassInvalid": true,
	}
	c.checkUnused(p, "a firewall translates nothing", slices.DeleteFunc(c.unusedBy(), func(u use) bool { return used[u.field] }))
	if c.Refresh != RefreshBoth {
		p.add("Refresh", "a firewall has connections, which packets of both directions refresh, not %v", c.Refresh)
	}
	if c.Unsolicited == LocalEntry {
		p.add("Unsolicited", "a firewall has no port of its own outside")
	}
	c.checkTimeouts(p)
	c.checkTracking(p)
}

// checkPrefixTranslator refuses everything but prefixes.
func (c Config) checkPrefixTranslator(p *problems) {
	c.checkUnused(p, "a prefix translator has no state and no ports", slices.DeleteFunc(c.unusedBy(), func(u use) bool { return u.field == "Prefixes" }))
	if len(c.Prefixes) == 0 {
		p.add("Prefixes", "a prefix translator needs prefixes")
	}
	for _, m := range c.Prefixes {
		if m.Internal.Addr().Is6() && m.Internal.Bits() > 64 {
			p.add("Prefixes", "%v: RFC 6296 translates prefixes of at most 64 bits here", m.Internal)
		}
	}
	c.checkPrefixes(p)
}

func (c Config) checkTCP(p *problems) {
	for _, t := range append(c.TCP.named(), namedTimer{"ICMPTimeout", &c.ICMPTimeout, 0}) {
		if *t.value < 0 || *t.value > maxTimeout {
			p.add(t.name, "%v is not between 0 and %v", *t.value, maxTimeout)
		}
	}
	if !c.TCP.Own && (c.TCP.Mapping != 0 || c.TCP.Filtering != 0) {
		p.add("TCP.Own", "Mapping and Filtering of TCP count only if this is set")
	}
}

func (c Config) checkTracking(p *problems) {
	t := c.Tracking
	for _, n := range t.named() {
		if *n.value < 0 || *n.value > maxTimeout {
			p.add("Tracking", "%s: %v is not between 0 and %v", n.name, *n.value, maxTimeout)
		}
	}
}

func (c Config) checkPrefixes(p *problems) {
	for i, m := range c.Prefixes {
		in, ex := m.Internal, m.External
		switch {
		case !in.IsValid() || !ex.IsValid() || in != in.Masked() || ex != ex.Masked():
			p.add("Prefixes", "%v and %v are not both prefixes", in, ex)
		case in.Addr().Is4() != ex.Addr().Is4() || in.Bits() != ex.Bits():
			p.add("Prefixes", "%v and %v are not of the same family and length", in, ex)
		case len(c.External) > 0 && in.Addr().Is4() != c.External[0].Is4(), in.Addr().Is4() != c.Prefixes[0].Internal.Addr().Is4():
			p.add("Prefixes", "%v is of another family than the external addresses", in)
		case in.Overlaps(ex):
			p.add("Prefixes", "%v and %v overlap", in, ex)
		}
		for _, o := range c.Prefixes[:i] {
			if o.Internal.Overlaps(in) || o.External.Overlaps(ex) || o.Internal.Overlaps(ex) || o.External.Overlaps(in) {
				p.add("Prefixes", "%v and %v overlap with those before", in, ex)
			}
		}
		for _, a := range c.External {
			if ex.Contains(a) {
				p.add("Prefixes", "%v contains the external address %v", ex, a)
			}
		}
	}
}

// checkRange reports whether the range has a port.
func (c Config) checkRange(p *problems) bool {
	r := c.PortRange.orDefault()
	if r.First == 0 {
		p.add("PortRange", "port 0 cannot be given out")
	}
	if r.First > r.Last {
		p.add("PortRange", "%d-%d is empty", r.First, r.Last)
		return false
	}
	return true
}

func (c Config) checkPorts(p *problems) {
	if !c.checkRange(p) {
		return
	}
	r := c.PortRange.orDefault()
	switch {
	case c.PortChoice != Sequential && c.Step != 0:
		p.add("Step", "%d has no meaning for port choice %v, only for sequential", c.Step, c.PortChoice)
	case c.PortChoice == Sequential && c.Step == 0:
		p.add("Step", "sequential port choice needs a step other than 0")
	case c.PortChoice == Sequential && (c.Step >= r.Size() || c.Step <= -r.Size()):
		p.add("Step", "%d steps out of the %d ports of %v", c.Step, r.Size(), r)
	}
}

func (c Config) checkTimeouts(p *problems) {
	for _, t := range []struct {
		field string
		value time.Duration
	}{
		{"IdleTimeout", c.IdleTimeout}, {"UnrepliedTimeout", c.UnrepliedTimeout},
		{"StreamAfter", c.StreamAfter}, {"WellKnownTimeout", c.WellKnownTimeout},
		{"PermissionTimeout", c.PermissionTimeout}, {"ReuseDelay", c.ReuseDelay},
	} {
		if t.value < 0 {
			p.add(t.field, "%v is negative", t.value)
		}
		if t.value > maxTimeout {
			p.add(t.field, "%v is more than %v", t.value, maxTimeout)
		}
	}
	if c.Unreplied() > c.Idle() {
		p.add("UnrepliedTimeout", "%v is longer than the idle timeout of %v: an answer would shorten the life of a mapping", c.Unreplied(), c.Idle())
	}
}

func (c Config) checkExternal(p *problems) {
	if len(c.External) == 0 {
		p.add("External", "a translating NAT needs an external address")
		return
	}
	if len(c.External) > maxExternal {
		p.add("External", "%d addresses are more than %d", len(c.External), maxExternal)
	}
	seen := make(map[netip.Addr]bool, len(c.External))
	for _, a := range c.External {
		if problem := addrProblem(a); problem != "" {
			p.add("External", "%v: %s", a, problem)
		} else if a.Is4() != c.External[0].Is4() {
			p.add("External", "%v and %v are of different families", c.External[0], a)
		}
		if seen[a] {
			p.add("External", "%v is listed twice", a)
		}
		seen[a] = true
	}
	if c.Pooling == Arbitrary && len(c.External) == 1 {
		p.add("Pooling", "arbitrary pooling needs at least two external addresses")
	}
}

func addrProblem(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "not an address"
	case a.Is4In6():
		return "an IPv4-mapped IPv6 address; give the IPv4 address"
	case a.Zone() != "":
		return "an address with a zone"
	case a.IsUnspecified():
		return "the unspecified address"
	case a.IsMulticast():
		return "a multicast address"
	}
	return ""
}

func (c Config) checkStatic(p *problems) {
	internal := make(map[StaticMapping]bool, len(c.Static))
	external := make(map[StaticMapping]bool, len(c.Static))
	for i, s := range c.Static {
		if s.Protocol != UDP && s.Protocol != TCP {
			p.add("Static", "forward %d: protocol %v cannot be forwarded, only udp and tcp", i, s.Protocol)
		}
		if problem := addrProblem(s.Internal.Addr()); problem != "" {
			p.add("Static", "forward %d: internal %v: %s", i, s.Internal.Addr(), problem)
		} else if len(c.External) > 0 && s.Internal.Addr().Is4() != c.inside4() {
			p.add("Static", "forward %d: internal %v is of another family than the inside", i, s.Internal.Addr())
		}
		if !slices.Contains(c.External, s.External.Addr()) {
			p.add("Static", "forward %d: %v is not one of the external addresses", i, s.External.Addr())
		}
		if s.Internal.Port() == 0 || s.External.Port() == 0 {
			p.add("Static", "forward %d: port 0 cannot be forwarded", i)
		}
		in := StaticMapping{Protocol: s.Protocol, Internal: s.Internal}
		ex := StaticMapping{Protocol: s.Protocol, External: s.External}
		if internal[in] {
			p.add("Static", "forward %d: %v is forwarded to twice, so its outbound packets could leave from either", i, s.Internal)
		}
		if external[ex] {
			p.add("Static", "forward %d: %v is forwarded twice", i, s.External)
		}
		internal[in], external[ex] = true, true
	}
}
