package stun

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/natproof/natproof/stunclient/attr"
)

// ErrSockets means that the sockets given to New are not such that a server
// could run on them.
var ErrSockets = errors.New("unusable sockets")

// A grid is one socket, or four: two addresses times two ports.
type grid struct {
	conns []net.PacketConn
	addrs []netip.AddrPort // of conns
}

func newGrid(conns []net.PacketConn) (grid, error) {
	g := grid{conns: conns}
	ips, ports := map[netip.Addr]bool{}, map[uint16]bool{}
	seen := map[netip.AddrPort]bool{}
	for _, c := range conns {
		if c == nil {
			return g, fmt.Errorf("%w: a socket is nil", ErrSockets)
		}
		a, ok := attr.FromNet(c.LocalAddr())
		if !ok || a.Addr().IsUnspecified() || a.Port() == 0 {
			return g, fmt.Errorf("%w: %v is not a concrete address and port, which clients must be told", ErrSockets, c.LocalAddr())
		}
		if seen[a] {
			return g, fmt.Errorf("%w: %v is given twice", ErrSockets, a)
		}
		seen[a], ips[a.Addr()], ports[a.Port()] = true, true, true
		g.addrs = append(g.addrs, a)
	}
	switch {
	case len(conns) == 1:
		return g, nil
	case len(conns) != 4:
		return g, fmt.Errorf("%w: %d sockets: want 1, or 4 (two addresses times two ports)", ErrSockets, len(conns))
	case len(ips) != 2 || len(ports) != 2:
		// RFC 5780 section 6: the same two ports on both addresses.
		return g, fmt.Errorf("%w: %v are not two addresses times the same two ports", ErrSockets, g.addrs)
	case g.addrs[0].Addr().Is4() != g.addrs[g.find(0, true, true)].Addr().Is4():
		return g, fmt.Errorf("%w: %v mix IPv4 and IPv6", ErrSockets, g.addrs)
	}
	return g, nil
}

// full says whether there are alternate addresses.
func (g grid) full() bool { return len(g.conns) == 4 }

// find is the socket that differs from socket i in address, in port, or in both.
func (g grid) find(i int, otherIP, otherPort bool) int {
	for j, a := range g.addrs {
		if (a.Addr() != g.addrs[i].Addr()) == otherIP && (a.Port() != g.addrs[i].Port()) == otherPort {
			return j
		}
	}
	return i
}

// listenAttempts is how often Listen tries other ports when the system chose
// one that is taken on the second address.
const listenAttempts = 32

// Listen opens the sockets of a server with listen: primary, and if alternate
// is not the zero value all four of two addresses times two ports, in the order
// A1:P1, A1:P2, A2:P1, A2:P2. A port that is 0 is chosen by the system, the same
// on both addresses. If it fails nothing stays open.
func Listen(listen func(netip.AddrPort) (net.PacketConn, error), primary, alternate netip.AddrPort) ([]net.PacketConn, error) {
	if !alternate.Addr().IsValid() {
		c, err := listen(primary)
		if err != nil {
			return nil, fmt.Errorf("stun: listen: %w", err)
		}
		return []net.PacketConn{c}, nil
	}
	if primary.Addr() == alternate.Addr() || (primary.Port() == alternate.Port() && primary.Port() != 0) {
		return nil, fmt.Errorf("stun: listen: %v and %v: want two addresses and two ports", primary, alternate)
	}
	anyPort := primary.Port() == 0 || alternate.Port() == 0
	for attempt := 1; ; attempt++ {
		conns, err := listenGrid(listen, primary, alternate)
		if err == nil {
			return conns, nil
		}
		for _, c := range conns {
			_ = c.Close()
		}
		if !anyPort || attempt == listenAttempts || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("stun: listen: %w", err)
		}
	}
}

// listenGrid opens four sockets. With an error it returns those it opened.
func listenGrid(listen func(netip.AddrPort) (net.PacketConn, error), primary, alternate netip.AddrPort) ([]net.PacketConn, error) {
	var conns []net.PacketConn
	open := func(ip netip.Addr, port uint16) (uint16, error) {
		c, err := listen(netip.AddrPortFrom(ip, port))
		if err != nil {
			return 0, err
		}
		conns = append(conns, c)
		a, ok := attr.FromNet(c.LocalAddr())
		if !ok {
			return 0, fmt.Errorf("%v is not an address and port", c.LocalAddr())
		}
		return a.Port(), nil
	}
	p1, err := open(primary.Addr(), primary.Port())
	if err != nil {
		return conns, err
	}
	p2, err := open(primary.Addr(), alternate.Port())
	if err != nil {
		return conns, err
	}
	for _, p := range []uint16{p1, p2} {
		if _, err := open(alternate.Addr(), p); err != nil {
			return conns, err
		}
	}
	return conns, nil
}
