package discover

import (
	"context"

	"github.com/natproof/natproof/stunclient/attr"
)

// filterScope finds out whether a mapping admits whom the same socket has sent
// to through another mapping. RFC 4787 section 5 words filtering by internal
// endpoint, so that it would; many devices filter each mapping by itself. RFC
// 5780 has no such test: this one sends to both addresses and then asks the
// first to answer from the second.
func (s *session) filterScope(ctx context.Context) error {
	switch {
	case s.report.NAT == No, !s.needOther(FilterScope):
		return nil
	case s.report.Filtering == EndpointIndependent:
		s.note(FilterScope, "nobody is filtered, so there is no difference")
		return nil
	case s.report.Mapping == EndpointIndependent:
		s.note(FilterScope, "one mapping serves all destinations, so there is no difference")
		return nil
	}
	sock, err := s.open(nil)
	if err != nil {
		return err
	}
	defer sock.Close()
	one, ok, err := s.plain(ctx, FilterScope, sock, s.cfg.Server)
	if err != nil || !ok {
		return err
	}
	two, ok, err := s.plain(ctx, FilterScope, sock, s.report.Other)
	if err != nil || !ok {
		return err
	}
	if one == two {
		s.note(FilterScope, "one mapping serves all destinations, so there is no difference")
		return nil
	}
	r, result, err := s.ask(ctx, FilterScope, sock, probe{to: s.cfg.Server, change: attr.ChangeRequest{IP: true, Port: true}})
	switch {
	case err != nil:
		return err
	case result == silent:
		s.report.FilterScope = PerMapping
	case result == answered && r.From == s.report.Other:
		s.report.FilterScope = PerEndpoint
	default:
		s.note(FilterScope, "the server does not do CHANGE-REQUEST")
	}
	return nil
}
