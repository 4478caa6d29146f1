package transportv5

import (
	"context"
	"errors"
	"fmt"
	"net"

	v3 "github.com/pion/transport/v3"
	"github.com/pion/transport/v5"
)

// Net is host for code that takes a Net of transport v5. Sockets, listeners and
// addresses are the host's own. Where opening or looking up fails with one of
// v3's sentinel errors, errors.Is finds v5's of the same name as well.
func Net(host v3.Net) transport.Net { return network{host} }

// network inherits what both versions write alike.
type network struct{ v3.Net }

func (n network) ListenPacket(network, address string) (net.PacketConn, error) {
	return passOn(n.Net.ListenPacket(network, address))
}

func (n network) ListenUDP(network string, laddr *net.UDPAddr) (transport.UDPConn, error) {
	return passOn[transport.UDPConn](n.Net.ListenUDP(network, laddr))
}

func (n network) ListenTCP(network string, laddr *net.TCPAddr) (transport.TCPListener, error) {
	l, err := passOn(n.Net.ListenTCP(network, laddr))
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

func (n network) Dial(network, address string) (net.Conn, error) {
	return passOn(n.Net.Dial(network, address))
}

func (n network) DialUDP(network string, laddr, raddr *net.UDPAddr) (transport.UDPConn, error) {
	return passOn[transport.UDPConn](n.Net.DialUDP(network, laddr, raddr))
}

func (n network) DialTCP(network string, laddr, raddr *net.TCPAddr) (transport.TCPConn, error) {
	return passOn[transport.TCPConn](n.Net.DialTCP(network, laddr, raddr))
}

func (n network) Interfaces() ([]*transport.Interface, error) {
	all, err := passOn(n.Net.Interfaces())
	var list []*transport.Interface
	for _, i := range all {
		list = append(list, convert(i))
	}
	return list, err
}

func (n network) InterfaceByIndex(index int) (*transport.Interface, error) {
	i, err := passOn(n.Net.InterfaceByIndex(index))
	return convert(i), err
}

func (n network) InterfaceByName(name string) (*transport.Interface, error) {
	i, err := passOn(n.Net.InterfaceByName(name))
	return convert(i), err
}

func (n network) CreateDialer(d *net.Dialer) transport.Dialer { return dialer{n.Net.CreateDialer(d)} }

// CreateListenConfig is new since v3. Control wants a descriptor and keepalives
// want a kernel: a host has neither, so a config with such a setting listens
// with ErrNotSupported.
func (n network) CreateListenConfig(c *net.ListenConfig) transport.ListenConfig {
	return listenConfig{n, c}
}

type listener struct{ v3.TCPListener }

func (l listener) AcceptTCP() (transport.TCPConn, error) { return l.TCPListener.AcceptTCP() }

type dialer struct{ v3.Dialer }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return passOn(d.Dialer.Dial(network, address))
}

type listenConfig struct {
	host network
	set  *net.ListenConfig
}

func (l listenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	if l.set != nil && (l.set.KeepAlive > 0 || l.set.KeepAliveConfig.Enable) {
		return nil, fmt.Errorf("transportv5: listen: KeepAlive: %w", transport.ErrNotSupported)
	}
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	laddr, err := passOn(l.host.ResolveTCPAddr(network, address))
	if err != nil {
		return nil, err
	}
	return l.host.ListenTCP(network, laddr)
}

func (l listenConfig) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	return l.host.ListenPacket(network, address)
}

func (l listenConfig) ready(ctx context.Context) error {
	if l.set != nil && l.set.Control != nil {
		return fmt.Errorf("transportv5: listen: Control: %w", transport.ErrNotSupported)
	}
	return ctx.Err()
}

// convert makes v5's interface of v3's, and nil of nil.
func convert(i *v3.Interface) *transport.Interface {
	if i == nil {
		return nil
	}
	c := transport.NewInterface(i.Interface)
	addrs, _ := i.Addrs() // its only error says that there are none
	for _, a := range addrs {
		c.AddAddress(a)
	}
	return c
}

// passOn returns v as it is, and err so that v5's sentinels are found in it.
func passOn[T any](v T, err error) (T, error) {
	for _, s := range [...]struct{ old, new error }{
		{v3.ErrNotSupported, transport.ErrNotSupported},
		{v3.ErrInterfaceNotFound, transport.ErrInterfaceNotFound},
		{v3.ErrNoAddressAssigned, transport.ErrNoAddressAssigned},
		{v3.ErrNotUDPAddress, transport.ErrNotUDPAddress},
	} {
		if errors.Is(err, s.old) {
			return v, both{err, s.new}
		}
	}
	return v, err
}

// both reads as the first error and is the second too.
type both struct {
	error
	too error
}

func (b both) Unwrap() []error { return []error{b.error, b.too} }
