package discover

import (
	"context"
	"net/netip"

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

	reachable := s.report.Reachable
	one, result, err := test(probe{to: s.cfg.Server}) // test I
	if result != silent && reachable == No {
		s.note(Connectivity, "the server answers requests of RFC 3489, and none with the magic cookie of RFC 8489")
	}
	switch {
	case err != nil:
		return err
	case result == silent && s.report.Reachable == Yes:
		s.note(Classic, "the server answers other requests, and none of RFC 3489, which have no magic cookie")
		return nil
	case result == silent:
		s.report.Classic = Blocked
		return nil
	case result != answered:
		s.note(Classic, "the server does not speak RFC 3489")
		return nil
	case !one.OtherAddress.IsValid():
		s.note(Classic, "the server has no CHANGED-ADDRESS")
		return nil
	case !s.usable(Classic, "CHANGED-ADDRESS", one.OtherAddress):
		return nil
	}

	s.changedAddress = one.OtherAddress
	two, err := s.changed(test, attr.ChangeRequest{IP: true, Port: true}, one.OtherAddress) // test II
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
	three, err := s.changed(test, attr.ChangeRequest{Port: true}, netip.AddrPortFrom(s.cfg.Server.Addr(), one.OtherAddress.Port())) // test III
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
func (s *session) changed(test func(probe) (stunclient.Response, result, error), change attr.ChangeRequest, from netip.AddrPort) (Answer, error) {
	r, result, err := test(probe{to: s.cfg.Server, change: change})
	switch {
	case err != nil:
		return NotKnown, err
	case result == silent:
		return No, nil
	case result != answered:
		s.note(Classic, "the server does not do CHANGE-REQUEST")
		return NotKnown, nil
	case r.From != from:
		s.note(Classic, "asked to answer from %v, the server answered from %v", from, r.From)
		return NotKnown, nil
	}
	return Yes, nil
}
