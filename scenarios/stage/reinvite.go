package stage

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
)

// Holder is an endpoint that can hold its last call, and resume it, by re-INVITE (RFC 3264 §8.4).
type Holder interface {
	Hold(ctx context.Context) error
	Resume(ctx context.Context) error
}

// Renewer is an endpoint that can ask anew for every address of its last call, and tell the other
// end by re-INVITE (RFC 3261 §14.1).
type Renewer interface {
	Renew(ctx context.Context) error
}

// reinvites says whether there are re-INVITEs in the flow of a cell, which one end must be able to
// send, and the other to take.
func reinvites(c cell.Cell) bool {
	f, ok := c.Flow.(interface{ Reinvites() bool })
	return ok && f.Reinvites()
}

// Hold holds the last call.
func (a *agent) Hold(ctx context.Context) error {
	s, err := a.latest()
	if err == nil {
		err = unanswered(s.Hold(ctx))
	}
	return err
}

// Resume ends that.
func (a *agent) Resume(ctx context.Context) error {
	s, err := a.latest()
	if err == nil {
		err = unanswered(s.Resume(ctx))
	}
	return err
}

// Renew tells the other end of the addresses that the last call has now.
func (a *agent) Renew(ctx context.Context) error {
	s, err := a.latest()
	if err == nil {
		err = unanswered(s.Renew(ctx))
	}
	return err
}
