package ua

import (
	"context"
	"net/netip"
)

// Local is the port manager for a host that no NAT separates from its peers: what is
// bound is what is advertised. It is what a client uses if none is set. The zero value
// is ready to use.
type Local struct{}

// GetMapping binds a port of the client's choice.
func (Local) GetMapping(_ context.Context, r MappingRequest) (Mapping, error) {
	s, err := r.Bind(netip.AddrPort{})
	if err != nil {
		return Mapping{}, err
	}
	return Mapping{Internal: s.Internal(), External: s.Internal(), Remote: r.Remote, Transport: r.Transport, Type: r.Type}, nil
}

// UpdateRemoteAddress has nothing to do.
func (Local) UpdateRemoteAddress(context.Context, Mapping, netip.AddrPort) error { return nil }

// ReleaseMapping has nothing to do.
func (Local) ReleaseMapping(context.Context, Mapping) error { return nil }
