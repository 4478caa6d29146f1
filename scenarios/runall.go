package scenarios

import (
	"context"
	"runtime"
	"sync"

	"github.com/natproof/natproof/scenarios/cell"
)

// RunAll plays the cells, jobs at a time (0: as many as there are processors),
// and returns their results in the order of the cells. each, if not nil, is
// called for every result in that same order, never twice at a time, as soon as
// all cells before it are done.
//
// When the context ends no further cell is started and those being played are
// given up: what was finished is returned, still in order, and is all that each
// has seen.
func RunAll(ctx context.Context, cells []cell.Cell, opts RunOptions, jobs int, each func(Result)) []Result {
	return runAll(ctx, cells, jobs, each, func(ctx context.Context, c cell.Cell) Result { return Run(ctx, c, opts) })
}

func runAll(ctx context.Context, cells []cell.Cell, jobs int, each func(Result), run func(context.Context, cell.Cell) Result) []Result {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	todo := make(chan int)
	done := make(chan indexed)
	var workers sync.WaitGroup
	for range min(jobs, len(cells)) {
		workers.Go(func() {
			for i := range todo {
				r := run(ctx, cells[i])
				done <- indexed{i, r, ctx.Err() == nil || r.Err == nil}
			}
		})
	}
	go func() {
		feed(ctx, todo, len(cells))
		workers.Wait()
		close(done)
	}()

	finished := make([]*Result, len(cells))
	told := 0
	for d := range done {
		if !d.whole {
			continue
		}
		finished[d.i] = &d.r
		for ; told < len(cells) && finished[told] != nil; told++ {
			call(each, *finished[told])
		}
	}
	var results []Result
	for i, r := range finished {
		if r == nil {
			continue
		}
		if i >= told {
			call(each, *r)
		}
		results = append(results, *r)
	}
	return results
}

// indexed is a result with its place; whole unless the context ended under it.
type indexed struct {
	i     int
	r     Result
	whole bool
}

// feed hands out the indexes below n until the context ends.
func feed(ctx context.Context, todo chan<- int, n int) {
	defer close(todo)
	for i := range n {
		if ctx.Err() != nil {
			return
		}
		select {
		case todo <- i:
		case <-ctx.Done():
			return
		}
	}
}

func call(each func(Result), r Result) {
	if each != nil {
		each(r)
	}
}
