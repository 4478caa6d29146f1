package calibrate

import (
	"time"

	"github.com/natproof/natproof/natmodels"
)

// A Group is some cases of one kind.
type Group struct {
	Title string
	Note  string
	Cases []Named
}

// Cases lists what is calibrated: the presets, the devices, the behaviour codes with the
// other filter scope, and each value of each setting that the named NATs do not
// have all of.
func Cases() ([]Group, error) {
	named := Group{Title: "Named NATs", Note: "What `natproof nat list` lists."}
	for _, name := range Names() {
		n, err := Lookup(name)
		if err != nil {
			return nil, err
		}
		named.Cases = append(named.Cases, n)
	}
	return []Group{named, scopes(), singles(), conntracks(), firewalls()}, nil
}

// base is a NAT of the nine that follows RFC 4787 in all the rest.
func base(mapping, filtering natmodels.Dependence) natmodels.Config {
	c := natmodels.Config{
		Mapping: mapping, Filtering: filtering,
		Hairpin: natmodels.ExternalSource, IdleTimeout: natmodels.DefaultIdleTimeout,
	}
	if mapping != natmodels.EndpointIndependent {
		c.PortChoice = natmodels.Random
	}
	return c
}

const (
	ei  = natmodels.EndpointIndependent
	ad  = natmodels.AddressDependent
	apd = natmodels.AddressAndPortDependent
)

func scopes() Group {
	g := Group{
		Title: "Filtering by internal endpoint",
		Note:  "The nine behaviours again, with filters as RFC 4787 section 5 is worded: a mapping admits whom its internal endpoint has sent to, through whichever mapping.",
	}
	for _, m := range []natmodels.Dependence{ei, ad, apd} {
		for _, f := range []natmodels.Dependence{ei, ad, apd} {
			c := base(m, f)
			c.FilterScope = natmodels.PerEndpoint
			g.Cases = append(g.Cases, Named{Name: c.Code() + "/scope=endpoint", Config: c})
		}
	}
	return g
}

func singles() Group {
	g := Group{Title: "One setting at a time", Note: "A behaviour code, and the setting that is not as in the preset of that name."}
	add := func(setting string, mapping, filtering natmodels.Dependence, change func(*natmodels.Config)) {
		c := base(mapping, filtering)
		change(&c)
		g.Cases = append(g.Cases, Named{Name: c.Code() + "/" + setting, Config: c})
	}
	add("ports=preserve", ei, apd, func(c *natmodels.Config) { c.PortChoice = natmodels.Preserve })
	add("ports=preserve", apd, apd, func(c *natmodels.Config) { c.PortChoice = natmodels.Preserve })
	add("ports=preserve-else-random", apd, apd, func(c *natmodels.Config) { c.PortChoice = natmodels.PreserveElseRandom })
	add("ports=random", ei, apd, func(c *natmodels.Config) { c.PortChoice = natmodels.Random })
	add("ports=sequential", ei, adf, func(c *natmodels.Config) { c.PortChoice, c.Step = natmodels.Sequential, 1 })
	add("ports=sequential,step=-2", apd, apd, func(c *natmodels.Config) { c.PortChoice, c.Step = natmodels.Sequential, -2 })
	add("ports=random,parity", ei, apd, func(c *natmodels.Config) { c.PortChoice, c.Parity = natmodels.Random, true })
	add("ports=random,contiguous", ei, apd, func(c *natmodels.Config) { c.PortChoice, c.Contiguous = natmodels.Random, true })
	add("ports=random,reuse-delay=2m", apd, apd, func(c *natmodels.Config) { c.ReuseDelay = natmodels.DefaultReuseDelay })
	add("range=20000-20999", ei, apd, func(c *natmodels.Config) { c.PortRange = natmodels.PortRange{First: 20000, Last: 20999} })
	for _, d := range []time.Duration{10 * time.Second, 30 * time.Second, 350 * time.Second} {
		add("idle="+short(d), ei, apd, func(c *natmodels.Config) { c.IdleTimeout = d })
	}
	add("idle=1h", ei, apd, func(c *natmodels.Config) { c.IdleTimeout = time.Hour })
	add("unreplied=30s", ei, apd, func(c *natmodels.Config) { c.UnrepliedTimeout = 30 * time.Second })
	add("unreplied=1m", apd, adf, func(c *natmodels.Config) { c.UnrepliedTimeout = time.Minute })
	add("stream-after=10s,unreplied=30s", ei, apd, func(c *natmodels.Config) {
		c.StreamAfter, c.UnrepliedTimeout = 10*time.Second, 30*time.Second
	})
	add("permission=1m", ei, apd, func(c *natmodels.Config) { c.PermissionTimeout = time.Minute })
	add("refresh=inbound", ei, apd, func(c *natmodels.Config) { c.Refresh = natmodels.RefreshInbound })
	add("refresh=both", ei, eif, func(c *natmodels.Config) { c.Refresh = natmodels.RefreshBoth })
	for _, f := range []natmodels.Dependence{eif, adf, apdf} {
		add("hairpinning=off", ei, f, func(c *natmodels.Config) { c.Hairpin = natmodels.NoHairpinning })
		add("hairpinning=internal-source", ei, f, func(c *natmodels.Config) { c.Hairpin = natmodels.InternalSource })
	}
	add("hairpinning=off", apd, apd, func(c *natmodels.Config) { c.Hairpin = natmodels.NoHairpinning })
	for _, u := range []natmodels.Unsolicited{natmodels.SilentDrop, natmodels.Reject} {
		add("unsolicited="+u.String(), ei, apd, func(c *natmodels.Config) { c.Unsolicited = u })
	}
	for _, w := range []natmodels.WhenFull{natmodels.RefuseSilently, natmodels.EvictOldest} {
		add("limit=1000,full="+w.String(), ei, eif, func(c *natmodels.Config) {
			c.Limits, c.WhenFull = natmodels.Limits{PerSubscriber: 1000}, w
		})
	}
	add("addresses=4,pooling=paired", ei, apd, func(c *natmodels.Config) { c.External = addresses(pool) })
	add("addresses=4,pooling=arbitrary", ei, apd, func(c *natmodels.Config) { c.Pooling = natmodels.Arbitrary })
	add("addresses=4,pooling=arbitrary", apd, apd, func(c *natmodels.Config) { c.Pooling = natmodels.Arbitrary })
	return g
}

