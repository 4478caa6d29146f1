package natmodels

// kin finds the connections that share an endpoint, the newest first.
type kin struct {
	which uint8 // sameSender or sameHolder
	newer index // to the newest of each
}

const (
	sameSender uint8 = iota // the same internal endpoint
	sameHolder              // the same external endpoint
)

// kinLinks join the connections of one kin by their creation.
type kinLinks struct{ newer, older uint32 }

// kinKey is what they share.
type kinKey struct {
	protocol Protocol
	endpoint endpoint
}

func (x *kin) keyOf(c *connection) kinKey {
	if x.which == sameSender {
		return kinKey{c.original.protocol, c.original.source()}
	}
	return kinKey{c.original.protocol, c.reply.destination()}
}

// newest returns the connection made last, or 0.
func (x *kin) newest(k *tracker, of kinKey) uint32 {
	found := x.newer.probe(k.hashing.shared(of))
	for ref := found.next(); ref != 0; ref = found.next() {
		if x.keyOf(k.table.at(ref)) == of {
			return ref
		}
	}
	return 0
}

// link makes a connection the newest.
func (x *kin) link(k *tracker, ref uint32, c *connection) {
	key := x.keyOf(c)
	hash := k.hashing.shared(key)
	if newest := x.newest(k, key); newest != 0 {
		x.newer.remove(hash, newest)
		k.table.at(newest).kin[x.which].newer = ref
		c.kin[x.which].older = newest
	}
	x.newer.insert(hash, ref)
}

func (x *kin) unlink(k *tracker, ref uint32, c *connection) {
	links := c.kin[x.which]
	if links.older != 0 {
		k.table.at(links.older).kin[x.which].newer = links.newer
	}
	if links.newer != 0 {
		k.table.at(links.newer).kin[x.which].older = links.older
		return
	}
	hash := k.hashing.shared(x.keyOf(c))
	x.newer.remove(hash, ref)
	if links.older != 0 {
		x.newer.insert(hash, links.older)
	}
}
