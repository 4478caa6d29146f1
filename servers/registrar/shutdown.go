package registrar

import (
	"context"
	"errors"
	"fmt"
)

// drain is what Shutdown waits for.
type drain struct {
	begun bool
	last  map[*subscription]bool // whose last NOTIFY has no answer yet
	over  chan struct{}          // closed when there is none any more
}

// ended notes that a last NOTIFY is over; the server's mutex is held.
func (d *drain) ended(sub *subscription) {
	if !d.last[sub] {
		return
	}
	if delete(d.last, sub); len(d.last) == 0 {
		close(d.over)
	}
}

// Shutdown ends the subscriptions to the server's agents and closes when the subscribers have
// answered, or ctx has ended. Their reason is probation: to subscribe again later (RFC 6665
// §4.1.3). SUBSCRIBE and PUBLISH get 503 meanwhile; all else is served. With Config.Store
// subscriptions are not ended: they go on after a restart. Calls through the proxy are their
// ends' alone, and go on without it as far as they can.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.drain.begun && !s.closed {
		s.drain = drain{begun: true, last: map[*subscription]bool{}, over: make(chan struct{})}
		s.endAll()
	}
	over := s.drain.over
	s.mu.Unlock()
	if over != nil {
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
	if err := errors.Join(ctx.Err(), s.Close()); err != nil {
		return fmt.Errorf("registrar: shutdown: %w", err)
	}
	return nil
}

// endAll ends all subscriptions that are not kept. Callers hold s.mu.
func (s *Server) endAll() {
	if s.cfg.Store == nil {
		for _, key := range sortedKeys(s.agents.dialogs) {
			if sub := s.agents.dialogs[key]; s.end(sub, "probation") {
				s.drain.last[sub] = true
			}
		}
	}
	if len(s.drain.last) == 0 {
		close(s.drain.over)
	}
}
