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

// Take is a cell to be played, and whether [RunOptions.Brief] is for it.
type Take struct {
	Cell  cell.Cell
	Brief bool
}

// takes are the cells as options have it.
func takes(cells []cell.Cell, opts RunOptions) iter.Seq[Take] {
	return func(yield func(Take) bool) {
		for _, c := range cells {
			if !yield(Take{c, opts.Brief}) {
				return
			}
		}
	}
}

// RunAll plays the cells, jobs at a time (0: as many as there are processors), and yields
// their results in the order of the cells, each as soon as all cells before it are done. It
// keeps no result that was yielded.
//
// When the context ends no further cell is started and those being played are given up: what
// was finished is still yielded, in order. When the caller wants no more, the same.
func RunAll(ctx context.Context, cells []cell.Cell, opts RunOptions, jobs int) iter.Seq[Result] {
	return RunTakes(ctx, takes(cells, opts), opts, jobs)
}

// RunTakes is RunAll for cells that need no list.
func RunTakes(ctx context.Context, all iter.Seq[Take], opts RunOptions, jobs int) iter.Seq[Result] {
	return runAll(ctx, all, jobs, func(ctx context.Context, t Take) Result {
		opts := opts
		opts.Brief = t.Brief
		return Run(ctx, t.Cell, opts)
	})
}

func runAll(ctx context.Context, all iter.Seq[Take], jobs int, run func(context.Context, Take) Result) iter.Seq[Result] {
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
		workers.Go(func() { feed(ctx, all, places, todo) })
		for range jobs {
			workers.Go(func() {
				for p := range todo {
					if r := run(ctx, p.take); ctx.Err() == nil || r.Err == nil {
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
	take   Take
	result chan Result // of one, then closed
}

// feed gives each cell its place in the order of results and hands it to a worker, until the
// context ends.
func feed(ctx context.Context, all iter.Seq[Take], places, todo chan<- place) {
	defer close(places)
	defer close(todo)
	for t := range all {
		p := place{t, make(chan Result, 1)}
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
