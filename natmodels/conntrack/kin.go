package conntrack

import (
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// kin finds the connections that share an endpoint, the newest first.
type kin struct {
	which uint8       // sameSender or sameHolder
	newer table.Index // to the newest of each
}

const (
	sameSender uint8 = iota // the same internal endpoint
	sameHolder              // the same external endpoint
)

// kinLinks join the connections of one kin by their creation.
type kinLinks struct{ newer, older uint32 }

// kinKey is what they share.
type kinKey struct {
	protocol natmodels.Protocol
	endpoint table.Endpoint
}

func (x *kin) keyOf(c *connection) kinKey {
	if x.which == sameSender {
		return kinKey{c.original.protocol, c.original.source()}
	}
	return kinKey{c.original.protocol, c.reply.destination()}
}

// newest returns the connection made last, or 0.
func (x *kin) newest(k *Tracker, of kinKey) uint32 {
	found := x.newer.Probe(hashKin(&k.hashing, of))
	for ref := found.Next(); ref != 0; ref = found.Next() {
		if x.keyOf(k.table.At(ref)) == of {
			return ref
		}
	}
	return 0
}

// link makes a connection the newest.
func (x *kin) link(k *Tracker, ref uint32, c *connection) {
	key := x.keyOf(c)
	hash := hashKin(&k.hashing, key)
	if newest := x.newest(k, key); newest != 0 {
		x.newer.Remove(hash, newest)
		k.table.At(newest).kin[x.which].newer = ref
		c.kin[x.which].older = newest
	}
	x.newer.Insert(hash, ref)
}

func (x *kin) unlink(k *Tracker, ref uint32, c *connection) {
	links := c.kin[x.which]
	if links.older != 0 {
		k.table.At(links.older).kin[x.which].newer = links.newer
	}
	if links.newer != 0 {
		k.table.At(links.newer).kin[x.which].older = links.older
		return
	}
	hash := hashKin(&k.hashing, x.keyOf(c))
	x.newer.Remove(hash, ref)
	if links.older != 0 {
		x.newer.Insert(hash, links.older)
	}
}
