package calibrate

import (
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/translate"
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
	all, err := named()
	if err != nil {
		return nil, err
	}
	catalogued := Group{Title: "Named NATs", Note: "What `natproof nat list` lists.", Cases: all}
	return []Group{catalogued, scopes(), singles(), conntracks(), firewalls()}, nil
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
			c := translate.RFC4787(m, f)
			c.FilterScope = natmodels.PerEndpoint
			g.Cases = append(g.Cases, Named{Name: c.Behavior().Code() + "/scope=endpoint", Model: c})
		}
	}
	return g
}

func singles() Group {
	g := Group{Title: "One setting at a time", Note: "A behaviour code, and the setting that is not as in the preset of that name."}
	add := func(setting string, mapping, filtering natmodels.Dependence, change func(*translate.Config)) {
		c := translate.RFC4787(mapping, filtering)
		change(&c)
		g.Cases = append(g.Cases, Named{Name: c.Behavior().Code() + "/" + setting, Model: c})
	}
	add("ports=preserve", ei, apd, func(c *translate.Config) { c.PortChoice = natmodels.Preserve })
	add("ports=preserve", apd, apd, func(c *translate.Config) { c.PortChoice = natmodels.Preserve })
	add("ports=preserve-else-random", apd, apd, func(c *translate.Config) { c.PortChoice = natmodels.PreserveElseRandom })
	add("ports=random", ei, apd, func(c *translate.Config) { c.PortChoice = natmodels.Random })
	add("ports=sequential", ei, adf, func(c *translate.Config) { c.PortChoice, c.Step = natmodels.Sequential, 1 })
	add("ports=sequential,step=-2", apd, apd, func(c *translate.Config) { c.PortChoice, c.Step = natmodels.Sequential, -2 })
	add("ports=random,parity", ei, apd, func(c *translate.Config) { c.PortChoice, c.Parity = natmodels.Random, true })
	add("ports=random,contiguous", ei, apd, func(c *translate.Config) { c.PortChoice, c.Contiguous = natmodels.Random, true })
	add("ports=random,reuse-delay=2m", apd, apd, func(c *translate.Config) { c.ReuseDelay = translate.DefaultReuseDelay })
	add("range=20000-20999", ei, apd, func(c *translate.Config) { c.PortRange = natmodels.PortRange{First: 20000, Last: 20999} })
	for _, d := range []time.Duration{10 * time.Second, 30 * time.Second, 350 * time.Second} {
		add("idle="+short(d), ei, apd, func(c *translate.Config) { c.IdleTimeout = d })
	}
	add("idle=1h", ei, apd, func(c *translate.Config) { c.IdleTimeout = time.Hour })
	add("unreplied=30s", ei, apd, func(c *translate.Config) { c.UnrepliedTimeout = 30 * time.Second })
	add("unreplied=1m", apd, adf, func(c *translate.Config) { c.UnrepliedTimeout = time.Minute })
	add("stream-after=10s,unreplied=30s", ei, apd, func(c *translate.Config) {
		c.StreamAfter, c.UnrepliedTimeout = 10*time.Second, 30*time.Second
	})
	add("permission=1m", ei, apd, func(c *translate.Config) { c.PermissionTimeout = time.Minute })
	add("refresh=inbound", ei, apd, func(c *translate.Config) { c.Refresh = natmodels.RefreshInbound })
	add("refresh=both", ei, eif, func(c *translate.Config) { c.Refresh = natmodels.RefreshBoth })
	for _, f := range []natmodels.Dependence{eif, adf, apdf} {
		add("hairpinning=off", ei, f, func(c *translate.Config) { c.Hairpin = natmodels.NoHairpinning })
		add("hairpinning=internal-source", ei, f, func(c *translate.Config) { c.Hairpin = natmodels.InternalSource })
	}
	add("hairpinning=off", apd, apd, func(c *translate.Config) { c.Hairpin = natmodels.NoHairpinning })
	for _, u := range []natmodels.Unsolicited{natmodels.SilentDrop, natmodels.Reject} {
		add("unsolicited="+u.String(), ei, apd, func(c *translate.Config) { c.Unsolicited = u })
	}
	for _, w := range []translate.WhenFull{translate.RefuseSilently, translate.EvictOldest} {
		add("limit=1000,full="+w.String(), ei, eif, func(c *translate.Config) {
			c.Limits, c.WhenFull = translate.Limits{PerSubscriber: 1000}, w
		})
	}
	add("addresses=4,pooling=paired", ei, apd, func(*translate.Config) {})
	g.Cases[len(g.Cases)-1].Place.External = addresses(pool)
	add("addresses=4,pooling=arbitrary", ei, apd, func(c *translate.Config) { c.Pooling = natmodels.Arbitrary })
	add("addresses=4,pooling=arbitrary", apd, apd, func(c *translate.Config) { c.Pooling = natmodels.Arbitrary })
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
		c := conntrack.Firewall{Filtering: f}
		g.Cases = append(g.Cases, Named{Name: "firewall/" + c.Behavior().Code(), Model: c})
	}
	return g
}

func conntracks() Group {
	g := Group{Title: "Connection tracking as Linux does it", Note: "Kind conntrack, with the rule or the setting that makes the difference."}
	add := func(name string, change func(*conntrack.Config)) {
		var c conntrack.Config
		change(&c)
		g.Cases = append(g.Cases, Named{Name: "conntrack" + name, Model: c})
	}
	add("", func(*conntrack.Config) {})
	add("/unsolicited=reject", func(c *conntrack.Config) { c.Unsolicited = natmodels.Reject })
	add("/unsolicited=local-entry", func(c *conntrack.Config) { c.Unsolicited = natmodels.LocalEntry })
	add("/ports=random", func(c *conntrack.Config) { c.PortChoice = natmodels.Random })
	add("/ports=random,unsolicited=local-entry", func(c *conntrack.Config) {
		c.PortChoice, c.Unsolicited = natmodels.Random, natmodels.LocalEntry
	})
	add("/range=20000-20999", func(c *conntrack.Config) { c.PortRange = natmodels.PortRange{First: 20000, Last: 20999} })
	add("/idle=3m", func(c *conntrack.Config) { c.Timers.Idle = 3 * time.Minute })
	add("/addresses=4,pooling=paired", func(*conntrack.Config) {})
	g.Cases[len(g.Cases)-1].Place.External = addresses(pool)
	add("/addresses=4,pooling=per-destination", func(c *conntrack.Config) { c.Pooling = natmodels.PerDestination })
	return g
}
