package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/natproof/natproof/natmodels"
)

// boxes have one name each, and no host two owners.
func (c *checker) boxes() {
	seen := map[string]bool{boxInternet: true, boxAny: true}
	note := func(name, path string) {
		if seen[name] {
			c.say(path, fmt.Errorf("%w: the name %s; NATs, sites and hosts each have one of their own, and %s and %s are taken", ErrTwice, name, boxInternet, boxAny))
		}
		seen[name] = true
	}
	for _, name := range c.f.NATs.Names() {
		note(name, "nats."+name)
	}
	for i := range c.f.Sites {
		s := &c.f.Sites[i]
		note(s.Name, "sites."+s.Name)
		for _, host := range s.Value.Hosts.Names() {
			note(host, "sites."+s.Name+".hosts."+host)
		}
	}
	who := map[string]bool{}
	for _, name := range c.f.Servers.Names() {
		who[name] = true
	}
	for _, name := range c.f.Endpoints.Names() {
		if who[name] {
			c.say("endpoints."+name, fmt.Errorf("%w: the name %s is that of a server, too", ErrTwice, name))
		}
	}
}

func (c *checker) nats() {
	for i := range c.f.NATs {
		n := &c.f.NATs[i]
		path := "nats." + n.Name
		for up, steps := n.Value.Behind, 0; up != ""; up = c.f.NATs.Find(up).Behind {
			if steps++; steps > len(c.f.NATs) {
				c.conflict(path+".behind", "%s is behind itself", n.Name)
				return
			}
		}
		m, err := c.f.model(&n.Value)
		if err != nil {
			c.modelProblem(path, &n.Value, err)
			continue
		}
		switch translates := m.Behavior().Translates(); {
		case translates && len(n.Value.External) == 0:
			c.say(path, fmt.Errorf("external %w: %s has no address of its own on the outside", ErrMissing, n.Name))
		case !translates && len(n.Value.External) > 0:
			c.conflict(path+".external", "%s does not translate, so it has no external addresses", n.Value.Model)
		}
		for j, f := range n.Value.Forwards {
			c.forward(&n.Value, f, fmt.Sprintf("%s.forwards.%d", path, j))
		}
		c.link(n.Value.Link, path+".link")
	}
}

// modelProblem says which of the two is wrong: the name of the NAT, or its settings.
func (c *checker) modelProblem(path string, n *NAT, err error) {
	if n.Settings != "" {
		if _, unchanged := c.f.lookup(n.Model); unchanged == nil {
			c.settings(path+".settings", err)
			return
		}
	}
	c.say(path+".model", err)
}

func (c *checker) forward(n *NAT, f Forward, path string) {
	if f.Protocol != "" && f.Protocol != natmodels.UDP.String() && f.Protocol != natmodels.TCP.String() {
		c.say(path+".protocol", &natmodels.UnknownError{What: "protocol", Name: f.Protocol, Valid: []string{natmodels.UDP.String(), natmodels.TCP.String()}})
	}
	if !slices.Contains(n.External, f.External.Addr()) {
		c.conflict(path+".external", "%v is none of the external addresses of this NAT", f.External.Addr())
	}
}

func (c *checker) link(l *Link, path string) {
	if l == nil {
		return
	}
	if _, _, err := l.directions(); err != nil {
		c.say(path, fmt.Errorf("%w: %w", ErrValue, err))
	}
}

func (c *checker) sites() {
	for i := range c.f.Sites {
		s := &c.f.Sites[i]
		path := "sites." + s.Name
		c.link(s.Value.Link, path+".link")
		inUse := map[netip.Addr]bool{}
		for j := range s.Value.Hosts {
			h := &s.Value.Hosts[j]
			at := path + ".hosts." + h.Name
			for _, a := range h.Value.Addrs {
				switch {
				case !s.Value.Prefix.Contains(a):
					c.conflict(at, "%v is not in %v", a, s.Value.Prefix)
				case inUse[a]:
					c.say(at, fmt.Errorf("%w: the address %v", ErrTwice, a))
				case a == s.Value.Prefix.Masked().Addr().Next():
					c.conflict(at, "%v is the address of the router of %s: the first of its prefix", a, s.Name)
				}
				inUse[a] = true
			}
		}
	}
	c.externals()
}

// externals are addresses that no site of the same realm has, and no other NAT.
func (c *checker) externals() {
	type address struct {
		realm string
		addr  netip.Addr
	}
	taken := map[address]string{}
	for i := range c.f.NATs {
		n := &c.f.NATs[i]
		path := "nats." + n.Name + ".external"
		for _, a := range n.Value.External {
			at := address{n.Value.Behind, a}
			if other, ok := taken[at]; ok {
				c.conflict(path, "%v is an address of %s", a, other)
			}
			taken[at] = n.Name
			for j := range c.f.Sites {
				if s := &c.f.Sites[j]; s.Value.Behind == n.Value.Behind && s.Value.Prefix.Contains(a) {
					c.conflict(path, "%v is an address of the site %s: packets for it would go there", a, s.Name)
				}
			}
		}
	}
	for i := range c.f.Sites {
		for j := range i {
			s, o := &c.f.Sites[i], &c.f.Sites[j]
			if s.Value.Behind == o.Value.Behind && s.Value.Prefix.Overlaps(o.Value.Prefix) {
				c.conflict("sites."+s.Name+".prefix", "it overlaps with that of %s", o.Name)
			}
		}
	}
}
