package stage

import "context"

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

// Reinvites is the word for both, and for an end that takes re-INVITEs.
const Reinvites = "re-INVITEs"

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
