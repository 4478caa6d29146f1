package natmodels

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Snapshot is a NAT at one moment, mappings, timers, random choices and all. It lives
// in memory.
type Snapshot struct{ nat *NAT }

// Snapshot saves the NAT. What it does later does not touch the snapshot.
func (n *NAT) Snapshot() *Snapshot { return &Snapshot{n.clone()} }

// Restore returns a NAT with the same future as the one that was saved: equal packets
// at equal times get equal verdicts. It may be called more than once.
func (s *Snapshot) Restore() *NAT { return s.nat.clone() }

func (n *NAT) clone() *NAT {
	c := *n
	c.cfg = n.Config()
	source := *n.source
	c.source = &source
	c.random = rand.New(c.source)

	c.mappings, c.sessions, c.grants = n.mappings.clone(), n.sessions.clone(), n.grants.clone()
	c.byFlow, c.bySession, c.byGrant = n.byFlow.clone(), n.bySession.clone(), n.byGrant.clone()
	c.wheel.timer = func(ref uint32) *timed { return &c.mappings.at(ref).timed }
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
	c.history = n.history.clone()
	if n.tracker != nil {
		c.tracker = n.tracker.clone(&c)
	}
	if n.prefix != nil {
		c.prefix = &prefixTranslator{n.prefix.prefixes, &c.stats}
	}
	return &c
}

func (k *tracker) clone(n *NAT) *tracker {
	c := *k
	c.random, c.stats = n.random, &n.stats
	c.table = k.table.clone()
	c.byTuple, c.bySender.newer, c.byHolder.newer = k.byTuple.clone(), k.bySender.newer.clone(), k.byHolder.newer.clone()
	c.wheel.timer = func(ref uint32) *timed { return &c.table.at(ref).timed }
	c.history = k.history.clone()
	c.expected, c.watched = k.expected.clone(), maps.Clone(k.watched)
	return &c
}

func (s *slab[T]) clone() slab[T] {
	c := slab[T]{made: s.made, free: slices.Clone(s.free), chunks: make([]*[slabChunk]T, len(s.chunks))}
	for i, chunk := range s.chunks {
		same := *chunk
		c.chunks[i] = &same
	}
	return c
}

func (x *index) clone() index { return index{slices.Clone(x.slots), x.count} }

func (p *pool) clone() *pool {
	c := *p
	for sp := range c.ports {
		c.ports[sp].until = maps.Clone(p.ports[sp].until)
		for i, page := range p.ports[sp].pages {
			if page != nil {
				same := *page
				c.ports[sp].pages[i] = &same
			}
		}
	}
	return &c
}

func (h *history) clone() history { return history{slices.Clone(h.ring), h.at, maps.Clone(h.by)} }
