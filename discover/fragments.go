package discover

import (
	"context"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// fragments is RFC 5780 section 3.5: does a request with PADDING get an answer
// with PADDING.
func (s *session) fragments(ctx context.Context) error {
	sock, err := s.open(nil)
	if err != nil {
		return err
	}
	defer sock.Close()
	r, result, err := s.ask(ctx, Fragments, sock, probe{to: s.cfg.Server, setters: []pion.Setter{attr.Padding(s.cfg.Padding)}})
	switch {
	case err != nil:
		return err
	case result == silent:
		return s.wholeOnly(ctx, sock)
	case result == answered && r.Message.Contains(pion.AttrPadding):
		s.report.Fragments = Yes
	default:
		s.note(Fragments, "the server does not do PADDING")
	}
	return nil
}

// wholeOnly: silence is the fragments' only if a whole request is still answered.
func (s *session) wholeOnly(ctx context.Context, sock *socket) error {
	_, ok, err := s.plain(ctx, Fragments, sock, s.cfg.Server)
	if err == nil && ok {
		s.report.Fragments = No
	}
	return err
}
