package discover

import (
	"context"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

// classic walks the tree of RFC 3489 section 10.1, with RFC 3489's own messages
// and timers, from a socket of its own.
func (s *session) classic(ctx context.Context) error {
	sock, err := s.open(nil)
	if err != nil {
		return err
	}
	defer sock.Close()
	test := func(p probe) (stunclient.Response, result, error) {
		p.legacy = true
		return s.ask(ctx, Classic, sock, p)
	}

	one, result, err := test(probe{to: s.cfg.Server}) // test I
	switch {
	case err != nil:
		return err
	case result == silent:
		s.report.Classic = Blocked
		return nil
	case result != answered:
		s.note(Classic, "the server does not speak RFC 3489")
		return nil
	case !one.OtherAddress.IsValid():
		s.note(Classic, "the server has no CHANGED-ADDRESS")
		return nil
	}

	two, err := s.changed(test, attr.ChangeRequest{IP: true, Port: true}) // test II
	if err != nil || two == NotKnown {
		return err
	}
	translated := one.Address() != sock.local
	switch {
	case !translated && two == Yes:
		s.report.Classic = OpenInternet
		return nil
	case !translated:
		s.report.Classic = SymmetricFirewall
		return nil
	case two == Yes:
		s.report.Classic = FullCone
		return nil
	}

	again, result, err := test(probe{to: one.OtherAddress}) // test I again, with the other address
	switch {
	case err != nil:
		return err
	case result != answered:
		s.note(Classic, "%v did not answer", one.OtherAddress)
		return nil
	case again.Address() != one.Address():
		s.report.Classic = Symmetric
		return nil
	}
	three, err := s.changed(test, attr.ChangeRequest{Port: true}) // test III
	switch {
	case err != nil:
		return err
	case three == Yes:
		s.report.Classic = RestrictedCone
	case three == No:
		s.report.Classic = PortRestrictedCone
	}
	return nil
}

// changed says whether an answer from elsewhere arrives.
func (s *session) changed(test func(probe) (stunclient.Response, result, error), change attr.ChangeRequest) (Answer, error) {
	r, result, err := test(probe{to: s.cfg.Server, change: change})
	switch {
	case err != nil:
		return NotKnown, err
	case result == silent:
		return No, nil
	case result != answered:
		s.note(Classic, "the server does not do CHANGE-REQUEST")
		return NotKnown, nil
	case r.From == s.cfg.Server:
		s.note(Classic, "the server ignores CHANGE-REQUEST")
		return NotKnown, nil
	}
	return Yes, nil
}
