package stun

import (
	"fmt"
	"net/netip"
)

// A Responder answers as a server with one address does, for a socket that is another
// protocol's: STUN keepalives on a SIP port (RFC 5626 section 5.4). It may be used by
// several goroutines.
type Responder struct{ server *Server }

// NewResponder makes one that tells its clients the address origin.
func NewResponder(origin netip.AddrPort) (*Responder, error) {
	if !origin.IsValid() || origin.Addr().IsUnspecified() || origin.Port() == 0 {
		return nil, fmt.Errorf("stun: new responder: %w: %v is not a concrete address and port", ErrSockets, origin)
	}
	return &Responder{&Server{cfg: Config{MTU: DefaultMTU}, grid: grid{addrs: []netip.AddrPort{origin}}}}, nil
}

// Answer makes the answer to a datagram from src, and says where it goes: to another port of
// src if that is asked for. It is nil if there is none; the outcome says why.
func (r *Responder) Answer(b []byte, src netip.AddrPort) (raw []byte, to netip.AddrPort, o Outcome) {
	src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
	if !src.IsValid() {
		return nil, netip.AddrPort{}, BadSource
	}
	a, o := r.server.answer(0, b, src)
	return a.raw, a.dest, o
}
