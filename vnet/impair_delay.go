package vnet

import (
	"slices"
	"time"
)

// delays is the stage that takes time: latency, jitter, order.
type delays struct {
	jitter, reorder stream

	last   time.Time     // the latest arrival of those that keep order
	slow   time.Time     // the latest arrival of those that do not go by express
	behind []*overtaken  // held back by distance
	late   func(*packet) // d.outwaited, bound when first needed
}

// overtaken is a packet that is held back until others are ahead of it.
type overtaken struct {
	p     *packet
	left  int           // later packets that it still waits for
	due   time.Time     // when it would have arrived
	limit time.Time     // it waits no longer than this
	next  func(*packet) // who takes it
}

// travel takes a packet whose last bit has left at the given time to the far end.
func (d *pipe) travel(p *packet, at, now time.Time) {
	next := d.disturb(p)
	due := at.Add(max(0, d.cfg.Latency+d.jitter()))
	if d.cfg.Reorder > 0 && d.delay.reorder.float(d, "reorder") < d.cfg.Reorder {
		d.holdBack(p, due, now, next)
		return
	}
	if !d.cfg.Unordered && due.Before(d.delay.last) {
		due = d.delay.last
	}
	if due.After(d.delay.last) {
		d.delay.last = due
	}
	d.deliver(p, due, now, next)
	if len(d.delay.behind) > 0 {
		d.overtake(due, now)
	}
}

// slowUntil notes that a packet arrives that does not go by express.
func (s *delays) slowUntil(t time.Time) {
	if t.After(s.slow) {
		s.slow = t
	}
}

// jitter is what the delay of the next packet differs from the latency.
func (d *pipe) jitter() time.Duration {
	if d.cfg.Jitter == 0 {
		return 0
	}
	return d.cfg.Distribution.draw(d.delay.jitter.of(d, "jitter"), d.cfg.Jitter)
}

// deliver hands a packet over when it is due.
func (d *pipe) deliver(p *packet, due, now time.Time, next func(*packet)) {
	if !due.After(now) && !d.link.lab.late(due) {
		next(p)
		return
	}
	if d.express(p, due) {
		return
	}
	d.delay.slowUntil(due)
	d.link.lab.hold(p, due, next)
}

// holdBack lets others overtake the packet, which does not hold up those behind it.
func (d *pipe) holdBack(p *packet, due, now time.Time, next func(*packet)) {
	limit := due.Add(d.cfg.ReorderBy)
	if d.cfg.ReorderDistance == 0 {
		d.deliver(p, limit, now, next)
		return
	}
	if d.delay.late == nil {
		d.delay.late = d.outwaited
	}
	d.delay.behind = append(d.delay.behind, &overtaken{p: p, left: d.cfg.ReorderDistance, due: due, limit: limit, next: next})
	d.link.lab.hold(p, limit, d.delay.late)
}

// overtake counts a packet that arrives at due as one ahead of those that are held back,
// and lets go of those that have seen enough.
func (d *pipe) overtake(due, now time.Time) {
	var free []*overtaken
	d.delay.behind = slices.DeleteFunc(d.delay.behind, func(o *overtaken) bool {
		if o.left--; o.left > 0 {
			return false
		}
		free = append(free, o)
		return true
	})
	for _, o := range free {
		at := o.due
		if due.After(at) {
			at = due
		}
		if d.link.lab.unhold(o.p) {
			if at.After(o.limit) {
				at = o.limit
			}
			d.deliver(o.p, at, now, o.next)
		}
	}
}

// outwaited ends the wait of a packet that too few have overtaken in time.
func (d *pipe) outwaited(p *packet) {
	i := slices.IndexFunc(d.delay.behind, func(o *overtaken) bool { return o.p == p })
	next := d.delay.behind[i].next
	d.delay.behind = slices.Delete(d.delay.behind, i, i+1)
	next(p)
}
