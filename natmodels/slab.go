package natmodels

// slab stores records by a small number that stays the same for the life of the
// record. It grows in chunks and never copies. Number 0 is never given out.
type slab[T any] struct {
	chunks []*[slabChunk]T
	made   uint32   // numbers given out so far, including those free again
	free   []uint32 // numbers to give out again
}

const slabChunk = 64

func (s *slab[T]) at(ref uint32) *T {
	return &s.chunks[ref/slabChunk][ref%slabChunk]
}

// take returns the number of a record to be filled in.
func (s *slab[T]) take() uint32 {
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

// release gives a number back and clears its record.
func (s *slab[T]) release(ref uint32) {
	var zero T
	*s.at(ref) = zero
	s.free = append(s.free, ref)
}
