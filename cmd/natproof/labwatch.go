package main

import (
	"context"
	"errors"
	"os"

	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/emulator/lab/watch"
)

// watched plays a lab and shows it on the terminal meanwhile. Whoever ends it at the keyboard interrupts
// the lab.
func watched(file *lab.File, screen *os.File) func(context.Context, lab.Options) (*lab.Result, error) {
	return func(ctx context.Context, o lab.Options) (*lab.Result, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := watch.New(file.Title)
		o.OnStart = w.Start
		var r *lab.Result
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			r, err = file.Play(ctx, o)
			w.Stop()
		}()
		seen := w.Run(ctx, os.Stdin, screen)
		if seen != nil {
			cancel()
		}
		<-done
		if err == nil && !errors.Is(seen, watch.ErrQuit) && ctx.Err() == nil {
			err = seen
		}
		return r, err
	}
}
