package theory

import "github.com/natproof/natproof/scenarios/cell"

// RingsBefore is the time in which the callee rings, with what happens to the NAT in front of a in the
// midst of it. The caller has said by then where it wants media, and has heard that it rings.
func (n *Network) RingsBefore(caller cell.Side) {
	if n.change == cell.ChangeNone || n.when != cell.WhenRinging {
		return
	}
	c, s := n.course, n.station(caller)
	if n.watched {
		for _, part := range []cell.Part{cell.RTP, cell.RTCP} {
			x := c.opens(s, part)
			c.offered = append(c.offered, x)
			if s.end.traits.Address == Asked { // and asks on, so that a mapping may be there again when the 200 comes
				c.every(stunRefresh, func() {
					c.in(s, x.line.out(atSTUN, c.now), atSTUN)
				})
			}
		}
	}
	c.rung = n.response(s, "180 to INVITE", nil).Fate == cell.Arrived
	before := cell.BeforeChange(cell.Ringing)
	n.Lapse(before)
	n.changes()
	n.Lapse(cell.Ringing - before)
}
