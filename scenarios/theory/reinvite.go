package theory

import (
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// Reinvite says whether a re-INVITE of an end reaches the other, who then knows it by the address of
// the present (RFC 3261 §12.2.2).
func (n *Network) Reinvite(from cell.Side) Answer {
	a := n.Offers(from, "INVITE")
	if a.Fate == cell.Arrived {
		a = n.InDialog(from.Other(), "INVITE")
	}
	if s := n.station(from); a.Fate == cell.Arrived {
		s.contact = s.writes()
	} else {
		n.course.says(n.course.socket(), true)
		s.alias = s.before
	}
	return a
}

// Held is the time for which an end holds the call, with what happens in the midst of it. Both ends
// go on to report (RFC 3550 §6.2).
func (n *Network) Held(rest time.Duration) {
	if n.inCall() {
		n.report()
	}
	n.Lapse(rest)
	n.course.talked += rest
}

// report is RTCP in a short time, in which there may be none.
func (n *Network) report() { n.converses(cell.RTCP, n.course.reports...) }

// Renews is the time in which a call talks, with what happens in the midst of it, until an end asks
// anew for its addresses.
func (n *Network) Renews(side cell.Side, rest time.Duration) {
	if n.inCall() {
		n.converses(cell.RTP, n.course.first, n.course.first.Other())
		n.report()
	}
	n.Lapse(rest)
	n.course.talked += rest
	c := n.course
	n.asksAnew(n.station(side))
	for _, t := range c.talks {
		t.ends[side].announce(c)
	}
}

// Reinvited is what both ends know of each other after a re-INVITE that was answered. The callee of
// it sends first.
func (n *Network) Reinvited(by cell.Side) {
	for _, t := range n.course.talks {
		for side, x := range t.ends {
			x.signals(t.ends[side.Other()].announced)
		}
		// A report may take longer than the window is open (RFC 3550 §6.3.1).
		t.open = t.part == cell.RTP || n.course.pace == soon
	}
	if n.course.talks != nil {
		n.converse(by.Other())
	}
}
