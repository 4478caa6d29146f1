package vnet

import (
	"net/netip"
	"time"
)

// A datagram that has to go over a link first can do nothing to anybody before it is at the end
// of it, but be seen in events. Its step, a nanosecond after it was sent, is then left out: the core
// handles it later, by the clock of that step, when it comes to rest for something else, when
// somebody enters the lab from outside, or when the first thing can come of it. So a packet costs
// one rest of the core and not two, and all that is seen of it is the same.

// quiet is how long after its step nothing comes of a datagram of a host. l.core is held.
func (l *Lab) quiet(a *arrival) time.Duration {
	s, dst := a.site, a.dst.Addr()
	if len(a.host.mtus) > 0 || s.prefix.Contains(dst) {
		return 0
	}
	return s.link.up.quiet(s.realm, dst)
}

// quiet is how long nothing comes of a packet that enters the pipe, which leads to the realm.
func (d *pipe) quiet(to *Realm, dst netip.Addr) time.Duration {
	switch {
	case d.plain:
		return d.cfg.Latency + to.quiet(dst)
	case d.open:
		return to.quiet(dst)
	}
	return 0
}

// quiet is how long nothing comes of a packet that is in the realm.
func (r *Realm) quiet(dst netip.Addr) time.Duration {
	if g := r.gateway; g != nil && !r.owns(dst) {
		if g.mute == nil || !g.mute.Mute() || g.alg != nil || g.has(dst) {
			return 0
		}
		return g.link.up.quiet(g.outside, dst)
	}
	if via, _ := r.way(dst); via != nil && via.plain {
		return via.cfg.Latency
	}
	return 0
}

// earlier handles those of a batch that have been quiet until now, each at the time of its step,
// with all that comes of them before now. It returns the others.
func (l *Lab) earlier(batch []arrival, now time.Time) (others []arrival) {
	quiet := 0 // arrivals are in the order of time
	for quiet < len(batch) && batch[quiet].quiet > 0 && batch[quiet].at.Add(settle).Before(now) {
		quiet++
	}
	if quiet == 0 {
		return batch
	}
	others, batch = batch[quiet:], batch[:quiet]
	for {
		due, some := l.queue.next()
		if len(batch) == 0 {
			if !some || !due.Before(now) {
				return others
			}
			l.handle(due, nil)
			continue
		}
		at, n := batch[0].at, 1
		for n < len(batch) && batch[n].at.Equal(at) {
			n++
		}
		if at = at.Add(settle); some && due.Before(at) {
			l.handle(due, nil)
			continue
		}
		l.handle(at, batch[:n])
		batch = batch[n:]
	}
}

// enter is for who comes from outside of the core: it locks l.core, with all behind it that has
// been quiet until now. What is left of that is so no longer, since the lab may become another.
func (l *Lab) enter() {
	l.core.Lock()
	if l.real {
		return
	}
	now := time.Now()
	l.inboxMu.Lock()
	var quiet []arrival
	n := 0
	for n < len(l.inbox) && l.inbox[n].quiet > 0 && l.inbox[n].at.Add(settle).Before(now) {
		n++
	}
	if n > 0 {
		quiet = append(quiet, l.inbox[:n]...)
		rest := copy(l.inbox, l.inbox[n:])
		clear(l.inbox[rest:])
		l.inbox = l.inbox[:rest]
	}
	for i := range l.inbox {
		if a := &l.inbox[i]; a.quiet > 0 {
			a.quiet = 0
			l.settleIn(a.at.Add(settle).Sub(now), now)
		}
	}
	l.inboxMu.Unlock()
	if quiet == nil {
		return
	}
	l.earlier(quiet, now)
	if due, some := l.queue.next(); some {
		l.inboxMu.Lock()
		l.settleIn(due.Sub(now), now)
		l.inboxMu.Unlock()
	}
}

// CatchUp has all events told that have happened before now. The core may leave that until it
// has something else to do.
func (l *Lab) CatchUp() {
	l.enter()
	l.core.Unlock()
}
