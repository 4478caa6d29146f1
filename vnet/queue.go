package vnet

import (
	"cmp"
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
	since time.Duration // when it began to wait, by the clock of the lab: who did first comes first
	order uint64        // ties are broken by who came first
	p     *packet
	next  func(*packet)
}

// before orders what is due.
func (w waiting) before(v waiting) bool {
	if !w.due.Equal(v.due) {
		return w.due.Before(v.due)
	}
	if w.since != v.since {
		return w.since < v.since
	}
	return w.order < v.order
}

// dueQueue holds packets by the time they are due: a binary heap.
// (container/heap would allocate for every packet on every link.)
type dueQueue struct{ h []waiting }

func (q *dueQueue) len() int { return len(q.h) }

func (q *dueQueue) next() (due time.Time, ok bool) {
	if len(q.h) == 0 {
		return time.Time{}, false
	}
	return q.h[0].due, true
}

func (q *dueQueue) push(w waiting) {
	q.h = append(q.h, w)
	for i := len(q.h) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.h[i].before(q.h[up]) {
			break
		}
		q.h[i], q.h[up] = q.h[up], q.h[i]
		i = up
	}
}

func (q *dueQueue) pop() waiting {
	first, last := q.h[0], len(q.h)-1
	q.h[0], q.h[last] = q.h[last], waiting{}
	q.h = q.h[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && q.h[down].before(q.h[least]) {
				least = down
			}
		}
		if least == i {
			return first
		}
		q.h[i], q.h[least] = q.h[least], q.h[i]
		i = least
	}
}

// sort makes a heap of what has changed.
func (q *dueQueue) sort() {
	slices.SortFunc(q.h, func(a, b waiting) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
}

// remove takes a packet out before it is due, and says whether it was there.
func (q *dueQueue) remove(p *packet) bool {
	i := slices.IndexFunc(q.h, func(w waiting) bool { return w.p == p })
	if i < 0 {
		return false
	}
	for ; i > 0; i = (i - 1) / 2 { // to the top
		q.h[i], q.h[(i-1)/2] = q.h[(i-1)/2], q.h[i]
	}
	q.pop()
	return true
}
