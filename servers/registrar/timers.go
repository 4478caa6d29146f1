package registrar

import (
	"container/heap"
	"time"
)

// Timer values of RFC 3261 appendix A for UDP.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
	t4 = 5 * time.Second

	timeout = 64 * t1 // timers B, F, H, J, L and M
	timerD  = 32 * time.Second
	timerC  = 3*time.Minute + time.Second // RFC 3261 §16.6 step 11: more than 3 minutes
)

// A timer is a callback due at a time. One queue for all keeps them in a fixed order
// and costs no goroutine each.
type timer struct {
	at   time.Duration // since the server started
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

// timers is the queue. The server's mutex guards it.
type timers struct {
	start time.Time
	heap  timerHeap
	seq   uint64
	wake  chan struct{} // told when the earliest timer changes
}

func newTimers() *timers {
	return &timers{start: time.Now(), wake: make(chan struct{}, 1)}
}

func (q *timers) after(d time.Duration, fire func()) *timer {
	q.seq++
	t := &timer{at: time.Since(q.start) + d, seq: q.seq, fire: fire}
	heap.Push(&q.heap, t)
	if t.pos == 0 {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return t
}

// stop takes t out of the queue. A nil or spent timer is fine.
func (q *timers) stop(t *timer) {
	if t != nil && t.pos >= 0 {
		heap.Remove(&q.heap, t.pos)
	}
}

// run fires what is due and returns how long until the next, or false when there is none.
func (q *timers) run() (time.Duration, bool) {
	for len(q.heap) > 0 {
		wait := q.heap[0].at - time.Since(q.start)
		if wait > 0 {
			return wait, true
		}
		heap.Pop(&q.heap).(*timer).fire()
	}
	return 0, false
}

// runTimers serves the queue until stop is closed.
func (s *Server) runTimers(stop <-chan struct{}) {
	alarm := time.NewTimer(time.Hour)
	defer alarm.Stop()
	for {
		s.mu.Lock()
		wait, more := s.timers.run()
		s.mu.Unlock()
		var due <-chan time.Time
		if more {
			alarm.Reset(wait)
			due = alarm.C
		}
		select {
		case <-due:
		case <-s.timers.wake:
		case <-stop:
			return
		}
	}
}
