package theory

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// session is the timer of a call (RFC 4028): one end refreshes it, and each ends it by itself if that
// does not get through.
type session struct {
	refresher cell.Side
	since     map[cell.Side]time.Duration // the last refresh, as each end knows
	over      map[cell.Side]bool          // for whom it is over
	alarm     *tick                       // of who waits for a refresh
	unsure    *tick                       // of who waits for an ACK of it
	up        time.Duration               // since when the call is acknowledged
	begun     time.Duration               // when the refresh was sent
	heard     bool                        // the proxy has told its sender that it has it
	reached   bool                        // and it has come to the other end
	failed    Answer                      // the first thing of it that did not arrive
	bye       cell.Side                   // who was the first to say BYE, before anybody hangs up
	said      Answer                      // and what became of that
}

// Timed is Insists, for a call with a session timer.
func (n *Network) Timed(caller cell.Side) Answer {
	c := n.course
	c.session = &session{
		since:  map[cell.Side]time.Duration{caller: c.now - c.pace, caller.Other(): c.parted},
		over:   map[cell.Side]bool{},
		failed: Arrives(),
	}
	a := n.Insists(caller)
	c.session.up = c.now
	return a
}

// SessionLasts is how long after its ACK a call with a session timer lasts: not until the second refresh
// is due, and so long that who has not got the first has given it up.
func SessionLasts(interval time.Duration) time.Duration { return interval - 8*time.Second }

// Rings is that the proxy, and the callee, tell the caller that its INVITE has come.
func (n *Network) Rings(caller cell.Side) {
	s := n.station(caller)
	for range 2 {
		n.course.in(s, n.back(s), s.spoke)
	}
}

// beforeExpiry is how long before the end of a session it is given up (RFC 4028 §10).
func beforeExpiry(interval time.Duration) time.Duration { return min(timerB, interval/3) }

// givesUp is when an end gives up the session.
func (n *Network) givesUp(side cell.Side) time.Duration {
	return n.course.session.since[side] + n.session - beforeExpiry(n.session)
}

// RefreshDue is the time until an end refreshes the session, which is half of it (RFC 4028 §10), with
// what happens to the NAT in front of a meanwhile.
func (n *Network) RefreshDue(by cell.Side) {
	c, x := n.course, n.course.session
	x.refresher = by
	n.inCall()
	x.alarm = c.once(n.givesUp(by.Other()), func() { n.byes(by.Other()) })
	c.until(x.since[by] + n.session/2 - c.pace)
}

// Refreshes says whether a refresh of an end reaches the other before somebody gives the session up.
func (n *Network) Refreshes(by cell.Side, method string) Answer {
	if x := n.course.session; x.bye != "" {
		return x.takes(NotSent(n.end(by).host, method, fmt.Sprintf(
			"%s had counted from its first 200, of which a late copy arrived, and gave the session up before the refresh was due", n.end(x.bye).host)))
	}
	return n.course.session.takes(n.sendsRefresh(by, method))
}

func (n *Network) sendsRefresh(by cell.Side, method string) Answer {
	c, x, s, other := n.course, n.course.session, n.station(by), by.Other()
	invite := method == "INVITE"
	x.begun, x.heard = c.now, false
	c.says(c.socket(), false) // its Contact is of account when it arrives
	if a := n.Offers(by, method); invite && a.Fate != cell.Arrived {
		return a
	}
	a := n.request(other, method, true, nil)
	if invite { // the proxy says 100, which ends the repeating (RFC 3261 §17.1.1.2)
		x.heard = n.response(s, "100 to INVITE", nil).Fate == cell.Arrived
	}
	for _, after := range copies(invite) {
		if a.Fate == cell.Arrived {
			break
		}
		if c.until(x.begun + after); !x.heard && !x.over[by] { // else it is the proxy alone that repeats it
			c.turn = s
			c.says(c.socket(), false)
		}
		if b := n.request(other, method, true, nil); x.bye == "" {
			a = b
		} else if b.Fate == cell.Arrived { // that BYE has let it in, too late
			x.reached = true
			break
		}
	}
	if a.Copy = 0; a.Fate != cell.Arrived {
		return a
	}
	x.reached = true
	s.contact, s.alias = s.writes(), s.last
	x.since[other] = c.now
	c.drop(x.alarm)
	x.alarm = c.once(n.givesUp(other), func() { n.byes(other) })
	if invite {
		x.unsure = c.once(c.now+timerB, func() { n.byes(other) }) // RFC 3261 §13.3.1.4
	}
	return a
}

