package ua

import (
	"context"
	"sync"
)

type saidKey struct{}

// oneByOne runs f for each index on a goroutine of its own, and the next one when the one
// before has said to its peer what it has to say, or waits for somebody: then the order of
// what is sent is that of the indices, and nobody waits for an answer to somebody else. It
// returns when all have.
func oneByOne(ctx context.Context, n int, f func(ctx context.Context, i int)) {
	var wg sync.WaitGroup
	for i := range n {
		next := make(chan struct{})
		once := sync.OnceFunc(func() { close(next) })
		wg.Go(func() {
			defer once()
			f(context.WithValue(ctx, saidKey{}, once), i)
		})
		<-next
	}
	wg.Wait()
}

// said lets the next of oneByOne begin: a message has left, or something is waited for.
func said(ctx context.Context) {
	if next, ok := ctx.Value(saidKey{}).(func()); ok {
		next()
	}
}
