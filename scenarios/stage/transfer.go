package stage

import "context"

// Transferer is a call that its maker can hand on to somebody else (RFC 5589). Flows in which
// that happens are not for others.
type Transferer interface {
	Call
	// Transfer asks the other end to call a SIP URI instead, and TransferTo to take the place of
	// this endpoint in another call of it. Both return when the other end tells what became of it,
	// and hang up after a success.
	Transfer(ctx context.Context, target string) error
	TransferTo(ctx context.Context, other Call) error
}
