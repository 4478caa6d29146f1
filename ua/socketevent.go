package ua

import (
	"net"
	"net/netip"
)

// SocketEvent is a SIP socket that could not be read. With net.ErrClosed, and after 16 of
// them in a row, it is not read any more: nothing that comes there is heard.
type SocketEvent struct {
	Local netip.AddrPort
	Err   error
}

func (SocketEvent) event() {}

// watched tells of each failure to read a SIP socket, unless the client is closing.
type watched struct {
	net.PacketConn
	c *Client
}

func (w watched) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := w.PacketConn.ReadFrom(b)
	switch classify(n, len(b), err) {
	case readFailed, readEnded:
		if w.c.ctx.Err() == nil {
			local, _ := addrPortOf(w.LocalAddr())
			w.c.emit(SocketEvent{Local: local, Err: err})
		}
	}
	return n, from, err
}