// takes remembers the first that fails.
func (x *session) takes(a Answer) Answer {
	if x.failed.Fate == cell.Arrived {
		x.failed = a
	}
	return a
}

// Refreshed is the 200 to a refresh.
func (n *Network) Refreshed(by cell.Side, method string) Answer {
	return n.course.session.takes(n.answersRefresh(by, method))
}

func (n *Network) answersRefresh(by cell.Side, method string) Answer {
	c, x, other := n.course, n.course.session, by.Other()
	if method == "INVITE" {
		if a := n.Describes(other, "200 to INVITE"); a.Fate != cell.Arrived {
			return a
		}
	}
	a := n.Response(by, "200 to "+method)
	if a.Copy = 0; a.Fate == cell.Arrived {
		x.since[by] = c.now
		s := n.station(other) // which told its Contact of the present too (RFC 3261 §12.2.1.2)
		s.contact = s.writes()
	}
	return a
}

// RefreshAcknowledged is the ACK of a refresh by re-INVITE.
func (n *Network) RefreshAcknowledged(by cell.Side) Answer {
	a := n.InDialog(by.Other(), "ACK")
	if a.Copy = 0; a.Fate == cell.Arrived {
		n.course.drop(n.course.session.unsure)
	}
	return n.course.session.takes(a)
}

// Outlives is the rest of the time until somebody hangs up. Who refreshes, and gets no answer, gives
// the call up at once (RFC 4028).
func (n *Network) Outlives(by cell.Side, method string) {
	c, x, s := n.course, n.course.session, n.station(by)
	switch {
	case x.failed.Fate == cell.Arrived:
	case x.over[by.Other()] && x.reached: // it is answered 481
		n.byes(by)
	case method != "INVITE" || !x.heard: // timers B and F
		c.once(x.begun+timerB, func() { n.byes(by) })
	case !x.reached: // the proxy says 408, again and again until it has an ACK (RFC 3261 §17.2.1)
		for _, after := range append([]time.Duration{0}, copies(false)...) {
			c.once(x.begun+timerB+c.pace+after, func() {
				if !x.over[by] && n.response(s, "408 to INVITE", nil).Fate == cell.Arrived {
					n.byes(by)
				}
			})
		}
	}
	c.until(x.up + SessionLasts(n.session))
}

// byes has an end give up the session, and repeat its BYE until that arrives.
func (n *Network) byes(by cell.Side) {
	c, x, s, other := n.course, n.course.session, n.station(by), by.Other()
	if x.over[by] {
		return
	}
	x.over[by] = true
	first, arrived := x.bye == "", false
	if first {
		x.bye = by
	}
	send := func() {
		if arrived {
			return
		}
		c.turn = s
		a := n.request(other, "BYE", true, nil)
		if arrived = a.Fate == cell.Arrived; arrived {
			x.over[other] = true
		}
		if a.Copy = 0; first {
			x.said = a
		}
	}
	begun := c.now
	for _, after := range copies(false) {
		c.once(begun+after, send)
	}
	send()
}

// SessionStaysUp says whether nobody has given the session up.
func (n *Network) SessionStaysUp() Answer {
	x := n.course.session
	if x.bye == "" {
		return Arrives()
	}
	a := answer(x.failed.Cause)
	a.Cause.Why = fmt.Sprintf("%s ended the call, since the session of %d s was not refreshed (RFC 4028 §10): %s",
		n.end(x.bye).host, n.session/time.Second, a.Cause.Why)
	return a
}

// SessionEnds says whether the first BYE arrives: of who has given the session up, or of who hangs up.
func (n *Network) SessionEnds(by cell.Side) Answer {
	c, x := n.course, n.course.session
	if x.bye != "" {
		n.byes(by) // who knows nothing of it hangs up too, which may let that in
		c.until(c.now + timerB)
		return x.said
	}
	if by != x.refresher { // who refreshes again before the BYE has come in
		s := n.station(x.refresher)
		c.once(x.since[x.refresher]+n.session/2, func() { s.line.out(c.socket(), c.now) })
	}
	n.Sends(by)
	a := n.InDialog(by.Other(), "BYE")
	a.Copy = 0
	return a
}
