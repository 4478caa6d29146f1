package translate

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/natproof/natproof/natmodels"
)

// Snapshot saves the NAT. What it does later does not touch the snapshot.
func (n *NAT) Snapshot() natmodels.Snapshot { return snapshot{n.clone()} }

type snapshot struct{ nat *NAT }

// Restore returns a NAT with the same future as the one that was saved.
func (s snapshot) Restore() natmodels.Box { return s.nat.clone() }

func (n *NAT) clone() *NAT {
	c := *n
	c.place = n.Place()
	source := *n.source
	c.source = &source
	c.random = rand.New(c.source)

	c.mappings, c.sessions, c.grants = n.mappings.Clone(), n.sessions.Clone(), n.grants.Clone()
	c.byFlow, c.bySession, c.byGrant = n.byFlow.Clone(), n.bySession.Clone(), n.byGrant.Clone()
	c.wheel.Rebind(c.timer)
	c.pools = make([]*pool, len(n.pools))
	for i, p := range n.pools {
		c.pools[i] = p.clone()
	}
	c.byAddr = maps.Clone(n.byAddr)
	c.endpoint = maps.Clone(n.endpoint)
	for e, held := range c.endpoint {
		c.endpoint[e] = maps.Clone(held)
	}
	c.holes = maps.Clone(n.holes)
	for ref, list := range c.holes {
		c.holes[ref] = slices.Clone(list)
	}
	c.groups = maps.Clone(n.groups)
	for a, g := range c.groups {
		same := *g
		c.groups[a] = &same
	}
	c.held = slices.Clone(n.held)
	c.history, c.said = n.history.Clone(), nil
	return &c
}

func (p *pool) clone() *pool {
	c := *p
	for sp := range c.ports {
		c.ports[sp].until = maps.Clone(p.ports[sp].until)
		if p.ports[sp].pages == nil {
			continue
		}
		c.ports[sp].pages = new([256]*[256]uint32)
		for i, page := range p.ports[sp].pages {
			if page != nil {
				same := *page
				c.ports[sp].pages[i] = &same
			}
		}
	}
	return &c
}
