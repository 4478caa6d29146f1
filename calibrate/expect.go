package calibrate

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/translate"
)

// An expectation is what a configuration says of a property, and what a client
// in the lab sees instead if it cannot see that.
type expectation struct {
	name       string
	configured string
	visible    []string
	reason     string
}

// compare lays what was found beside what is configured.
func compare(n placed, found measurements) []Property {
	var all []Property
	for _, e := range expectations(n) {
		all = append(all, Property{
			Name: e.name, Configured: e.configured, Measured: found[e.name],
			Visible: append([]string{}, e.visible...), Reason: e.reason,
		})
	}
	return all
}

func expectations(n placed) []expectation {
	t := theory{Behavior: n.model.Behavior(), external: len(n.place.External)}
	if c, ok := n.model.(translate.Config); ok {
		t.step, t.permissionTimeout = c.Step, c.PermissionTimeout
	}
	if !t.Translates() {
		class := discover.OpenInternet
		if t.Filtering != natmodels.EndpointIndependent {
			class = discover.SymmetricFirewall
		}
		return []expectation{
			{name: Translation, configured: "no"},
			{name: Filtering, configured: t.Filtering.String()},
			{name: Class, configured: class.String()},
			{name: ALG, configured: "no"},
		}
	}
	all := []expectation{
		{name: Translation, configured: "yes"},
		t.mapping(),
		t.filtering(),
		t.filterScope(),
		t.ports(),
		t.samePort(),
	}
	if t.external > 1 {
		all = append(all, t.pooling())
	}
	return append(all,
		t.hairpinning(),
		t.lifetime(Idle, t.Idle),
		t.lifetime(Unreplied, t.Unreplied),
		t.refresh(),
		t.class(),
		expectation{name: ALG, configured: "no"},
	)
}

// theory is what follows from a behavior, and from what else a client in the lab can see.
type theory struct {
	natmodels.Behavior
	external          int // addresses
	step              int
	permissionTimeout time.Duration
}

func (t theory) eim() bool { return t.Mapping == natmodels.EndpointIndependent }
func (t theory) eif() bool { return t.Filtering == natmodels.EndpointIndependent }

// refusesSecond: a socket has as many mappings as destinations and each must
// have its port, so it reaches one destination only.
func (t theory) refusesSecond() bool {
	return !t.eim() && t.PortChoice == natmodels.Preserve
}

const whyRefused = "every mapping of a socket must have its port, so all but the first are refused and it reaches one address only"

func (t theory) mapping() expectation {
	e := expectation{name: Mapping, configured: t.Mapping.String()}
	if t.refusesSecond() {
		e.visible, e.reason = []string{Unknown}, whyRefused
	}
	return e
}

func (t theory) filtering() expectation {
	e := expectation{name: Filtering, configured: t.Filtering.String()}
	if t.refusesSecond() && !t.eif() {
		e.visible, e.reason = []string{Unknown}, whyRefused
	}
	return e
}

func (t theory) filterScope() expectation {
	e := expectation{name: FilterScope, configured: t.FilterScope.String(), visible: []string{Unknown}}
	switch {
	case t.eif():
		e.reason = "nobody is filtered, so the scope of the filter makes no difference"
	case t.eim():
		e.reason = "one mapping serves all destinations, so the scope of the filter makes no difference"
	case t.refusesSecond():
		e.reason = whyRefused
	default:
		e.visible = nil
	}
	return e
}

func (t theory) ports() expectation {
	e := expectation{name: Ports}
	switch t.PortChoice {
	case natmodels.Random:
		e.configured = randomPorts
	case natmodels.Sequential:
		e.configured = sequential(t.step)
		if t.external > 1 && t.Pooling == natmodels.Arbitrary {
			e.visible = []string{randomPorts}
			e.reason = "each address counts by itself, and the client sees too few ports of each"
		}
	default:
		e.configured = preserved
	}
	return e
}

