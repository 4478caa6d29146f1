package sipstack

import (
	"container/heap"
	"time"
)

// Timer values of RFC 3261 appendix A for UDP.
const (
	T1 = 500 * time.Millisecond
	T2 = 4 * time.Second
	T4 = 5 * time.Second

	// Timeout is 64*T1: timers B, F, H, J, L and M.
	Timeout = 64 * T1

	timerD = 32 * time.Second
	// trying is how long a user may take before an INVITE is answered 100 (§17.2.1).
	trying = 200 * time.Millisecond
)

// A timer is a callback due at a time. One queue for all keeps them in a fixed order.
type timer struct {
	at   time.Duration // since the queue was made
	seq  uint64
	pos  int // in the heap, -1 when not in it
	fire func()
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	t.pos = len(*h)
	*h = append(*h, t)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.pos = -1
	return t
}

// timers is the queue. The stack's mutex guards it.
type timers struct {
	start time.Time
	heap  timerHeap
	seq   uint64
	alarm *time.Timer   // nil until there is a timer
	set   bool          // the alarm is
	due   time.Duration // of the alarm
	wake  func()        // what the alarm calls
}

func (q *timers) after(d time.Duration, fire func()) *timer {
	q.seq++
	t := &timer{at: time.Since(q.start) + d, seq: q.seq, fire: fire}
	heap.Push(&q.heap, t)
	q.arm()
	return t
}

// stop takes t out of the queue. A nil or spent timer is fine.
func (q *timers) stop(t *timer) {
	if t != nil && t.pos >= 0 {
		heap.Remove(&q.heap, t.pos) // the alarm may ring for nothing, which is cheaper than setting it anew
	}
}

// arm sees that the alarm rings when the first timer is due, or before.
func (q *timers) arm() {
	if len(q.heap) == 0 || q.set && q.due <= q.heap[0].at {
		return
	}
	q.due, q.set = q.heap[0].at, true
	if wait := q.due - time.Since(q.start); q.alarm == nil {
		q.alarm = time.AfterFunc(wait, q.wake)
	} else {
		q.alarm.Reset(wait)
	}
}

// run fires what is due, in order, and sets the alarm for what is not.
func (q *timers) run() {
	q.set = false
	for len(q.heap) > 0 && q.heap[0].at <= time.Since(q.start) {
		heap.Pop(&q.heap).(*timer).fire()
	}
	q.arm()
}

// clear forgets all timers.
func (q *timers) clear() {
	q.heap = nil
	if q.alarm != nil {
		q.alarm.Stop()
		q.set = false
	}
}

// Timer is a user's timer, see After.
type Timer struct {
	s       *Stack
	t       *timer
	stopped bool
}

// After tells the user, in its turn, that a time has passed.
func (s *Stack) After(d time.Duration, f func()) *Timer {
	s.mu.Lock()
	defer s.release()
	t := &Timer{s: s}
	t.t = s.timers.after(d, func() {
		s.tell(func() {
			if !t.isStopped() {
				f()
			}
		})
	})
	return t
}

func (t *Timer) isStopped() bool {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.stopped
}

// Stop takes the timer back. Called by the user in its turn, it is never too late before
// f was called. A nil Timer is fine.
func (t *Timer) Stop() {
	if t == nil {
		return
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.stopped = true
	t.s.timers.stop(t.t)
}

// Elapse moves the timers on as if a time had passed, for benchmarks that cannot wait.
func (s *Stack) Elapse(d time.Duration) {
	s.mu.Lock()
	defer s.release()
	s.timers.start = s.timers.start.Add(-d)
	s.timers.run()
}
