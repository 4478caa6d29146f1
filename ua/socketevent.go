package ua

import "net/netip"

// SocketEvent is a SIP socket that is broken, or that somebody else closed: nothing that
// comes there is heard any more.
type SocketEvent struct {
	Local netip.AddrPort
	Err   error
}

func (SocketEvent) event() {}
