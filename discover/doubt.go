package discover

import (
	"context"
	"net/netip"
)

// doubt takes back what rests on the silence of an address that answers nobody, and
// a class that an answer contradicts.
func (s *session) doubt(ctx context.Context) error {
	if err := s.doubtFiltering(ctx); err != nil {
		return err
	}
	if err := s.doubtClass(ctx); err != nil {
		return err
	}
	if why := s.contradiction(); why != "" {
		s.note(Classic, "%v is what the tree of RFC 3489 says, but %s", s.report.Classic, why)
		s.report.Classic = Unclassified
	}
	return nil
}

// doubtFiltering: address-dependent rests on the silence of the alternate address in
// test II, address-and-port-dependent on that of the alternate port in test III.
func (s *session) doubtFiltering(ctx context.Context) error {
	rep := &s.report
	rests := map[Behavior]netip.AddrPort{
		AddressDependent:        rep.Other,
		AddressAndPortDependent: netip.AddrPortFrom(s.cfg.Server.Addr(), rep.Other.Port()),
	}[rep.Filtering]
	if ok, err := s.speaks(ctx, Filtering, asked{rests, false}); err != nil || ok {
		return err
	}
	rep.Filtering = Unknown
	return nil
}

// doubtClass: the names that rest on silence in test II or III. In the others of the
// tree the alternate address has answered.
func (s *session) doubtClass(ctx context.Context) error {
	rests := map[Class]netip.AddrPort{
		SymmetricFirewall:  s.changedAddress,
		PortRestrictedCone: netip.AddrPortFrom(s.cfg.Server.Addr(), s.changedAddress.Port()),
	}[s.report.Classic]
	if ok, err := s.speaks(ctx, Classic, asked{rests, true}); err != nil || ok {
		return err
	}
	s.report.Classic = Unclassified
	return nil
}

// speaks says whether an address of the server ever answers; the zero address is none
// and needs not. It is asked if it was not yet, from a socket of its own.
func (s *session) speaks(ctx context.Context, t Test, who asked) (bool, error) {
	if !who.addr.IsValid() {
		return true, nil
	}
	if _, known := s.answers[who]; !known {
		sock, err := s.open(nil)
		if err != nil {
			return false, err
		}
		defer sock.Close()
		if _, _, err := s.ask(ctx, t, sock, probe{to: who.addr, legacy: who.legacy}); err != nil {
			return false, err
		}
	}
	if !s.answers[who] {
		s.note(t, "%v does not answer at all: its silence proves nothing", who.addr)
	}
	return s.answers[who], nil
}

// contradiction is the answer that makes the class wrong; empty if there is none. The
// tree of RFC 3489 knows MAPPED-ADDRESS alone, and only silence tells it of a filter.
// That the mappings of another socket were otherwise is none: each was told in an
// answer, and what arrives unasked can change a mapping.
func (s *session) contradiction() string {
	rep := &s.report
	var translated, filtered bool // what the class says
	switch rep.Classic {
	case OpenInternet:
	case SymmetricFirewall:
		filtered = true
	case FullCone:
		translated = true
	case RestrictedCone, PortRestrictedCone, Symmetric:
		translated, filtered = true, true
	default:
		return ""
	}
	switch {
	case rep.NAT == Yes && !translated:
		return "XOR-MAPPED-ADDRESS was another address than this host's"
	case rep.NAT == No && translated:
		return "XOR-MAPPED-ADDRESS was this host's own address"
	case rep.Filtering == EndpointIndependent && filtered:
		return "an answer from an address never sent to has arrived"
	case rep.Filtering == AddressDependent && rep.Classic == PortRestrictedCone:
		return "an answer from a port never sent to has arrived"
	}
	return ""
}