func (t theory) samePort() expectation {
	e := expectation{name: SamePort, configured: another}
	switch {
	case t.PortChoice == natmodels.Preserve:
		e.configured = refused
	case t.Kind == natmodels.Conntrack && t.PortChoice == natmodels.PreserveElseRandom:
		e.configured = shared
	}
	if t.external > 1 {
		e.visible = []string{Unknown}
		e.reason = "the two hosts have different external addresses, so nothing collides"
	}
	return e
}

func (t theory) pooling() expectation {
	e := expectation{name: Pooling, configured: t.Pooling.String()}
	if t.Pooling == natmodels.PerDestination {
		e.visible = []string{paired}
		e.reason = "the hash gives both addresses of the server the same external address"
	}
	return e
}

func (t theory) hairpinning() expectation {
	e := expectation{name: Hairpinning, configured: t.Hairpin.String()}
	switch {
	case t.refusesSecond() && t.eif():
		e.visible = []string{natmodels.NoHairpinning.String()}
		e.reason = whyRefused
	case !t.eim() && !t.eif():
		e.visible = []string{Unknown}
		e.reason = "a packet to oneself leaves from a mapping that nobody knows before, so filtering alone would stop it"
	}
	return e
}

// permission is how long a filter admits the server, if that is shorter than
// the given lifetime of the mapping.
func (t theory) permission(lifetime time.Duration) (time.Duration, bool) {
	p := t.permissionTimeout
	return p, p > 0 && p < lifetime && !t.eif()
}

const whyPermission = "the filter forgets the server before the mapping ends, and that looks the same; inbound packets do not remind it"

// streams says whether the client uses a mapping for long enough to get the
// idle timeout.
func (t theory) streams() bool { return t.StreamAfter < discover.Settle }

func (t theory) lifetime(name string, configured time.Duration) expectation {
	e := expectation{name: name, configured: short(configured)}
	seen := configured
	if name == Idle && !t.streams() {
		seen = t.Unreplied
		e.visible = []string{short(seen)}
		e.reason = fmt.Sprintf("a flow gets this timeout when it is %s old, and the client uses it for %s", short(t.StreamAfter), short(discover.Settle))
	}
	permission, shorter := t.permission(seen)
	switch {
	case shorter:
		e.visible, e.reason = []string{short(permission)}, whyPermission
	case seen > LifetimeMax:
		e.visible = []string{moreThan(LifetimeMax)}
		e.reason = fmt.Sprintf("longer than the %s that are tried", short(LifetimeMax))
	}
	return e
}

func (t theory) refresh() expectation {
	e := expectation{name: Refresh, configured: t.Refresh.String()}
	_, shorter := t.permission(t.Idle)
	switch {
	case shorter:
		e.visible, e.reason = []string{natmodels.RefreshOutbound.String()}, whyPermission
	case !t.streams():
		e.visible = []string{natmodels.RefreshBoth.String()}
		e.reason = "while the test goes on the flow becomes old enough for the idle timeout, which looks as if a packet had prolonged it"
	case t.Idle > LifetimeMax:
		e.visible = []string{Unknown}
		e.reason = fmt.Sprintf("the idle timeout is longer than the %s that are tried", short(LifetimeMax))
	}
	return e
}

// class is RFC 3489 section 10.1, which has four names for nine behaviours.
func (t theory) class() expectation {
	e := expectation{name: Class}
	switch {
	case t.eif():
		e.configured = discover.FullCone.String()
	case !t.eim():
		e.configured = discover.Symmetric.String()
	case t.Filtering == natmodels.AddressDependent:
		e.configured = discover.RestrictedCone.String()
	default:
		e.configured = discover.PortRestrictedCone.String()
	}
	switch {
	case t.refusesSecond() && !t.eif():
		e.visible, e.reason = []string{discover.Unclassified.String()}, whyRefused
	case t.Kind == natmodels.Conntrack && t.Unsolicited == natmodels.LocalEntry && t.eim():
		e.visible = []string{discover.Symmetric.String()}
		e.reason = "the answer of test II makes an entry of the box's own, so the next test, to the address it came from, leaves from another port: the peer-first race"
	}
	return e
}
