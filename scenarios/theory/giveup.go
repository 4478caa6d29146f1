package theory

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// GivenUp is more than a callee takes to give up a call without an ACK (RFC 3261 §13.3.1.4), and to
// find that nobody answers its BYE.
const GivenUp = 2*timerB + 8*time.Second

// Insists is Acknowledged copy by copy: until the callee has an ACK it repeats its 200, and as often as
// the caller gets that it sends the ACK again (RFC 3261 §13.2.2.4, §13.3.1.4).
func (n *Network) Insists(caller cell.Side) Answer {
	c, x, y := n.course, n.station(caller), n.station(caller.Other())
	back, socket := n.back(x), x.spoke
	c.parted = c.now
	a := n.request(caller.Other(), "ACK", true, nil)
	for _, after := range copies(false) {
		if a.Fate == cell.Arrived {
			break
		}
		c.until(c.parted + after)
		c.turn = y
		c.says(c.socket(), true)
		c.pass(c.pace)
		if !x.known || c.in(x, back, socket).IsZero() {
			n.Sends(caller)
			a = n.request(caller.Other(), "ACK", true, nil)
		}
	}
	c.acked, c.missed = a.Fate == cell.Arrived, a.Cause
	return a
}

// Lasts is the time in which a call is up and nobody has anything to signal. Without an ACK the
// callee gives up meanwhile.
func (n *Network) Lasts() {
	if n.course.acked {
		n.Lapse(n.lasts + cell.BesideTheHour)
	} else {
		n.course.until(n.course.parted + timerB)
	}
}

// LastsUnheard is Lasts where it has not been asked whether the call stays up, since the caller
// knows of none.
func (n *Network) LastsUnheard() {
	if !n.course.acked {
		n.course.until(n.course.parted + timerB)
	}
}

// StaysUp says whether the callee has what it waits for: the ACK, which by then it has asked for
// with every copy of its 200.
func (n *Network) StaysUp(callee cell.Side) Answer {
	if n.course.acked {
		return Arrives()
	}
	a := answer(n.course.missed)
	a.Cause.Why = fmt.Sprintf("%s gave the call up %d s after its 200, for want of an ACK (RFC 3261 §13.3.1.4): %s",
		n.end(callee).host, timerB/time.Second, a.Cause.Why)
	return a
}

// HangsUp says whether the BYE of one of the two reaches the other. A callee that got no ACK has
// said BYE when it gave up, and who has got that hangs up no more.
func (n *Network) HangsUp(caller, side cell.Side) Answer {
	c, callee := n.course, caller.Other()
	if c.acked || side == callee {
		return n.InDialog(side.Other(), "BYE")
	}
	c.turn = nil
	n.Sends(callee)
	if a := n.InDialog(caller, "BYE"); a.Fate == cell.Arrived {
		return NotSent(n.end(caller).host, "BYE", fmt.Sprintf(
			"%s got no ACK, gave up and said BYE itself (RFC 3261 §13.3.1.4)", n.end(callee).host))
	}
	c.until(c.parted + GivenUp)
	n.Sends(caller)
	return n.InDialog(callee, "BYE")
}
