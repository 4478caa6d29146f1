package vnet

import (
	"fmt"
	"net"

	"golang.org/x/net/ipv4"
)

// ReadBatch waits for a datagram and reads as many as are there, one into each message, as
// ipv4.PacketConn and ipv6.PacketConn do (their Message is one type). A message may have several
// buffers; a datagram longer than all of them is cut off. There are no flags and no control
// messages. One goroutine should read batches: of two, one may wait for another datagram with some
// in hand.
func (c *Conn) ReadBatch(ms []ipv4.Message, flags int) (n int, err error) {
	if flags != 0 {
		return 0, c.opError("read", fmt.Errorf("flags %#x: a virtual socket has none", flags))
	}
	for n < len(ms) && (n == 0 || c.box.waiting() > 0) {
		if err := c.readMessage(&ms[n]); err != nil {
			if n > 0 {
				return n, nil // the next call tells
			}
			return 0, err
		}
		n++
	}
	return n, nil
}

func (c *Conn) readMessage(m *ipv4.Message) error {
	size := 0
	for _, b := range m.Buffers {
		size += len(b)
	}
	whole := make([]byte, size)
	if len(m.Buffers) == 1 {
		whole = m.Buffers[0]
	}
	n, from, err := c.ReadFromUDPAddrPort(whole)
	if err != nil {
		return err
	}
	if len(m.Buffers) != 1 {
		rest := whole[:n]
		for _, b := range m.Buffers {
			rest = rest[copy(b, rest):]
		}
	}
	m.N, m.NN, m.Flags, m.Addr = n, 0, 0, net.UDPAddrFromAddrPort(from)
	return nil
}

// WriteBatch sends a datagram for each message, and says how many it has sent.
func (c *Conn) WriteBatch(ms []ipv4.Message, flags int) (int, error) {
	if flags != 0 {
		return 0, c.opError("write", fmt.Errorf("flags %#x: a virtual socket has none", flags))
	}
	for i := range ms {
		m := &ms[i]
		if len(m.OOB) > 0 {
			return i, c.opError("write", errNoOOB)
		}
		var whole []byte
		for _, b := range m.Buffers {
			whole = append(whole, b...)
		}
		var err error
		if m.Addr == nil {
			m.N, err = c.Write(whole)
		} else {
			m.N, err = c.WriteTo(whole, m.Addr)
		}
		if err != nil {
			return i, err
		}
	}
	return len(ms), nil
}
