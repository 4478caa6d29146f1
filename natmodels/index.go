package natmodels

// index is an open-addressing hash table from a hash to a reference into a slab.
// The keys stay in the slab: the caller compares them. A lookup touches one cache
// line here and one in the slab, and the table holds no pointers.
type index struct {
	slots []slot // a power of two of them
	count int
}

type slot struct {
	hash uint32
	ref  uint32 // 0: empty
}

// probe starts a search for hash; next returns the candidates one by one.
type probe struct {
	slots []slot
	at    uint32
	hash  uint32
}

func (x *index) probe(hash uint32) probe {
	return probe{slots: x.slots, at: hash - 1, hash: hash}
}

// next returns the next reference stored under the hash, or 0.
func (p *probe) next() uint32 {
	if len(p.slots) == 0 {
		return 0
	}
	mask := uint32(len(p.slots) - 1)
	for {
		p.at++
		s := p.slots[p.at&mask]
		if s.ref == 0 || s.hash == p.hash {
			return s.ref
		}
	}
}

// insert adds ref under hash.
func (x *index) insert(hash, ref uint32) {
	if 4*(x.count+1) > 3*len(x.slots) {
		x.grow()
	}
	x.put(slot{hash, ref})
	x.count++
}

func (x *index) put(s slot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, max(16, 2*len(old)))
	for _, s := range old {
		if s.ref != 0 {
			x.put(s)
		}
	}
}

// remove deletes ref, which is stored under hash, and closes the gap so that no
// probe ends early.
func (x *index) remove(hash, ref uint32) {
	mask := uint32(len(x.slots) - 1)
	gap := hash & mask
	for x.slots[gap].ref != ref {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; x.slots[i].ref != 0; i = (i + 1) & mask {
		home := x.slots[i].hash & mask
		// The slot may move back to the gap unless its home lies after the gap.
		if (i-home)&mask >= (i-gap)&mask {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = slot{}
	x.count--
}
