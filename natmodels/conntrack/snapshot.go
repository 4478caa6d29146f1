package conntrack

import (
	"maps"
	"math/rand/v2"

	"github.com/natproof/natproof/natmodels"
)

// Snapshot saves the box. What it does later does not touch the snapshot.
func (k *Tracker) Snapshot() natmodels.Snapshot { return snapshot{k.clone()} }

type snapshot struct{ box *Tracker }

// Restore returns a box with the same future as the one that was saved.
func (s snapshot) Restore() natmodels.Box { return s.box.clone() }

func (k *Tracker) clone() *Tracker {
	c := *k
	c.place = k.Place()
	source := *k.source
	c.source = &source
	c.random = rand.New(c.source)
	c.external = maps.Clone(k.external)
	c.table = k.table.Clone()
	c.byTuple, c.bySender.newer, c.byHolder.newer = k.byTuple.Clone(), k.bySender.newer.Clone(), k.byHolder.newer.Clone()
	c.wheel.Rebind(c.timer)
	c.history = k.history.Clone()
	c.expected, c.watched = k.expected.clone(), maps.Clone(k.watched)
	return &c
}
