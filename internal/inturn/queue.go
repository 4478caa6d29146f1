package inturn

import (
	"sync"

	"github.com/natproof/natproof/internal/roomy"
)

// Queue calls Call with each value that is put; a nil Call discards them.
type Queue[T any] struct {
	Call func(T)
	// Stays has the goroutine that calls stay when there is nothing to do, until Wait: a new one
	// would need a stack again. Wait must then be called in the end.
	Stays bool

	calls sync.WaitGroup

	mu      sync.Mutex
	more    sync.Cond // there are values, or somebody is in Wait; for who stays
	values  []T
	done    int // how many of them Call was called with
	running bool
	waited  int // how many are in Wait
}

// Put adds a value and does not wait.
func (q *Queue[T]) Put(v T) {
	if q.Call == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.values = append(q.values, v)
	if q.running {
		q.more.Signal()
		return
	}
	q.running, q.more.L = true, &q.mu
	q.calls.Go(q.run)
}

// Wait returns when Call has returned for all that was put, so Call must not wait for it.
func (q *Queue[T]) Wait() {
	q.mu.Lock()
	q.waited++
	q.more.Broadcast()
	q.mu.Unlock()
	q.calls.Wait()
	q.mu.Lock()
	q.waited--
	q.mu.Unlock()
}

func (q *Queue[T]) run() {
	roomy.Stack()
	for {
		v, ok := q.next()
		if !ok {
			return
		}
		q.Call(v)
	}
}

// next takes the next value. It is false if there is none to wait for.
func (q *Queue[T]) next() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.values) == q.done {
		q.values, q.done = q.values[:0], 0
		if !q.Stays || q.waited > 0 {
			q.running = false
			return v, false
		}
		q.more.Wait()
	}
	v, q.values[q.done] = q.values[q.done], v
	q.done++
	return v, true
}
