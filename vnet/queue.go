package vnet

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// sortArrivals puts a batch into the order in which the core handles it: by
// site, source and destination, and within one flow as it was sent.
func sortArrivals(b []arrival) {
	slices.SortFunc(b, func(x, y arrival) int {
		if x.site != y.site {
			return cmp.Compare(x.site.index, y.site.index)
		}
		if c := x.src.Compare(y.src); c != 0 {
			return c
		}
		if c := x.dst.Compare(y.dst); c != 0 {
			return c
		}
		return cmp.Compare(x.order, y.order)
	})
}

// waiting is a packet a link holds back.
type waiting struct {
	due   time.Time
	order uint64 // ties are broken by who came first
	p     *packet
	next  func(*packet)
}

// dueQueue holds packets by the time they are due.
type dueQueue struct{ h waitHeap }

func (q *dueQueue) len() int       { return len(q.h) }
func (q *dueQueue) push(w waiting) { heap.Push(&q.h, w) }
func (q *dueQueue) pop() waiting   { return heap.Pop(&q.h).(waiting) }
func (q *dueQueue) next() (due time.Time, ok bool) {
	if len(q.h) == 0 {
		return time.Time{}, false
	}
	return q.h[0].due, true
}

type waitHeap []waiting

func (h waitHeap) Len() int { return len(h) }
func (h waitHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].order < h[j].order
}
func (h waitHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *waitHeap) Push(x any)   { *h = append(*h, x.(waiting)) }
func (h *waitHeap) Pop() any {
	old := *h
	last := len(old) - 1
	w := old[last]
	old[last] = waiting{}
	*h = old[:last]
	return w
}
