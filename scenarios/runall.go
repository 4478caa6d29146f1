package scenarios

import (
	"context"
	"iter"
	"runtime"
	"sync"

	"github.com/natproof/natproof/scenarios/cell"
)

// ahead is how many cells, for each that is played at a time, may be finished before one that
// stands before them: what is kept is bounded, however long that one takes.
const ahead = 16

// RunAll plays the cells, jobs at a time (0: as many as there are processors), and yields
// their results in the order of the cells, each as soon as all cells before it are done. It
// keeps no result that was yielded.
//
// When the context ends no further cell is started and those being played are given up: what
// was finished is still yielded, in order. When the caller wants no more, the same.
func RunAll(ctx context.Context, cells []cell.Cell, opts RunOptions, jobs int) iter.Seq[Result] {
	return runAll(ctx, cells, jobs, func(ctx context.Context, c cell.Cell) Result { return Run(ctx, c, opts) })
}

func runAll(ctx context.Context, cells []cell.Cell, jobs int, run func(context.Context, cell.Cell) Result) iter.Seq[Result] {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	return func(yield func(Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var workers sync.WaitGroup
		defer workers.Wait()
		defer cancel()
		places := make(chan place, jobs*ahead)
		todo := make(chan place)
		workers.Go(func() { feed(ctx, cells, places, todo) })
		for range min(jobs, len(cells)) {
			workers.Go(func() {
				for p := range todo {
					if r := run(ctx, p.cell); ctx.Err() == nil || r.Err == nil {
						p.result <- r
					}
					close(p.result)
				}
			})
		}
		for p := range places {
			if r, whole := <-p.result; whole && !yield(r) {
				return
			}
		}
	}
}

// place is a cell and where its result will be: none if the context ends under it.
type place struct {
	cell   cell.Cell
	result chan Result // of one, then closed
}

// feed gives each cell its place in the order of results and hands it to a worker, until the
// context ends.
func feed(ctx context.Context, cells []cell.Cell, places, todo chan<- place) {
	defer close(places)
	defer close(todo)
	for _, c := range cells {
		p := place{c, make(chan Result, 1)}
		select {
		case places <- p:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			close(p.result)
			return
		}
		select {
		case todo <- p:
		case <-ctx.Done():
			close(p.result)
			return
		}
	}
}
