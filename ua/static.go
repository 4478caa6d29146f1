package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// ErrNoStaticMapping: a Static manager has no (free) mapping of the type asked for.
var ErrNoStaticMapping = errors.New("ua: no static mapping")

// StaticMapping is a mapping that was configured by hand, such as a port forward.
type StaticMapping struct {
	Type     PortType
	Internal netip.AddrPort // what is bound; the zero value leaves the port to the client
	External netip.AddrPort // what is advertised
}

// Static is a port manager that answers from a list. A SIP mapping serves everybody
// who asks; a media mapping serves one call at a time, so a client that is to have two
// calls at once needs two of each.
type Static struct {
	mu   sync.Mutex
	free []StaticMapping
	used []lease
}

// lease is a mapping that is in use; a SIP mapping is never taken off the list.
type lease struct {
	given Mapping
	entry StaticMapping
}

// NewStatic returns a manager for the given mappings.
func NewStatic(mappings ...StaticMapping) (*Static, error) {
	for _, m := range mappings {
		if m.Type < SIP || m.Type > AudioRTCP {
			return nil, fmt.Errorf("ua: static mapping: %w: unknown %s", ErrConfig, m.Type)
		}
		if !m.External.IsValid() || m.External.Port() == 0 {
			return nil, fmt.Errorf("ua: static mapping: %w: %s has no external address and port", ErrConfig, m.Type)
		}
	}
	return &Static{free: append([]StaticMapping(nil), mappings...)}, nil
}

// GetMapping gives the first free mapping of the type, or ErrNoStaticMapping. One that is to
// be replaced is given again: nothing else is known of the port.
func (s *Static) GetMapping(_ context.Context, r MappingRequest) (Mapping, error) {
	e, ok := s.entryOf(r.Instead)
	if !ok {
		e, ok = s.take(r.Type)
	}
	if !ok {
		return Mapping{}, fmt.Errorf("%w of type %s", ErrNoStaticMapping, r.Type)
	}
	sock, err := r.Bind(e.Internal)
	if err != nil {
		s.putBack(e)
		return Mapping{}, err
	}
	m := Mapping{Internal: sock.Internal(), External: e.External, Remote: r.Remote, Transport: r.Transport, Type: r.Type}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = append(s.used, lease{m, e})
	return m, nil
}

// entryOf is the entry of a mapping that is in use.
func (s *Static) entryOf(m Mapping) (StaticMapping, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.used {
		if l.given == m {
			return l.entry, true
		}
	}
	return StaticMapping{}, false
}

func (s *Static) take(t PortType) (StaticMapping, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range s.free {
		if e.Type != t {
			continue
		}
		if t != SIP {
			s.free = append(s.free[:i:i], s.free[i+1:]...)
		}
		return e, true
	}
	return StaticMapping{}, false
}

func (s *Static) putBack(e StaticMapping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := slices.ContainsFunc(s.used, func(l lease) bool { return l.entry == e })
	if e.Type != SIP && !again {
		s.free = append(s.free, e)
	}
}

// UpdateRemoteAddress has nothing to do: a forwarded port admits everybody.
func (s *Static) UpdateRemoteAddress(context.Context, Mapping, netip.AddrPort) error { return nil }

// ReleaseMapping makes the mapping free for the next call.
func (s *Static) ReleaseMapping(_ context.Context, m Mapping) error {
	s.mu.Lock()
	i := -1
	for j, l := range s.used {
		if l.given == m {
			i = j
			break
		}
	}
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("%w: %s is not in use", ErrNoStaticMapping, m)
	}
	e := s.used[i].entry
	s.used = append(s.used[:i:i], s.used[i+1:]...)
	s.mu.Unlock()
	s.putBack(e)
	return nil
}
