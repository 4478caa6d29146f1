// Package watch shows a lab from a file while it plays, on a terminal: the tables of its NATs, what flows
// between whom, what is dropped and why, calls, and what has happened.
//
//	w := watch.New("my lab")
//	go func() {
//		result, err = file.Play(ctx, lab.Options{Clock: lab.Real, OnStart: w.Start})
//		w.Stop()
//	}()
//	err := w.Run(ctx, os.Stdin, os.Stdout)
//
// It is for people; nothing else depends on it. [Render] is the screen as a text.
package watch
