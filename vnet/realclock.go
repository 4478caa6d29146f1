package vnet

import "time"

// alarm tells when the next held packet is due on the real clock.
type alarm interface {
	// set has wait return at a time, whatever was set before.
	set(time.Time)
	// wait returns at the time that was set, and false once the alarm is closed.
	wait() bool
	close()
}

// bubbles end long before: the clock of a bubble begins at midnight UTC 2000-01-01
// (testing/synctest), and no machine's shows that any more.
var bubbles = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// RealClock says whether the lab runs on the real clock, because it was not made in a bubble.
func (l *Lab) RealClock() bool { return l.real }

// onRealClock says whether whoever asks is outside of a bubble.
func onRealClock() bool { return time.Now().After(bubbles) }

// carry takes a datagram all its way, on the goroutine that sends it: on the real clock order
// is what happens, and to wait for more would only make it late.
func (l *Lab) carry(a arrival) {
	l.core.Lock()
	defer l.core.Unlock()
	l.carryOne(&a)
	l.flush()
}

// carryOne is carry, of one of several. l.core is held.
func (l *Lab) carryOne(a *arrival) {
	if !l.closed {
		l.send(a)
	} else if p := l.admit(a); p != nil {
		l.closedOn(p)
	}
}

// wakeFor sees to it that what is held first is released in time. l.core is held.
func (l *Lab) wakeFor(due time.Time) {
	if l.alarm == nil {
		l.alarm = newAlarm()
		l.done = make(chan struct{})
		go l.releaseHeld()
	}
	l.alarm.set(due)
}

// late says whether what is held should have been released by then: on the real clock it may be
// late, and nothing overtakes it for that.
func (l *Lab) late(due time.Time) bool {
	first, some := l.queue.next()
	return l.real && some && !first.After(due)
}

// releaseHeld releases what links hold, at its time.
func (l *Lab) releaseHeld() {
	defer close(l.done)
	for l.alarm.wait() {
		l.core.Lock()
		l.release(time.Now())
		l.flush()
		if next, ok := l.queue.next(); ok && !l.closed {
			l.alarm.set(next)
		}
		l.core.Unlock()
	}
}

// stopReal ends what carries packets on the real clock.
func (l *Lab) stopReal() {
	l.core.Lock()
	a := l.alarm
	l.core.Unlock()
	if a != nil {
		a.close()
		<-l.done
	}
}

// sleeper is an alarm by the timers of Go. On an idle processor they are up to a millisecond late.
type sleeper struct {
	timer *time.Timer
	over  chan struct{}
}

func newSleeper() *sleeper { return &sleeper{timer: stopped(), over: make(chan struct{})} }

func (s *sleeper) set(t time.Time) { s.timer.Reset(time.Until(t)) }

func (s *sleeper) wait() bool {
	select {
	case <-s.timer.C:
		return true
	case <-s.over:
		return false
	}
}

func (s *sleeper) close() { close(s.over) }
