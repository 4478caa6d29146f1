package ua

import (
	"context"
	"fmt"
	"time"

	"github.com/natproof/natproof/media"
)

// DTMFEvent is a digit that the peer pressed during a call (RFC 4733). It comes once, when the
// digit has ended.
type DTMFEvent struct {
	Session *Session
	media.DTMF
}

func (DTMFEvent) event() {}

// SendDTMF presses digits (0 to 9, *, #, A to D), each for a duration of 40 ms to 8 s, 0 being
// 100 ms, and returns when the last has been sent. The errors are those of
// media.Stream.SendDTMF, as ErrMedia; a session without media is ErrState.
//
// Whether the peer takes telephone events is agreed on with the codecs: they are in
// media.DefaultCodecs, and who lists others in Service.Codecs decides.
func (s *Session) SendDTMF(ctx context.Context, digits string, duration time.Duration) error {
	ctx, leave, err := s.c.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := s.joined(ctx, s.life)
	defer stop()
	s.mu.Lock()
	stream, state := s.stream, s.state
	s.mu.Unlock()
	if stream == nil {
		return fmt.Errorf("%w: session is %s", ErrState, state)
	}
	if err := stream.SendDTMF(ctx, digits, duration); err != nil {
		return fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return nil
}
