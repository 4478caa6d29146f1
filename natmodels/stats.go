package natmodels

// Stats counts packets and mappings since the NAT was made. It is a comparable
// value, and two sums always hold:
//
//	Outbound + Inbound = Forwarded + Hairpinned + Replied + all of Dropped
//	Created = Expired + Flushed + Renumbered + Closed + Evicted + Live
type Stats struct {
	Outbound   uint64 // packets from the inside
	Inbound    uint64 // packets from the outside
	Forwarded  uint64
	Hairpinned uint64
	Replied    uint64              // not forwarded, but answered
	Dropped    [reasonCount]uint64 // by Reason

	Created    uint64 // mappings made
	Expired    uint64 // mappings that ran out of time
	Flushed    uint64 // mappings removed by Flush
	Renumbered uint64 // mappings lost to Renumber
	Closed     uint64 // connections that ended before their time
	Evicted    uint64 // mappings that made room for another
	Live       uint64 // mappings alive, without port forwards
	Static     uint64 // port forwards
}

// DroppedTotal returns the number of packets dropped for whatever reason.
func (s Stats) DroppedTotal() uint64 {
	var sum uint64
	for _, d := range s.Dropped {
		sum += d
	}
	return sum
}

// Ended counts the end of a mapping.
func (s *Stats) Ended(cause Reason) {
	switch cause {
	case Expired:
		s.Expired++
	case Flushed:
		s.Flushed++
	case Renumbered:
		s.Renumbered++
	case Closed:
		s.Closed++
	case Evicted:
		s.Evicted++
	}
}
