package theory

import (
	"github.com/natproof/natproof/scenarios/cell"
)

// Asks is a request other than INVITE from one end to the other. The proxy sends it on and says
// nothing itself (RFC 4320 §4.1), so that its sender repeats it until the other answers (RFC 3261
// §17.1.2.2, timer E), and gives up with timer F.
func (n *Network) Asks(from cell.Side, message string) Answer {
	c, s := n.course, n.station(from)
	s.begun = c.now
	over := n.repeats(s)
	a := n.Request(from.Other(), message)
	if a.Fate != cell.Arrived {
		c.until(s.begun + timerB)
	}
	over()
	return a
}

// Answered is the response to the last request of an end, which repeats that for as long as there
// is none.
func (n *Network) Answered(to cell.Side, message string) Answer {
	c, s := n.course, n.station(to)
	over := n.repeats(s)
	a := n.Response(to, message)
	if a.Fate != cell.Arrived {
		c.until(s.begun + timerB)
	}
	over()
	return a
}

// repeats has an end repeat its last request until it is over.
func (n *Network) repeats(s *station) (over func()) {
	c := n.course
	var all []*tick
	for _, after := range copies(false) {
		if at := s.begun + after; at > c.now {
			all = append(all, c.once(at, func() { c.sends(s) }))
		}
	}
	return func() { c.drop(all...) }
}
