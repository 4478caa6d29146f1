package inturn

import (
	"sync"

	"github.com/natproof/natproof/internal/roomy"
)

// Queue calls Call with each value that is put; a nil Call discards them.
type Queue[T any] struct {
	Call func(T)

	calls sync.WaitGroup

	mu      sync.Mutex
	values  []T
	running bool
}

// Put adds a value and does not wait.
func (q *Queue[T]) Put(v T) {
	if q.Call == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.values = append(q.values, v)
	if !q.running {
		q.running = true
		q.calls.Go(q.run)
	}
}

// Wait returns when Call has returned for all that was put, so Call must not wait for it.
func (q *Queue[T]) Wait() { q.calls.Wait() }

func (q *Queue[T]) run() {
	roomy.Stack()
	for {
		q.mu.Lock()
		if len(q.values) == 0 {
			q.running, q.values = false, nil
			q.mu.Unlock()
			return
		}
		v := q.values[0]
		q.values = q.values[1:]
		q.mu.Unlock()
		q.Call(v)
	}
}
