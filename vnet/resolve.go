package vnet

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/transport/v3"
)

// ResolveIPAddr resolves a literal address or a name given to Lab.Name.
func (h *Host) ResolveIPAddr(network, address string) (*net.IPAddr, error) {
	a, err := h.lookup(strings.Replace(network, "ip", "udp", 1), address)
	if err != nil {
		return nil, err
	}
	return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}, nil
}

// ResolveUDPAddr resolves host:port.
func (h *Host) ResolveUDPAddr(network, address string) (*net.UDPAddr, error) {
	if !strings.HasPrefix(network, "udp") {
		return nil, net.UnknownNetworkError(network)
	}
	a, err := h.resolve(network, address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(a), nil
}

// ResolveTCPAddr resolves host:port.
func (h *Host) ResolveTCPAddr(network, address string) (*net.TCPAddr, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, net.UnknownNetworkError(network)
	}
	a, err := h.resolve(strings.Replace(network, "tcp", "udp", 1), address)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(a), nil
}

// resolve reads host:port; without a host it is the unspecified address.
func (h *Host) resolve(network, address string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(address); err == nil && fits(network, a.Addr()) {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: address}
	}
	a := netip.IPv4Unspecified()
	if network == "udp6" || network == "udp" && h.addrs[0].Is6() {
		a = netip.IPv6Unspecified()
	}
	if host != "" {
		if a, err = h.lookup(network, host); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}

// lookup finds the address of a name, or reads it.
func (h *Host) lookup(network, name string) (netip.Addr, error) {
	a, err := netip.ParseAddr(name)
	if err != nil {
		var known bool
		if a, known = h.site.lab.lookup(name); !known {
			return a, &net.DNSError{Err: "no such host", Name: name, Server: "the lab", IsNotFound: true}
		}
	}
	if a = a.Unmap(); !fits(network, a) {
		return a, &net.AddrError{Err: fmt.Sprintf("no suitable address for %q", network), Addr: name}
	}
	return a, nil
}

// fits says whether an address is of the family that a network asks for.
func fits(network string, a netip.Addr) bool {
	switch a = a.Unmap(); network {
	case "udp4":
		return a.Is4()
	case "udp6":
		return a.Is6()
	}
	return true
}

// lookup finds a name that was given to Name.
func (l *Lab) lookup(name string) (netip.Addr, bool) {
	if name = strings.ToLower(name); name == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	l.core.Lock()
	defer l.core.Unlock()
	a, ok := l.hosts[name]
	return a, ok
}

// Interfaces lists the host's interfaces: loopback and eth0.
func (h *Host) Interfaces() ([]*transport.Interface, error) {
	lo := transport.NewInterface(net.Interface{Index: 1, MTU: 65536, Name: "lo", Flags: net.FlagUp | net.FlagLoopback | net.FlagRunning})
	lo.AddAddress(&net.IPNet{IP: net.IPv4(127, 0, 0, 1), Mask: net.CIDRMask(8, 32)})
	last := h.addrs[0].As16()
	eth := transport.NewInterface(net.Interface{
		Index: 2, MTU: 1500, Name: "eth0", Flags: net.FlagUp | net.FlagRunning | net.FlagMulticast,
		HardwareAddr: append(net.HardwareAddr{2, 0}, last[12:]...), // locally administered, by the address
	})
	for _, a := range h.addrs {
		eth.AddAddress(&net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(h.site.prefix.Bits(), a.BitLen())})
	}
	return []*transport.Interface{lo, eth}, nil
}

// InterfaceByIndex finds an interface.
func (h *Host) InterfaceByIndex(index int) (*transport.Interface, error) {
	return h.findInterface(func(i *transport.Interface) bool { return i.Index == index }, fmt.Sprintf("index %d", index))
}

// InterfaceByName finds an interface.
func (h *Host) InterfaceByName(name string) (*transport.Interface, error) {
	return h.findInterface(func(i *transport.Interface) bool { return i.Name == name }, strconv.Quote(name))
}

func (h *Host) findInterface(is func(*transport.Interface) bool, what string) (*transport.Interface, error) {
	all, err := h.Interfaces()
	for _, i := range all {
		if is(i) {
			return i, err
		}
	}
	return nil, fmt.Errorf("vnet: host %q: %w: %s", h.name, transport.ErrInterfaceNotFound, what)
}
