package table

// Slab stores records by a small number that stays the same for the life of the
// record. It grows in chunks and never copies. Number 0 is never given out.
type Slab[T any] struct {
	chunks []*[slabChunk]T
	made   uint32   // numbers given out so far, including those free again
	free   []uint32 // numbers to give out again
}

const slabChunk = 16

// Made is the greatest number given out so far.
func (s *Slab[T]) Made() uint32 { return s.made }

// At returns the record of a number.
func (s *Slab[T]) At(ref uint32) *T {
	return &s.chunks[ref/slabChunk][ref%slabChunk]
}

// Take returns the number of a record to be filled in.
func (s *Slab[T]) Take() uint32 {
	if n := len(s.free); n > 0 {
		ref := s.free[n-1]
		s.free = s.free[:n-1]
		return ref
	}
	s.made++
	if int(s.made/slabChunk) == len(s.chunks) {
		s.chunks = append(s.chunks, new([slabChunk]T))
	}
	return s.made
}

// Release gives a number back and clears its record.
func (s *Slab[T]) Release(ref uint32) {
	var zero T
	*s.At(ref) = zero
	s.free = append(s.free, ref)
}
