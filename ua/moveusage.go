package ua

import (
	"context"
	"time"
)

// renew subscribes again within the dialog, by a mapping that the port manager is asked for
// anew. Without one the subscription is over: nobody can tell the notifier.
func (s *Subscription) renew(ctx context.Context) error {
	if err := s.op.lock(ctx); err != nil {
		return err
	}
	defer s.op.unlock()
	if s.isOver() {
		return nil
	}
	old := s.held()
	h, err := s.c.getMapping(ctx, s.profile.manager(), want{typ: SIP, remote: s.profile.nextHop(), changed: s.mappingChanged, instead: old})
	if err != nil {
		if s.halt() {
			s.end(SubscriptionEvent{State: SubscriptionFailed, Phase: PhaseTerminated, Err: err})
		}
		return err
	}
	s.mu.Lock()
	s.sip = h
	live := s.phase != PhaseTerminated
	if live { // until it has succeeded
		s.next = time.Now()
	}
	s.mu.Unlock()
	s.c.replace(old, h)
	if !live {
		return nil
	}
	err = s.attempt(ctx)
	s.wake()
	return err
}

// renew sends a NOTIFY that has the Contact of another mapping. Without one the subscription is
// over: nobody can tell the watcher.
func (s *ServerSubscription) renew(ctx context.Context) error {
	old := s.held()
	if old == nil { // it has only just come, and fails by itself
		return nil
	}
	pm, remote := s.parties(old.mapping().Remote)
	h, err := s.c.getMapping(ctx, pm, want{typ: SIP, remote: remote, changed: s.mappingChanged, instead: old})
	if err != nil {
		s.end("", err)
		return err
	}
	s.mu.Lock()
	gone := s.gone
	if !gone {
		s.sip = h
	}
	s.mu.Unlock()
	if gone {
		s.c.release(h)
		return nil
	}
	s.c.replace(old, h)
	return s.post(ctx, subState{}).wait(ctx)
}