const (
	eif  = ei
	adf  = ad
	apdf = apd
)

func firewalls() Group {
	g := Group{Title: "Firewalls without translation", Note: "Kind firewall. What a client without a NAT is told of lifetimes is nothing: RFC 5780 measures mappings."}
	for _, f := range []natmodels.Dependence{eif, adf, apdf} {
		c := natmodels.Config{Kind: natmodels.Firewall, Filtering: f, Refresh: natmodels.RefreshBoth}
		g.Cases = append(g.Cases, Named{Name: "firewall/" + c.Code(), Config: c})
	}
	return g
}

func conntracks() Group {
	g := Group{Title: "Connection tracking as Linux does it", Note: "Kind conntrack, with the rule or the setting that makes the difference."}
	add := func(name string, change func(*natmodels.Config)) {
		c := natmodels.Config{Kind: natmodels.Conntrack, Filtering: apdf, Refresh: natmodels.RefreshBoth}
		change(&c)
		if c.PortChoice == natmodels.Random {
			c.Mapping = apd
		}
		g.Cases = append(g.Cases, Named{Name: "conntrack" + name, Config: c})
	}
	add("", func(*natmodels.Config) {})
	add("/unsolicited=reject", func(c *natmodels.Config) { c.Unsolicited = natmodels.Reject })
	add("/unsolicited=local-entry", func(c *natmodels.Config) { c.Unsolicited = natmodels.LocalEntry })
	add("/ports=random", func(c *natmodels.Config) { c.PortChoice = natmodels.Random })
	add("/ports=random,unsolicited=local-entry", func(c *natmodels.Config) {
		c.PortChoice, c.Unsolicited = natmodels.Random, natmodels.LocalEntry
	})
	add("/range=20000-20999", func(c *natmodels.Config) { c.PortRange = natmodels.PortRange{First: 20000, Last: 20999} })
	add("/idle=3m", func(c *natmodels.Config) { c.IdleTimeout = 3 * time.Minute })
	add("/addresses=4,pooling=paired", func(c *natmodels.Config) { c.External = addresses(pool) })
	add("/addresses=4,pooling=per-destination", func(c *natmodels.Config) { c.Pooling = natmodels.PerDestination })
	return g
}
