package discover

import (
	"context"
	"net/netip"

	"github.com/natproof/natproof/stunclient/attr"
)

// mapping is RFC 5780 section 4.3: is the mapping towards other destinations
// the same.
func (s *session) mapping(ctx context.Context) error {
	if s.report.NAT == No {
		s.report.Mapping = EndpointIndependent
		return nil
	}
	if !s.needOther(Mapping) {
		return nil
	}
	sock, err := s.open(nil)
	if err != nil {
		return err
	}
	defer sock.Close()
	var mapped [3]netip.AddrPort
	for i, to := range []netip.AddrPort{
		s.cfg.Server, // test I
		netip.AddrPortFrom(s.report.Other.Addr(), s.cfg.Server.Port()), // test II
		s.report.Other, // test III
	} {
		var ok bool
		if mapped[i], ok, err = s.plain(ctx, Mapping, sock, to); err != nil || !ok {
			return err
		}
		if i == 1 && mapped[1] == mapped[0] {
			s.report.Mapping = EndpointIndependent
			return nil
		}
	}
	s.report.Mapping = AddressAndPortDependent
	if mapped[2] == mapped[1] {
		s.report.Mapping = AddressDependent
	}
	return nil
}

// filtering is RFC 5780 section 4.4: who else may answer. The socket has sent
// nothing to the alternate address, and neither has any other so far.
func (s *session) filtering(ctx context.Context) error {
	if !s.needOther(Filtering) {
		return nil
	}
	sock, err := s.open(nil)
	if err != nil {
		return err
	}
	defer sock.Close()
	if _, ok, err := s.plain(ctx, Filtering, sock, s.cfg.Server); err != nil || !ok { // test I
		return err
	}
	other := s.report.Other
	for _, test := range []struct {
		change attr.ChangeRequest
		from   netip.AddrPort
		means  Behavior
	}{
		{attr.ChangeRequest{IP: true, Port: true}, other, EndpointIndependent},                                    // test II
		{attr.ChangeRequest{Port: true}, netip.AddrPortFrom(s.cfg.Server.Addr(), other.Port()), AddressDependent}, // test III
	} {
		r, result, err := s.ask(ctx, Filtering, sock, probe{to: s.cfg.Server, change: test.change})
		switch {
		case err != nil:
			return err
		case result == refused || result == garbled:
			s.note(Filtering, "the server does not do CHANGE-REQUEST")
			return nil
		case result == answered && r.From != test.from:
			s.note(Filtering, "asked to answer from %v, the server answered from %v", test.from, r.From)
			return nil
		case result == answered:
			s.report.Filtering = test.means
			return nil
		}
	}
	s.report.Filtering = AddressAndPortDependent
	return nil
}
