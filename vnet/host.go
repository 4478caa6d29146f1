package vnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/pion/transport/v3"
	pion "github.com/pion/transport/v3/vnet"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/internal/push"
	"github.com/natproof/natproof/natmodels"
)

// The dynamic ports (RFC 6335 section 6) that a host picks from.
const (
	ephemeralFirst = 49152
	ephemeralLast  = 65535
)

// Host is a machine on a site. It is a transport.Net, so whatever runs on
// pion's network abstraction runs on it, and it hands out net.PacketConn for
// everything else. UDP; for TCP the error is transport.ErrNotSupported
// (errors.Is) and errors.ErrUnsupported, in words of our own.
type Host struct {
	site  *Site
	name  string
	addrs []netip.Addr
	pion  *pion.Net // nil on a native site

	mu    sync.Mutex
	mtus  map[netip.Addr]int // what paths carry, where that has been told
	socks map[netip.AddrPort]*Conn
	rng   *rand.Rand // ephemeral ports; made when first needed

	// The core's own.
	served  uint64        // the step in which it got a packet last
	backlog []*packet     // what wait for their turn; the first is in the core's queue too
	next    func(*packet) // turn, bound once

	joiner
	ids uint32 // the last identification of a datagram that was cut
}

var _ transport.Net = (*Host)(nil)

// Name is the host's name in traces.
func (h *Host) Name() string { return h.name }

// Addr is the host's first address.
func (h *Host) Addr() netip.Addr { return h.addrs[0] }

// Addrs are all its addresses.
func (h *Host) Addrs() []netip.Addr { return append([]netip.Addr(nil), h.addrs...) }

// Site is the network the host is on.
func (h *Host) Site() *Site { return h.site }

// Listen opens a UDP socket. Port 0 picks a free port; an unspecified address
// is the host's own if it has just one.
func (h *Host) Listen(local netip.AddrPort) (*Conn, error) { return h.open(local, netip.AddrPort{}) }

