package ua

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// notice is a NOTIFY to be sent.
type notice struct {
	s     *ServerSubscription
	ctx   context.Context // of whoever wants it sent
	state subState
	body  []byte
	sent  chan error // what came of it
}

// notices are the NOTIFYs of one subscription: one is under way at a time, so that they arrive
// in order (RFC 6665 section 4.2.2). mu of the subscription guards them.
type notices struct {
	posting sync.Mutex // held while a notice is made, so that versions are in order
	version uint32
	busy    bool
	waiting []*notice
}

// post makes a NOTIFY of the state of the present and queues it: the zero subState goes on,
// one that is terminated is the last. What one event makes several subscriptions tell leaves
// in the order of the posts.
func (s *ServerSubscription) post(ctx context.Context, state subState) *notice {
	s.posting.Lock()
	defer s.posting.Unlock()
	n := &notice{s: s, ctx: ctx, state: state, sent: make(chan error, 1)}
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		n.sent <- fmt.Errorf("%w: the subscription is over", ErrState)
		return n
	}
	if state.state == "" {
		left := max(0, time.Until(s.expiry))
		n.state = subState{state: s.phase.String(), expires: (left + time.Second - 1).Truncate(time.Second), hasExpires: true}
	} else {
		s.ending, s.phase = true, PhaseTerminated
	}
	version, given := s.version, s.given
	n.body = s.body
	s.version++
	s.mu.Unlock()
	if !given && s.pkg.State != nil {
		n.body = s.pkg.State(s, version)
	}
	s.c.notices.Put(n)
	return n
}

// wait returns when the NOTIFY was answered.
func (n *notice) wait(ctx context.Context) error {
	select {
	case err := <-n.sent:
		said(ctx)
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start sends a notice, or lets it wait for the one before. It returns when the NOTIFY has
// left.
func (n *notice) start() {
	s := n.s
	s.mu.Lock()
	busy := s.busy
	s.busy = true
	if busy {
		s.waiting = append(s.waiting, n)
	}
	s.mu.Unlock()
	if busy {
		said(n.ctx)
		return
	}
	left := make(chan struct{})
	once := sync.OnceFunc(func() { close(left) })
	if s.c.spawn(func(ctx context.Context) {
		defer once()
		s.drain(context.WithValue(ctx, saidKey{}, once), n)
	}) {
		<-left
	} else {
		n.sent <- ErrClosed
	}
	said(n.ctx)
}

// drain sends notices as long as there are any.
func (s *ServerSubscription) drain(ctx context.Context, n *notice) {
	for n != nil {
		err := s.send(ctx, n)
		if n.state.state == "terminated" {
			s.end(n.state.reason, nil)
		}
		n.sent <- err
		s.mu.Lock()
		n = nil
		if s.busy = len(s.waiting) > 0; s.busy {
			n, s.waiting = s.waiting[0], s.waiting[1:]
		}
		s.mu.Unlock()
	}
}

// send sends a NOTIFY (RFC 6665 section 4.2.2).
func (s *ServerSubscription) send(ctx context.Context, n *notice) error {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return fmt.Errorf("%w: the subscription is over", ErrState)
	}
	req, p, dst, err := s.request(ctx, sip.NOTIFY)
	if err != nil {
		s.end("", err)
		return err
	}
	req.AppendHeader(s.contact(p))
	req.AppendHeader(sip.NewHeader("Event", s.event.String()))
	req.AppendHeader(sip.NewHeader("Subscription-State", n.state.String()))
	if len(n.body) > 0 && n.state.state != "pending" { // nothing is told to whom nothing may be told
		setBody(req, s.pkg.ContentType, n.body)
	}
	res, err := s.exchange(ctx, p, dst, req)
	switch {
	case err == nil && res.StatusCode < 300:
		return nil
	case err == nil && isGone(res.StatusCode), errors.Is(err, ErrTransactionTimeout):
		if err == nil {
			err = responseError(sip.NOTIFY, res)
		}
		if n.state.state != "terminated" {
			s.end("", err)
		}
	case err == nil:
		err = responseError(sip.NOTIFY, res)
	}
	return err
}
