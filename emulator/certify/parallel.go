package certify

import (
	"context"
	"sync"
)

// inParallel does something with each of a list, so many at a time, and returns what came of it in
// the order of the list. What has not begun when the context ends stays the zero value.
func inParallel[T, R any](ctx context.Context, jobs int, list []T, do func(T) R) []R {
	all := make([]R, len(list))
	slots := make(chan struct{}, max(1, jobs))
	var running sync.WaitGroup
	for i, x := range list {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-slots }()
			all[i] = do(x)
		})
	}
	running.Wait()
	return all
}
