package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/natproof/natproof/vnet"
)

// device is what is read and written at the end of a namespace. next is called by one goroutine, receive and flush by
// the core.
type device interface {
	next() ([]vnet.Frame, error)
	receive(vnet.Frame)
	flush()
	counts(*Stats)
	close() error
}

func (w *writer) counts(s *Stats) {
	s.Received, s.Failed, s.Writes, s.Coalesced = w.received.Load(), w.failed.Load(), w.writes.Load(), w.coalesced.Load()
}

// Namespace is a network namespace that is joined to a site of a lab.
type Namespace struct {
	name string
	cfg  Config // its addresses change, see Move
	net  *netns
	dev  device
	port atomic.Pointer[vnet.Port]
	read chan struct{} // closed when nobody reads any more

	sent, local, reads atomic.Uint64
	broken             atomic.Pointer[error]

	mu       sync.Mutex
	closed   bool
	running  map[*Cmd]bool
	forwards []*forward
}

// Attach makes a network namespace and joins it to a site of a lab on the real clock.
func Attach(site *vnet.Site, name string, cfg Config) (*Namespace, error) {
	fail := func(err error) (*Namespace, error) {
		return nil, fmt.Errorf("emulator: attach %q: %w", name, err)
	}
	if err := cfg.check(); err != nil {
		return fail(err)
	}
	if !site.Lab().RealClock() {
		return fail(ErrVirtualClock)
	}
	cfg.Addrs = slices.Clone(cfg.Addrs)
	n := &Namespace{name: name, cfg: cfg, read: make(chan struct{}), running: map[*Cmd]bool{}}
	port, err := site.AddPort(name, func([]byte) {}, cfg.Addrs...) // nothing comes before it has sent something
	if err != nil {
		return nil, err
	}
	n.port.Store(port)
	n.net, err = newNetns(func(*netns) (err error) {
		if n.dev, err = open(cfg.Driver, cfg.MTU); err != nil {
			return err
		}
		return configure(interfaceName, site.Prefix(), cfg)
	})
	if err == nil {
		err = port.Receive(n.dev.receive, n.dev.flush)
	}
	if err != nil {
		if n.dev != nil {
			n.dev.close()
		}
		if n.net != nil {
			n.net.close()
		}
		port.Close()
		return fail(err)
	}
	go n.loop()
	return n, nil
}

// open makes the device, in the namespace.
func open(d Driver, mtu int) (device, error) {
	var why error
	if d != Ring {
		t, err := openTUN()
		if err == nil {
			return t, nil
		}
		why = err
	}
	if d != TUN {
		r, err := openRing(max(mtu, defaultMTU))
		if err == nil {
			return r, nil
		}
		why = errors.Join(why, err)
	}
	return nil, fmt.Errorf("%w: %w", ErrNoDevice, why)
}

// loop hands over what the namespace sends, until it is closed.
func (n *Namespace) loop() {
	defer close(n.read)
	for {
		frames, err := n.dev.next()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				n.broken.Store(&err)
			}
			return
		}
		n.reads.Add(1)
		all := len(frames)
		frames = slices.DeleteFunc(frames, func(f vnet.Frame) bool { return local(f.IP) })
		n.local.Add(uint64(all - len(frames)))
		n.sent.Add(uint64(len(frames)))
		_ = n.port.Load().SendBatch(frames) // none is longer than the device's MTU or what IP says
	}
}

// Name is the name of the namespace's port in traces.
func (n *Namespace) Name() string { return n.name }

// Addr is the first address.
func (n *Namespace) Addr() netip.Addr { return n.Port().Addrs()[0] }

// Addrs are all addresses.
func (n *Namespace) Addrs() []netip.Addr { return n.Port().Addrs() }

// Port is the port that joins the namespace to its site.
func (n *Namespace) Port() *vnet.Port { return n.port.Load() }

// Path names the namespace for others as long as this process runs: nsenter --net=PATH.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.net.fd) }

// Stats are the counts so far.
func (n *Namespace) Stats() Stats {
	s := Stats{Sent: n.sent.Load(), Local: n.local.Load(), Reads: n.reads.Load()}
	n.dev.counts(&s)
	_ = n.Do(func() error {
		lost, err := overruns(interfaceName)
		s.Overrun += lost
		return err
	})
	return s
}

// Err says why nothing comes from the namespace any more, other than because it is closed: a program has removed the
// interface, for instance.
func (n *Namespace) Err() error {
	if err := n.broken.Load(); err != nil {
		return fmt.Errorf("emulator: %s: read %s: %w", n.name, interfaceName, *err)
	}
	return nil
}

// Do has f run on a thread in the namespace. Sockets that are opened in it belong to the namespace, whoever uses them
// later; what f starts on other goroutines is not in it.
func (n *Namespace) Do(f func() error) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return ErrClosed
	}
	n.mu.Unlock()
	return n.net.do(f)
}

// ListenUDP opens a UDP socket of the operating system's in the namespace.
func (n *Namespace) ListenUDP(local netip.AddrPort) (conn *net.UDPConn, err error) {
	err = n.Do(func() (err error) {
		conn, err = net.ListenUDP(networkOf("udp", local), net.UDPAddrFromAddrPort(local))
		return err
	})
	return conn, err
}

// networkOf is the network of an address: a socket of both families would show those of IPv4 as IPv6.
func networkOf(network string, a netip.AddrPort) string {
	if a.Addr().Is4() {
		return network + "4"
	}
	return network + "6"
}

// ListenTCP listens for connections in the namespace.
func (n *Namespace) ListenTCP(local netip.AddrPort) (l *net.TCPListener, err error) {
	err = n.Do(func() (err error) {
		l, err = net.ListenTCP(networkOf("tcp", local), net.TCPAddrFromAddrPort(local))
		return err
	})
	return l, err
}

// Dial connects from the namespace, to an address or to a name of Config.Hosts.
func (n *Namespace) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("emulator: dial: %w", err)
	}
	to, err := netip.ParseAddr(host)
	if known, ok := n.cfg.Hosts[host]; ok {
		to, err = known, nil
	}
	if err != nil {
		return nil, fmt.Errorf("emulator: dial %s: %q is neither an address nor a name of the lab", address, host)
	}
	err = n.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(to.String(), port)) // one address: on this goroutine
		return err
	})
	return conn, err
}

// Close kills what runs in the namespace and takes it off its site. Sockets that were opened in it stay as they are,
// and reach nobody.
func (n *Namespace) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	var running []*Cmd
	for c := range n.running {
		running = append(running, c)
	}
	n.mu.Unlock()
	for _, c := range running {
		c.Kill()
		<-c.ended
	}
	var errs []error
	for _, f := range n.forwards {
		errs = append(errs, f.end())
	}
	errs = append(errs, n.port.Load().Close(), n.dev.close()) // the core first: it writes to the device
	<-n.read
	n.net.close()
	return errors.Join(errs...)
}
