package judge

// Side is a side of the box.
type Side uint8

// The two sides that a packet comes from.
const (
	Inside Side = iota
	Outside
)
