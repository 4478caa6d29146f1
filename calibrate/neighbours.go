package calibrate

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/vnet"
)

// neighbours is what takes two hosts, or many sockets, to see.
type neighbours struct {
	// first and second are the external endpoints of two hosts on the same port,
	// towards one server address; apart are those towards two. The zero value is
	// for a host that got no answer.
	first, second netip.AddrPort
	apart         [2]netip.AddrPort
	// pools are the external addresses of several sockets of one host, by the
	// server address that they asked.
	pools [2][]netip.Addr
}

// pooled is how many sockets ask each server address.
const pooled = 8

func meetNeighbours(ctx context.Context, l *lab, nat placed) (n neighbours, err error) {
	ids := uint64(1)
	ask := func(h *vnet.Host, port uint16, to netip.Addr) netip.AddrPort {
		if err != nil {
			return netip.AddrPort{}
		}
		ids++
		var mapped netip.AddrPort
		mapped, err = binding(ctx, h, port, netip.AddrPortFrom(to, primary.Port()), ids)
		return mapped
	}
	port := basePort(nat.model)
	n.first = ask(l.a, port, primary.Addr())
	n.second = ask(l.b, port, primary.Addr())
	port += 2
	n.apart[0] = ask(l.a, port, primary.Addr())
	n.apart[1] = ask(l.b, port, alternate.Addr())
	for i, to := range []netip.Addr{primary.Addr(), alternate.Addr()} {
		for range pooled {
			port += 2
			if a := ask(l.a, port, to).Addr(); a.IsValid() {
				n.pools[i] = append(n.pools[i], a)
			}
		}
	}
	return n, err
}

// binding asks a server for the external endpoint of a socket on that port. No
// answer is the zero value.
func binding(ctx context.Context, h *vnet.Host, port uint16, server netip.AddrPort, ids uint64) (netip.AddrPort, error) {
	pc, err := h.ListenPacket("udp4", netip.AddrPortFrom(h.Addr(), port).String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	conn, err := stunclient.NewConn(pc, stunclient.ConnConfig{Options: stunclient.Options{
		RTO: 500 * time.Millisecond, Rc: 2, Rm: 2, Rand: random(ids),
	}})
	if err != nil {
		return netip.AddrPort{}, errors.Join(err, pc.Close())
	}
	defer conn.Close()
	r, err := conn.Client().Binding(ctx, server)
	if errors.Is(err, stunclient.ErrTimeout) {
		return netip.AddrPort{}, nil
	}
	return r.Address(), err
}

// What two hosts on one port get.
const (
	refused  = "refused"
	another  = "another port"
	shared   = "shared"
	paired   = "paired"
	perDest  = "per-destination"
	anyOfAll = "arbitrary"
)

// samePort says what becomes of the second of two hosts on one port.
func (n neighbours) samePort() string {
	switch {
	case !n.first.IsValid() || !n.apart[0].IsValid():
		return Unknown
	case !n.second.IsValid():
		return refused
	case n.first.Addr() != n.second.Addr() || n.apart[0].Addr() != n.apart[1].Addr():
		return Unknown // nothing collides
	case n.apart[0] == n.apart[1]:
		return shared
	}
	return another
}

// pooling says which sockets of one host have the same external address.
func (n neighbours) pooling() string {
	var one [2]bool
	for i, p := range n.pools {
		if len(p) == 0 {
			return Unknown
		}
		one[i] = true
		for _, a := range p {
			one[i] = one[i] && a == p[0]
		}
	}
	switch {
	case !one[0] || !one[1]:
		return anyOfAll
	case n.pools[0][0] != n.pools[1][0]:
		return perDest
	}
	return paired
}
