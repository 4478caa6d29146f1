package ua

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
)

// Call is one call that a Recorder saw.
type Call struct {
	Method    string // GetMapping, UpdateRemoteAddress or ReleaseMapping
	Type      PortType
	Transport Transport
	Remote    netip.AddrPort // argument; not part of ReleaseMapping
	Internal  netip.AddrPort // result of GetMapping, otherwise argument
	External  netip.AddrPort // result of GetMapping, otherwise argument
	Err       error          // result
}

// String is like "GetMapping(RTP, UDP, 203.0.113.10:0) = 10.0.0.2:40000, 198.51.100.1:61000".
func (c Call) String() string {
	result := ""
	if c.Err != nil {
		result = " = " + c.Err.Error()
	}
	switch c.Method {
	case "GetMapping":
		if c.Err == nil {
			result = fmt.Sprintf(" = %s, %s", c.Internal, c.External)
		}
		return fmt.Sprintf("GetMapping(%s, %s, %s)%s", c.Type, c.Transport, c.Remote, result)
	case "UpdateRemoteAddress":
		return fmt.Sprintf("UpdateRemoteAddress(%s, %s, %s, %s)%s", c.Type, c.Internal, c.External, c.Remote, result)
	default:
		return fmt.Sprintf("%s(%s, %s, %s)%s", c.Method, c.Type, c.Internal, c.External, result)
	}
}

// Recorder is a port manager that passes every call on and remembers it.
type Recorder struct {
	next PortManager
	mu   sync.Mutex
	seen []Call
}

// NewRecorder wraps next.
func NewRecorder(next PortManager) *Recorder { return &Recorder{next: next} }

// Calls returns the calls so far in the order in which they returned.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Call(nil), r.seen...)
}

func (r *Recorder) add(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, c)
}

// GetMapping asks the wrapped manager.
func (r *Recorder) GetMapping(ctx context.Context, q MappingRequest) (Mapping, error) {
	m, err := r.next.GetMapping(ctx, q)
	r.add(Call{"GetMapping", q.Type, q.Transport, q.Remote, m.Internal, m.External, err})
	return m, err
}

// UpdateRemoteAddress asks the wrapped manager.
func (r *Recorder) UpdateRemoteAddress(ctx context.Context, m Mapping, remote netip.AddrPort) error {
	err := r.next.UpdateRemoteAddress(ctx, m, remote)
	r.add(Call{"UpdateRemoteAddress", m.Type, m.Transport, remote, m.Internal, m.External, err})
	return err
}

// ReleaseMapping asks the wrapped manager.
func (r *Recorder) ReleaseMapping(ctx context.Context, m Mapping) error {
	err := r.next.ReleaseMapping(ctx, m)
	r.add(Call{Method: "ReleaseMapping", Type: m.Type, Transport: m.Transport, Internal: m.Internal, External: m.External, Err: err})
	return err
}
