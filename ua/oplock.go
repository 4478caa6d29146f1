package ua

import "context"

// oplock is held for the length of an operation, which may have to wait for the network.
// It is a channel because whoever waits for a sync.Mutex stops the clock of a
// testing/synctest bubble.
type oplock chan struct{}

func newOplock() oplock { return make(oplock, 1) }

func (l oplock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	default:
		said(ctx)
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l oplock) unlock() { <-l }

// joined is a context that ends with either of two, with the cause of the first to end. The
// other is the session's own, which ends with the client.
func (s *Session) joined(ctx, other context.Context) (context.Context, context.CancelFunc) {
	if ctx == s.c.ctx {
		return other, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}