// ListenPacket opens a UDP socket, as net.ListenPacket does.
func (h *Host) ListenPacket(network, address string) (net.PacketConn, error) {
	local, err := h.parse(network, address)
	if err != nil {
		return nil, opError("listen", network, local, err)
	}
	c, err := h.open(local, netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ListenUDP opens a UDP socket, as net.ListenUDP does.
func (h *Host) ListenUDP(network string, laddr *net.UDPAddr) (transport.UDPConn, error) {
	if err := h.checkUDP(network); err != nil {
		return nil, opError("listen", network, netip.AddrPort{}, err)
	}
	c, err := h.open(fromUDPAddr(laddr), netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialUDP opens a UDP socket that talks to one peer, as net.DialUDP does.
func (h *Host) DialUDP(network string, laddr, raddr *net.UDPAddr) (transport.UDPConn, error) {
	if err := h.checkUDP(network); err != nil {
		return nil, opError("dial", network, netip.AddrPort{}, err)
	}
	if raddr == nil {
		return nil, opError("dial", network, netip.AddrPort{}, errors.New("missing address"))
	}
	c, err := h.open(fromUDPAddr(laddr), fromUDPAddr(raddr))
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Dial opens a UDP socket that talks to one peer, as net.Dial does.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	remote, err := h.parse(network, address)
	if err != nil {
		return nil, opError("dial", network, remote, err)
	}
	c, err := h.open(netip.AddrPort{}, remote)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialTCP always fails: the network carries UDP.
func (h *Host) DialTCP(network string, _, _ *net.TCPAddr) (transport.TCPConn, error) {
	return nil, opError("dial", network, netip.AddrPort{}, errNoTCP)
}

// ListenTCP always fails: the network carries UDP.
func (h *Host) ListenTCP(network string, _ *net.TCPAddr) (transport.TCPListener, error) {
	return nil, opError("listen", network, netip.AddrPort{}, errNoTCP)
}

// CreateDialer makes a dialer that dials from this host.
func (h *Host) CreateDialer(d *net.Dialer) transport.Dialer { return dialer{host: h, net: d} }

type dialer struct {
	host *Host
	net  *net.Dialer
}

func (d dialer) Dial(network, address string) (net.Conn, error) {
	laddr, ok := d.net.LocalAddr.(*net.UDPAddr)
	if !ok || laddr == nil {
		return d.host.Dial(network, address)
	}
	remote, err := d.host.parse(network, address)
	if err != nil {
		return nil, opError("dial", network, remote, err)
	}
	return d.host.DialUDP(network, laddr, net.UDPAddrFromAddrPort(remote))
}

// open makes a socket; remote is zero unless it is connected.
func (h *Host) open(local, remote netip.AddrPort) (*Conn, error) {
	op := "listen"
	if remote.IsValid() {
		op = "dial"
	}
	addr, err := h.ownAddr(local.Addr())
	if err != nil {
		return nil, opError(op, "udp", local, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.socks == nil {
		return nil, opError(op, "udp", local, ErrClosed)
	}
	port := local.Port()
	if port == 0 {
		if port, err = h.freePort(addr); err != nil {
			return nil, opError(op, "udp", local, err)
		}
	}
	local = netip.AddrPortFrom(addr, port)
	if h.socks[local] != nil {
		return nil, opError(op, "udp", local, syscall.EADDRINUSE)
	}
	c := &Conn{host: h, local: local, remote: remote, addr: net.UDPAddrFromAddrPort(local)}
	if c.box, err = h.mailbox(local); err != nil {
		return nil, err
	}
	h.socks[local] = c
	return c, nil
}

// mailbox makes what a socket reads from.
func (h *Host) mailbox(local netip.AddrPort) (mailbox, error) {
	if h.pion == nil {
		return newInbox(), nil
	}
	return h.site.pion.listen(h.pion, local)
}

// ownAddr is the address to bind: one of the host's.
func (h *Host) ownAddr(a netip.Addr) (netip.Addr, error) {
	a = a.Unmap()
	if !a.IsValid() || a == netip.IPv4Unspecified() || a == netip.IPv6Unspecified() {
		if len(h.addrs) > 1 {
			return a, fmt.Errorf("the host has several addresses %v: name one", h.addrs)
		}
		return h.addrs[0], nil
	}
	for _, own := range h.addrs {
		if own == a {
			return a, nil
		}
	}
	if a.IsLoopback() {
		return a, errors.New("a virtual host's loopback goes nowhere: bind the host's own address")
	}
	return a, syscall.EADDRNOTAVAIL
}

// freePort picks a dynamic port by the lab's seed.
func (h *Host) freePort(addr netip.Addr) (uint16, error) {
	if h.rng == nil {
		h.rng = seeded(h.site.lab.cfg.Seed, h.name+"/ports")
	}
	const n = ephemeralLast - ephemeralFirst + 1
	first := h.rng.IntN(n)
	for i := range n {
		port := uint16(ephemeralFirst + (first+i)%n)
		if h.socks[netip.AddrPortFrom(addr, port)] == nil {
			return port, nil
		}
	}
	return 0, syscall.EADDRINUSE
}

// receive takes a packet for one of the host's sockets. A host gets one packet at
// a time: the next one has to wait until whatever the first has set going has come
// to rest. Two sockets that got one each at the same instant would have two
// goroutines run in any order.
func (h *Host) receive(p *packet) {
	l := h.site.lab
	if l.real {
		h.deliver(p)
		return
	}
	if h.served != l.steps && len(h.backlog) == 0 {
		h.served = l.steps
		h.deliver(p)
		return
	}
	h.backlog = append(h.backlog, p)
	if len(h.backlog) == 1 {
		l.hold(p, l.clock().Add(settle), h.next)
	}
}

// has says whether an address is the host's own.
func (h *Host) has(a netip.Addr) bool { return slices.Contains(h.addrs, a) }

// turn delivers the first packet of the backlog.
func (h *Host) turn(p *packet) {
	h.backlog[0] = nil
	h.backlog = h.backlog[1:]
	if len(h.backlog) > 0 {
		h.site.lab.hold(h.backlog[0], h.site.lab.clock().Add(settle), h.next)
	}
	h.served = h.site.lab.steps
	h.deliver(p)
}

// deliver puts a packet into the socket it is for.
func (h *Host) deliver(p *packet) {
	l := h.site.lab
	none := natmodels.MappingInfo{}
	if p = h.join(p); p == nil {
		return
	}
	if p.bytes != nil && p.segment == 0 {
		if err := p.bytes.v.Verify(p.bytes.b); err != nil {
			l.drop(p, p.np, h.name, Corrupted, none, err.Error())
			return
		}
	}
	if p.np.IsICMP() {
		l.delivered(p, h.name)
		h.takeICMP(p)
		return
	}
	if p.np.Protocol != natmodels.UDP {
		l.drop(p, p.np, h.name, Unsupported, none, "hosts take UDP and ICMP only")
		return
	}
	h.mu.Lock()
	c := h.socks[p.np.Dst]
	var to push.Func
	if c != nil {
		to = c.push
	}
	h.mu.Unlock()
	if c == nil {
		l.drop(p, p.np, h.name, NoSocket, none, fmt.Sprintf("no socket is bound to %v", p.np.Dst))
		h.unreachable(p)
		return
	}
	if c.remote.IsValid() && c.remote != p.np.Src {
		l.drop(p, p.np, h.name, WrongPeer, none, fmt.Sprintf("the socket is connected to %v", c.remote))
		h.unreachable(p)
		return
	}
	if to != nil {
		l.handed = append(l.handed, handover{conn: c, to: to, b: p.payload, from: p.np.Src})
	} else if why, ok := c.box.put(p); !ok {
		l.drop(p, p.np, h.name, QueueFull, none, why)
		return
	}
	l.delivered(p, h.name)
	l.over(p)
}

// unreachable tells who sent a datagram that nobody waits for it (RFC 1122 section 4.1.3.1).
func (h *Host) unreachable(p *packet) {
	if answer := h.site.lab.complain(p, p.np.Dst.Addr(), portUnreachable, 0); answer != nil {
		h.site.leave(answer)
	}
}

// output sends a datagram in pieces that its path carries, where that is known.
func (h *Host) output(p *packet) {
	h.mu.Lock()
	mtu := h.mtus[p.np.Dst.Addr()]
	h.mu.Unlock()
	if mtu == 0 || p.size() <= mtu {
		h.site.leave(p)
		return
	}
	parts, err := h.pieces(p, mtu)
	if err != nil {
		h.site.lab.drop(p, p.np, h.name, MTUExceeded, natmodels.MappingInfo{}, err.Error())
		return
	}
	for _, part := range parts {
		h.site.leave(part)
	}
}

// pieces cuts a datagram for a path.
func (h *Host) pieces(p *packet, mtu int) ([]*packet, error) {
	h.ids++
	b, err := ippacket.AppendUDP(nil, ippacket.Header{TTL: p.ttl, ID: uint16(h.ids)}, p.np.Src, p.np.Dst, p.payload)
	if err != nil {
		return nil, err
	}
	v, err := ippacket.Parse(b)
	if err != nil {
		return nil, err
	}
	p.bytes = &datagramBytes{b, v}
	if v.Version == 4 {
		return h.site.lab.cut(p, mtu)
	}
	parts, err := v.Fragment6(b, mtu, h.ids)
	if err != nil {
		return nil, err
	}
	return h.site.lab.fragments(p, parts)
}

// delivered takes note of a packet that is where it should be.
func (l *Lab) delivered(p *packet, box string) {
	l.stats.Delivered++
	if !l.watched() {
		return
	}
	detail := ""
	if p.np.IsICMP() {
		detail = p.np.What()
		if q := p.np.Quoted; q != nil {
			detail += fmt.Sprintf(" about %s %v -> %v", q.What(), q.Src, q.Dst)
		}
	}
	l.emit(Event{
		At: l.elapsed(), Kind: Delivered, Packet: p.id, Parent: p.parent, Box: box, Proto: p.np.Protocol,
		Src: p.np.Src, Dst: p.np.Dst, Payload: p.payload, Detail: detail,
	})
}

func (h *Host) closeAll() error {
	h.mu.Lock()
	open := h.socks
	h.socks = nil
	h.mu.Unlock()
	var errs []error
	for _, c := range open {
		errs = append(errs, c.shut())
	}
	return errors.Join(errs...)
}

func (h *Host) parse(network, address string) (netip.AddrPort, error) {
	if err := h.checkUDP(network); err != nil {
		return netip.AddrPort{}, err
	}
	return h.resolve(network, address)
}

// unsupported is what real hosts can do and these cannot. pion's transport.ErrNotSupported
// says it too, but not what.
type unsupported string

const (
	errNoTCP  unsupported = "a virtual host has no TCP: this network carries UDP"
	errNoIPv6 unsupported = "a virtual host has no IPv6 on a site of IPv4"
	errNoOOB  unsupported = "a virtual host sends no out-of-band data"
)

func (e unsupported) Error() string { return string(e) }

// Is knows the errors that others have for the same.
func (e unsupported) Is(target error) bool {
	return target == transport.ErrNotSupported || target == errors.ErrUnsupported
}

func (h *Host) checkUDP(network string) error {
	switch network {
	case "udp", "udp4":
		return nil
	case "udp6":
		if h.addrs[0].Is4() {
			return errNoIPv6
		}
		return nil
	case "tcp", "tcp4", "tcp6":
		return errNoTCP
	}
	return net.UnknownNetworkError(network)
}

func fromUDPAddr(a *net.UDPAddr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	ip, ok := netip.AddrFromSlice(a.IP)
	if !ok {
		ip = netip.IPv4Unspecified()
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port))
}

func opError(op, network string, addr netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: network, Err: err}
	if addr.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(addr)
	}
	return e
}
