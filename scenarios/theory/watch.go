package theory

import (
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// GivingUp is more than either side of a NOTIFY waits for it: timers F and N (RFC 6665 §4.1.2.4).
const GivingUp = 40 * time.Second

// watch is a subscription of an end at the agent of the proxy, as both know it (RFC 6665 §4).
type watch struct {
	source, wrote endpoint // of its last SUBSCRIBE, as station has them of a registration
	told, heard   int      // the state that the last NOTIFY tells, and the last one that got in
	state         int
	ended         bool       // the proxy has ended it
	refused       bool       // and has said so
	gone          bool       // the end has none
	got           bool       // the last NOTIFY got in
	pending       bool       // or is being repeated
	dirty         bool       // and there is more to tell
	why           cell.Cause // it did not get in
	copies        []*tick
}

// Subscribes is a SUBSCRIBE of an end, which gets out. The proxy answers it, and tells the state at
// once (RFC 6665 §4.2.1.2).
func (n *Network) Subscribes(side cell.Side) Answer {
	c, s := n.course, n.station(side)
	s.begun = c.now
	c.pass(c.pace)
	s.watch = &watch{source: s.last, wrote: s.writes()}
	n.tells(s, true)
	return Arrives()
}

// Subscribed is the answer to it, without which the end takes it that there is no subscription.
func (n *Network) Subscribed(side cell.Side, message string) Answer {
	a := n.Answered(side, message)
	if w := n.station(side).watch; a.Fate != cell.Arrived {
		w.gone = true
	}
	return a
}

// Notified is the NOTIFY with the state of that number, from 0 on. If it does not get in at once both
// ends are given time to give up.
func (n *Network) Notified(side cell.Side, state int) Answer {
	c, w := n.course, n.station(side).watch
	c.pass(c.pace)
	if !w.got {
		c.pass(GivingUp)
	}
	switch {
	case w.heard > state:
		return Arrives()
	case w.told < state:
		return NotSent(cell.BoxProxy, "NOTIFY", hadEnded)
	}
	return answer(w.why)
}

const hadEnded = "the proxy had ended the subscription, since a NOTIFY was not answered (RFC 6665 §4.2.2)"

// Ended is the answer to the SUBSCRIBE that ends it.
func (n *Network) Ended(side cell.Side, message string) Answer {
	if n.station(side).watch.refused {
		return NotSent(cell.BoxProxy, message, hadEnded)
	}
	return n.Answered(side, message)
}

// NotifiedLast is the NOTIFY that follows.
func (n *Network) NotifiedLast(side cell.Side) Answer {
	c, w := n.course, n.station(side).watch
	if w.refused {
		return NotSent(cell.BoxProxy, "NOTIFY", hadEnded)
	}
	if !w.got {
		c.pass(GivingUp)
	}
	if w.got {
		return Arrives()
	}
	return answer(w.why)
}

// Changes is a new state, of which the proxy tells at once unless it waits for the answer to the
// NOTIFY before.
func (n *Network) Changes(watcher cell.Side) {
	s := n.station(watcher)
	w := s.watch
	if w.state++; !w.ended && w.pending {
		w.dirty = true
	} else if !w.ended {
		n.tells(s, false)
	}
}

// Publishes is the PUBLISH of an end (RFC 3903), which gets out.
func (n *Network) Publishes(side cell.Side) Answer {
	c, s := n.course, n.station(side)
	s.begun = c.now
	c.pass(c.pace)
	n.Changes(side.Other())
	return Arrives()
}

// Unsubscribes is the SUBSCRIBE that ends it. The last NOTIFY follows (RFC 6665 §4.1.2.3).
func (n *Network) Unsubscribes(side cell.Side) Answer {
	c, s := n.course, n.station(side)
	w := s.watch
	if w.gone {
		return NotSent(s.end.host, "SUBSCRIBE", "its subscription has ended, since a NOTIFY that it waited for did not come (RFC 6665 §4.1.2.4)")
	}
	s.begun = c.now
	c.pass(c.pace)
	if w.refused = w.ended; !w.refused {
		w.source, w.wrote = s.last, s.writes()
		n.tells(s, true)
		w.ended = true
	}
	return Arrives()
}

// Acknowledges is the 200 to a NOTIFY that got in. An end that knows nothing of the subscription
// refuses it.
func (n *Network) Acknowledges(side cell.Side, message string) Answer {
	if s := n.station(side); s.watch.gone {
		return NotSent(s.end.host, message, "it has no subscription (RFC 6665 §4.1.3)")
	}
	return Arrives()
}

// resubscribes is a SUBSCRIBE since the address of an end is another.
func (n *Network) resubscribes(s *station) {
	c, w := n.course, s.watch
	if w == nil || w.gone || s.asked == w.wrote {
		return
	}
	c.sends(s)
	c.pass(c.pace)
	if w.ended { // 481
		w.gone = true
		return
	}
	w.source, w.wrote = s.last, s.writes()
	n.tells(s, true)
}

// tells is a NOTIFY, repeated by timer E until it is answered (RFC 3261 §17.1.2.2). If it never is,
// the proxy ends the subscription (RFC 6665 §4.2.2), and so does an end that has asked for it.
func (n *Network) tells(s *station, asked bool) {
	c, w := n.course, s.watch
	c.drop(w.copies...)
	w.told, w.pending, w.dirty, w.copies = w.state, true, false, nil
	begun := c.now
	if w.got = false; n.gets(s) {
		if !w.got && asked { // somebody else has refused it
			w.copies = append(w.copies, c.once(begun+timerB, func() { w.gone = true }))
		}
		return
	}
	for _, after := range copies(false) {
		w.copies = append(w.copies, c.once(begun+after, func() {
			if mine := w.copies; n.gets(s) {
				c.drop(mine...)
			}
		}))
	}
	w.copies = append(w.copies, c.once(begun+timerB, func() {
		w.pending, w.ended = false, true
		w.gone = w.gone || asked
	}))
}

// gets says whether a copy of a NOTIFY gets in, or is refused, and no other follows. The answer
// goes out in any case.
func (n *Network) gets(s *station) bool {
	c, w := n.course, s.watch
	c.pass(c.pace)
	way, from := n.routed(s.end.announcing(announcedSIP), "NOTIFY", n.policy.request), n.leaves(s, false)
	if w.why = way; s.decides(way) {
		w.why = c.in(s, n.leads(s), from)
		if !w.why.IsZero() {
			w.why.Message = "NOTIFY"
			w.why.Why = n.whyNot(s, from, w.why)
			w.why = answer(w.why).because(way).Cause
		}
	}
	if w.why.Rule == cell.RuleElsewhere { // 481, and that is the end
		w.why.Rule, w.why.Why = cell.RuleRefused, w.why.Why+", and that has no such subscription (RFC 6665 §4.1.3)"
		w.pending, w.ended = false, true
		return true
	}
	if !w.why.IsZero() {
		return false
	}
	w.got, w.pending, w.heard = true, false, max(w.heard, w.told+1)
	c.pass(c.pace)
	s.line.out(atProxy, c.now)
	switch {
	case w.gone: // 481
		w.ended = true
	case w.dirty && !w.ended:
		n.tells(s, false)
	}
	return true
}

// leads is where a NOTIFY goes: as a new request to a binding with the Contact and the source of
// the SUBSCRIBE would.
func (n *Network) leads(s *station) endpoint {
	return s.end.reached(n.way(*s.end, false), s.watch.wrote, s.watch.source)
}
