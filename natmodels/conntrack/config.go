package conntrack

import (
	"errors"
	"net/netip"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// Config is a [natmodels.Model] that translates each connection by itself, as Linux does:
// there are no mappings that several destinations share, but a new connection takes the
// external port of the newest one from the same internal endpoint if no other connection
// has that port towards the same remote endpoint. The zero value is Linux with a rule
// masquerade, input filtered.
type Config struct {
	// PortChoice is PreserveElseRandom or Random.
	PortChoice natmodels.PortChoice
	// PortRange, if it is not zero, is where ports are chosen from and preserved in.
	// Otherwise each is chosen from the class of the internal port: 1-511, 600-1023 or
	// 1024-65535.
	PortRange natmodels.PortRange
	// Pooling is Paired (the flag "persistent" of nftables) or PerDestination, both by the
	// hash that Linux uses.
	Pooling natmodels.Pooling
	Timers  Timers

	// Unsolicited says what becomes of packets from the outside that nothing is waiting for.
	Unsolicited natmodels.Unsolicited
	// PassInvalid forwards, untranslated, the packets that it makes no sense of, as Linux
	// does unless a rule drops what is invalid.
	PassInvalid bool
	// SIPHelper keeps the connections to UDP port 5060, and those of expected signalling,
	// for an hour, as the SIP helper of Linux does; see [Tracker.Watched]. What that does to
	// payloads, and expects, is the business of package sipalg.
	SIPHelper bool
	// Prefixes are translated 1:1, in both directions and whoever begins.
	Prefixes []natmodels.PrefixMapping
}

// Firewall is a [natmodels.Model] that filters by connection and changes nothing: a packet
// from the inside makes a connection, and Filtering says who may send to its internal
// endpoint while it lives (RFC 6092 for IPv6). The zero value admits everybody then.
type Firewall struct {
	Filtering natmodels.Dependence
	Timers    Timers
	// Unsolicited is SilentDrop or Reject.
	Unsolicited natmodels.Unsolicited
	// PassInvalid forwards the packets that it makes no sense of.
	PassInvalid bool
}

// rules are either of them.
type rules struct {
	cfg       Config
	firewall  bool
	filtering natmodels.Dependence
}

func (c Config) rules() rules { return rules{cfg: c, filtering: natmodels.AddressAndPortDependent} }

func (f Firewall) rules() rules {
	return rules{Config{Timers: f.Timers, Unsolicited: f.Unsolicited, PassInvalid: f.PassInvalid}, true, f.Filtering}
}

// Behavior is the behavior of UDP. That mapping is endpoint-independent is a consequence of
// keeping ports, not a promise.
func (c Config) Behavior() natmodels.Behavior {
	b := c.rules().behavior(natmodels.Conntrack)
	switch {
	case c.PortChoice == natmodels.Random:
		b.Mapping = natmodels.AddressAndPortDependent
	case c.PortRange == natmodels.PortRange{}:
		b.Preserved = allPorts()
	default:
		b.Preserved = []natmodels.PortRange{c.PortRange}
	}
	return b
}

// Behavior is the behavior of UDP.
func (f Firewall) Behavior() natmodels.Behavior {
	b := f.rules().behavior(natmodels.Firewall)
	b.Preserved = allPorts()
	return b
}

// Announces are the prefixes outside that are translated 1:1.
func (c Config) Announces() []netip.Prefix { return judge.OutsideOf(c.Prefixes) }

func allPorts() []natmodels.PortRange { return []natmodels.PortRange{{First: 1, Last: 65535}} }

func (r rules) behavior(kind natmodels.Kind) natmodels.Behavior {
	t := r.cfg.Timers.orDefaults()
	return natmodels.Behavior{
		Kind: kind, Filtering: r.filtering, PortChoice: r.cfg.PortChoice,
		Unreplied: t.Unreplied, Idle: t.Idle, StreamAfter: t.StreamAfter, Refresh: natmodels.RefreshBoth,
		Pooling: r.cfg.Pooling, Unsolicited: r.cfg.Unsolicited, SIPHelper: r.cfg.SIPHelper,
		Ports: r.cfg.PortRange.Size(), Unforeseen: settings.Unforeseen(r.cfg),
	}
}

// Settings lists every setting.
func (c Config) Settings() []natmodels.Setting { return settings.List(c) }

// Settings lists every setting.
func (f Firewall) Settings() []natmodels.Setting { return firewallSettings.List(f) }

// With changes one setting.
func (c Config) With(name string, words ...string) (natmodels.Model, error) {
	return settings.With(c, name, words)
}

// With changes one setting.
func (f Firewall) With(name string, words ...string) (natmodels.Model, error) {
	return firewallSettings.With(f, name, words)
}

// Validate reports every setting that New could not honour.
func (c Config) Validate() error { return errors.Join(c.problems()...) }

// Validate reports every setting that New could not honour.
func (f Firewall) Validate() error { return errors.Join(f.problems()...) }

func (c Config) problems() judge.Problems {
	var p judge.Problems
	settings.Check(c, &p)
	c.Timers.check(&p)
	p.Prefixes(c.Prefixes)
	return p
}

func (f Firewall) problems() judge.Problems {
	var p judge.Problems
	firewallSettings.Check(f, &p)
	f.Timers.check(&p)
	return p
}

func (t Timers) check(p *judge.Problems) {
	if t = t.orDefaults(); t.Unreplied > t.Idle {
		p.Add("unreplied", "%v is longer than the idle timeout of %v: an answer would shorten the life of a mapping", t.Unreplied, t.Idle)
	}
}

// checkPlace says what is wrong with a place for a box with these rules.
func (r rules) checkPlace(p *judge.Problems, place natmodels.Place) {
	if r.firewall {
		p.Nowhere(place, "a firewall translates nothing")
		return
	}
	p.NoStatic(place, "a conntrack has no such thing")
	if len(place.External) == 0 && len(r.cfg.Prefixes) > 0 {
		return
	}
	p.External(place.External)
	p.Beside(r.cfg.Prefixes, place.External)
	if r.cfg.Pooling == natmodels.PerDestination && len(place.External) == 1 {
		p.Add("pooling", "per-destination pooling needs at least two external addresses")
	}
	if len(place.External) > 1 && place.External[0].Is6() {
		p.Add("external", "the hash over a pool of IPv6 addresses is not modelled; give one")
	}
}

// New returns such a box in its place.
func New(c Config, place natmodels.Place) (*Tracker, error) {
	return checked(c.rules(), c.problems(), place)
}

// NewFirewall returns such a box. Its place has neither external addresses nor port forwards.
func NewFirewall(f Firewall, place natmodels.Place) (*Tracker, error) {
	return checked(f.rules(), f.problems(), place)
}

func checked(r rules, p judge.Problems, place natmodels.Place) (*Tracker, error) {
	r.checkPlace(&p, place)
	if err := errors.Join(p...); err != nil {
		return nil, err
	}
	return newTracker(r, place), nil
}

// New returns such a box in its place.
func (c Config) New(place natmodels.Place) (natmodels.Box, error) { return boxed(New(c, place)) }

// New returns such a box. Its place has neither external addresses nor port forwards.
func (f Firewall) New(place natmodels.Place) (natmodels.Box, error) {
	return boxed(NewFirewall(f, place))
}

// boxed keeps a nil pointer out of an interface.
func boxed(k *Tracker, err error) (natmodels.Box, error) {
	if err != nil {
		return nil, err
	}
	return k, nil
}
