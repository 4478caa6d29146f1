package table

// Index is an open-addressing hash table from a hash to a reference into a slab.
// The keys stay in the slab: the caller compares them. A lookup touches one cache
// line here and one in the slab, and the table holds no pointers.
type Index struct {
	slots []slot // a power of two of them
	count int
}

type slot struct {
	hash uint32
	ref  uint32 // 0: empty
}

// Probe is a search for a hash: Next returns the candidates one by one.
type Probe struct {
	slots []slot
	at    uint32
	hash  uint32
}

// Len is the number of references.
func (x *Index) Len() int { return x.count }

// Probe starts a search for hash.
func (x *Index) Probe(hash uint32) Probe {
	return Probe{slots: x.slots, at: hash - 1, hash: hash}
}

// Next returns the next reference stored under the hash, or 0.
func (p *Probe) Next() uint32 {
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

// Insert adds ref under hash.
func (x *Index) Insert(hash, ref uint32) {
	if 4*(x.count+1) > 3*len(x.slots) {
		x.grow()
	}
	x.put(slot{hash, ref})
	x.count++
}

func (x *Index) put(s slot) {
	mask := uint32(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

func (x *Index) grow() {
	old := x.slots
	x.slots = make([]slot, max(16, 2*len(old)))
	for _, s := range old {
		if s.ref != 0 {
			x.put(s)
		}
	}
}

// Remove deletes ref, which is stored under hash, and closes the gap so that no
// probe ends early.
func (x *Index) Remove(hash, ref uint32) {
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
