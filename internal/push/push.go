// Package push is for readers of sockets that need no goroutine for it. A socket of a virtual
// internet can hand over each datagram as it is delivered, which saves a change of goroutines a
// datagram; to all others a reader has to come.
package push

import (
	"net"
	"net/netip"
)

// A Func takes a datagram. The bytes are read only, and only valid during the call. It is called
// by one goroutine at a time, at the instant at which a reader would have got the datagram, and
// must not wait for anything that takes time or another datagram: the network waits for it.
// A call may be under way when the socket has been closed. An error is what a read would have ended with; a closed socket is no such error.
type Func func(b []byte, from netip.AddrPort, err error)

// Conn is a socket that can push.
type Conn interface {
	// Push hands what is there, and what comes, to a function from now on, and not to those
	// who read; nil is back to them. It returns what is closed when the socket is, and false
	// if this one cannot.
	Push(to Func) (closed <-chan struct{}, ok bool)
}

// To has a socket push, if it can.
func To(conn net.PacketConn, to Func) (closed <-chan struct{}, ok bool) {
	if c, can := conn.(Conn); can {
		return c.Push(to)
	}
	return nil, false
}
