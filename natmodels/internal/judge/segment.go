package judge

import "github.com/natproof/natproof/natmodels"

// Segment is what a TCP segment says by its flags.
type Segment uint8

// The segments. What has RST is that, whatever else it has.
const (
	SYN Segment = iota
	SYNACK
	FIN
	ACK
	RST
	NoSegment
)

// SegmentOf reads the flags of a segment.
func SegmentOf(f natmodels.TCPFlags) Segment {
	switch {
	case f&natmodels.RST != 0:
		return RST
	case f&natmodels.SYN != 0 && f&natmodels.ACK != 0:
		return SYNACK
	case f&natmodels.SYN != 0:
		return SYN
	case f&natmodels.FIN != 0:
		return FIN
	case f&natmodels.ACK != 0:
		return ACK
	}
	return NoSegment
}
