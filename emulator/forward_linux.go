package emulator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// How long a datagram's way back is kept, and how many there are at most.
const (
	forwardIdle = time.Minute
	forwardMost = 1024
)

// forward hands on what comes to a socket in a namespace.
type forward struct {
	to    string
	close func() error

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool // on the host's side, and of TCP on the other
	flows  map[netip.AddrPort]net.Conn
	all    sync.WaitGroup
}

// Forward has what comes to an address of the namespace, such as 127.0.0.1:8080, go on to one of the network that this
// process is in. It is the only way there. The network is tcp or udp; it ends with the namespace.
func (n *Namespace) Forward(network string, at netip.AddrPort, to string) error {
	f := &forward{to: to, conns: map[net.Conn]bool{}, flows: map[netip.AddrPort]net.Conn{}}
	switch network {
	case "tcp":
		l, err := n.ListenTCP(at)
		if err != nil {
			return fmt.Errorf("emulator: forward: %w", err)
		}
		f.close = l.Close
		f.all.Go(func() { f.accept(l) })
	case "udp":
		c, err := n.ListenUDP(at)
		if err != nil {
			return fmt.Errorf("emulator: forward: %w", err)
		}
		f.close = c.Close
		f.all.Go(func() { f.datagrams(c) })
	default:
		return fmt.Errorf("emulator: forward: network %q: want tcp or udp", network)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errors.Join(ErrClosed, f.end())
	}
	n.forwards = append(n.forwards, f)
	return nil
}

// end closes all sockets and waits for those who use them.
func (f *forward) end() error {
	f.mu.Lock()
	f.closed = true
	for c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	err := f.close()
	f.all.Wait()
	return err
}

// keep remembers a connection, to be closed at the end.
func (f *forward) keep(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		c.Close()
		return false
	}
	f.conns[c] = true
	return true
}

func (f *forward) drop(c net.Conn) {
	f.mu.Lock()
	delete(f.conns, c)
	f.mu.Unlock()
	c.Close()
}

// accept takes connections until the listener is closed.
func (f *forward) accept(l *net.TCPListener) {
	for {
		near, err := l.AcceptTCP()
		if err != nil {
			return
		}
		if f.keep(near) {
			f.all.Go(func() { f.connect(near) })
		}
	}
}

// connect joins a connection to one on the host's side. Who cannot be reached resets it.
func (f *forward) connect(near *net.TCPConn) {
	defer f.drop(near)
	c, err := net.Dial("tcp", f.to)
	if err != nil {
		near.SetLinger(0)
		return
	}
	far := c.(*net.TCPConn)
	if !f.keep(far) {
		return
	}
	defer f.drop(far)
	var both sync.WaitGroup
	copyTo := func(to, from *net.TCPConn) {
		if _, err := io.Copy(to, from); err != nil {
			from.Close()
		}
		to.CloseWrite()
	}
	both.Go(func() { copyTo(far, near) })
	both.Go(func() { copyTo(near, far) })
	both.Wait()
}

// datagrams hands on datagrams, each source's by a socket of its own, so that answers find back.
func (f *forward) datagrams(c *net.UDPConn) {
	b := make([]byte, 65535)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an answer
		}
		if far := f.flow(c, from); far != nil {
			_, _ = far.Write(b[:n])
		}
	}
}

// flow is the socket for a source, or nil where there are too many, or the host's side cannot be reached.
func (f *forward) flow(c *net.UDPConn, from netip.AddrPort) net.Conn {
	f.mu.Lock()
	far, n := f.flows[from], len(f.flows)
	f.mu.Unlock()
	if far != nil || n >= forwardMost {
		return far
	}
	far, err := net.Dial("udp", f.to)
	if err != nil || !f.keep(far) {
		return nil
	}
	f.mu.Lock()
	f.flows[from] = far
	f.mu.Unlock()
	f.all.Go(func() {
		defer f.drop(far)
		b := make([]byte, 65535)
		for {
			far.SetReadDeadline(time.Now().Add(forwardIdle))
			n, err := far.Read(b)
			if err != nil && errors.Is(err, net.ErrClosed) || isTimeout(err) {
				break
			}
			if err == nil {
				_, _ = c.WriteToUDPAddrPort(b[:n], from)
			}
		}
		f.mu.Lock()
		delete(f.flows, from)
		f.mu.Unlock()
	})
	return far
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
