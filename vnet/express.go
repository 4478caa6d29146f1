package vnet

import "time"

// A packet that leaves a link for another one which does nothing but take time goes on to the end
// of that at once: nothing can be seen of it where the two meet, and the core need not come to
// rest there. What changes the lab puts those that have not come there yet back, see meet.

// express holds a packet that leaves the pipe at a time until it leaves the next one too, if that
// comes to the same.
func (d *pipe) express(p *packet, leaves time.Time) bool {
	k := d.link
	if k.lab.real || k.realm == nil || d != k.up || d.cfg.BitErrors > 0 || d.cfg.Reorder > 0 || p.ttl <= 1 {
		return false
	}
	via, end := k.realm.way(p.np.Dst.Addr())
	if via == nil || !via.plain || via.shaper.busy() || len(via.delay.behind) > 0 {
		return false
	}
	due := leaves.Add(via.cfg.Latency)
	if via.delay.last.After(due) {
		return false
	}
	if !leaves.After(d.delay.slow) { // it would overtake one that leaves with it
		return false
	}
	if via.arrived == nil {
		via.arrived = via.arrive
	}
	via.next, via.used = end, true
	p.by, p.via, p.ahead = d, via, via.cfg.Latency
	k.lab.holdFrom(p, leaves, due, via.arrived)
	return true
}

// arrive takes a packet off the pipe that it came to by express.
func (d *pipe) arrive(p *packet) {
	p.via = nil
	if d.link.realm.hop(p) {
		d.next(p)
	}
}

// meet puts packets that go by express, and have not come to where two links meet yet, back on
// the first: the lab has changed.
func (l *Lab) meet() {
	if l.real {
		return
	}
	now := time.Now()
	var first time.Time
	for i := range l.queue.h {
		w := &l.queue.h[i]
		if w.p == nil || w.p.via == nil {
			continue
		}
		via, at := w.p.via, w.due.Add(-w.p.ahead)
		if at.Before(now) || at.Equal(l.stepAt) { // it is on the second
			if w.due.After(via.delay.last) {
				via.delay.last = w.due
			}
			continue
		}
		w.p.by.delay.slowUntil(at)
		w.due, w.since, w.next, w.p.via = at, 0, via.link.realm.arrived, nil
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if !first.IsZero() {
		l.queue.sort()
		l.wakeIn(min(settle, first.Sub(now)))
	}
}

// wakeIn has the core come to rest and look again at what is due.
func (l *Lab) wakeIn(d time.Duration) {
	l.inboxMu.Lock()
	defer l.inboxMu.Unlock()
	l.settleIn(d, time.Now())
}
