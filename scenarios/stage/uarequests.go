package stage

import (
	"context"
)

// Message sends a text.
func (a *agent) Message(ctx context.Context, target, text string) error {
	return unanswered(a.profile.Message(ctx, target, "text/plain", []byte(text)))
}

// Ask asks for capabilities. Whatever is answered, the way there and back is open.
func (a *agent) Ask(ctx context.Context, target string) error {
	_, err := a.profile.Options(ctx, target)
	return unanswered(err)
}
