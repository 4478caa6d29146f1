package ua

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// PortType says what a port is for.
type PortType uint8

// The port types. The client asks for them in this order.
const (
	SIP PortType = iota + 1
	AudioRTP
	AudioRTCP
)

var portTypeNames = [...]string{"", "SIP", "RTP", "RTCP"}

// String returns SIP, RTP or RTCP.
func (t PortType) String() string {
	if t >= SIP && t <= AudioRTCP {
		return portTypeNames[t]
	}
	return fmt.Sprintf("PortType(%d)", uint8(t))
}

// Transport is a transport protocol. UDP is the only one so far.
type Transport uint8

// UDP is the transport of SIP, RTP and RTCP here.
const UDP Transport = 1

// String returns the name in upper case.
func (t Transport) String() string {
	if t == UDP {
		return "UDP"
	}
	return fmt.Sprintf("Transport(%d)", uint8(t))
}

// A PortManager tells a client which external address belongs to a local port. It is
// set on a profile before the profile is enabled and on a session before its call.
//
// The client's side of the contract: GetMapping for SIP before the first REGISTER;
// GetMapping for SIP, RTP and RTCP, in this order, before an INVITE and before an
// answer, and again for each of them when the user agent moves or renews a call;
// UpdateRemoteAddress for each media mapping when the peer's media address
// turns out to be, or becomes, another one than the one named before - ahead of the
// ACK and of the first media packet; ReleaseMapping for every mapping when the session
// has ended or the profile is disabled. Calls come one at a time, never two at once
// from one client, and with none of the client's locks held.
//
// The manager's side: to answer promptly (the context has Config.PortManagerTimeout as
// its deadline, and a call that outlives it counts as failed), to fail if it cannot
// answer, and never to call back into the client. A call that does gets ErrReentrant.
type PortManager interface {
	// GetMapping names the internal and the external address of a port. If it fails,
	// the operation that needed the port fails with ErrPortMappingUnavailable.
	GetMapping(ctx context.Context, r MappingRequest) (Mapping, error)
	// UpdateRemoteAddress says that the peer of m is remote from now on. Some NATs let
	// in only those who were sent to: this is the moment to send. If it fails, the
	// operation fails with ErrPortMappingFailed.
	UpdateRemoteAddress(ctx context.Context, m Mapping, remote netip.AddrPort) error
	// ReleaseMapping ends the use of m. Its socket may be closed already.
	ReleaseMapping(ctx context.Context, m Mapping) error
}

// MappingRequest is a question to a PortManager.
type MappingRequest struct {
	// Remote is the peer: the registrar, the proxy or the caller. For the media of an
	// outgoing call the peer's media address is not known yet; Remote is then the
	// address the INVITE goes to, with port 0.
	Remote    netip.AddrPort
	Transport Transport
	Type      PortType
	// Instead is the mapping that the new one takes the place of, as it was given, if there
	// is one: it may have changed unnoticed, so what was known before is no answer. It is
	// released afterwards.
	Instead Mapping
	// Bind binds the internal port and returns its socket, so that a manager can ask a
	// server from the very port the mapping is for. The zero AddrPort, and port 0, leave
	// the choice to the client. For SIP the client's own socket is returned unless another
	// port is asked for. A manager that needs no socket need not call it: the client then
	// binds Mapping.Internal.
	Bind func(internal netip.AddrPort) (Socket, error)
	// Changed tells the client that the external address is another one now. It returns
	// at once, may be called from any goroutine until ReleaseMapping, and is the one way
	// to reach the client that is not a call back into it.
	Changed func(Mapping)
}

// Mapping is an answer of a PortManager: what is bound and what the world sees.
type Mapping struct {
	Internal  netip.AddrPort // the zero value: whatever Bind bound, or the client's choice
	External  netip.AddrPort // the zero value: the same as Internal
	Remote    netip.AddrPort // of the request
	Transport Transport
	Type      PortType
}

// String is like "RTP 10.0.0.2:40000 = 198.51.100.1:61000".
func (m Mapping) String() string {
	return fmt.Sprintf("%s %s = %s", m.Type, m.Internal, m.External)
}

// Socket is a bound port as a PortManager sees it. The client reads it.
type Socket interface {
	// Internal is the address the port is bound to, never a wildcard.
	Internal() netip.AddrPort
	// LocalAddr is Internal for package net.
	LocalAddr() net.Addr
	WriteTo(b []byte, to net.Addr) (int, error)
	// OnSTUN has every STUN message that arrives on the port handed to h, and to whoever
	// else asked, until remove is called. h must not block and must not keep b.
	OnSTUN(h func(b []byte, from net.Addr)) (remove func())
}
