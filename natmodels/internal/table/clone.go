package table

import (
	"maps"
	"slices"
)

// Clone copies the slab, records and all.
func (s *Slab[T]) Clone() Slab[T] {
	c := Slab[T]{made: s.made, free: slices.Clone(s.free), chunks: make([]*[slabChunk]T, len(s.chunks))}
	for i, chunk := range s.chunks {
		same := *chunk
		c.chunks[i] = &same
	}
	return c
}

// Clone copies the index.
func (x *Index) Clone() Index { return Index{slices.Clone(x.slots), x.count} }

// Clone copies the history.
func (h *History) Clone() History { return History{slices.Clone(h.ring), h.at, maps.Clone(h.by)} }
