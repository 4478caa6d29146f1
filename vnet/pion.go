package vnet

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v3"
	pion "github.com/pion/transport/v3/vnet"
)

// pionMu guards what pion keeps in package variables without a lock (the MAC
// address counter that NewNet and NewRouter step), so labs can be built side by side.
var pionMu sync.Mutex

// pionNet is the local network of a site of kind Pion: one pion router with a pion Net for
// each host. What is for a host goes into the router and arrives through it.
//
// pion offers no way to put a packet with a foreign source into a router, but a conn sends from
// the address that its LocalAddr points to: the injector is a pion host whose one conn takes on
// the address of whoever has sent.
type pionNet struct {
	router   *pion.Router
	injector *pion.Net
	own      netip.Addr        // the injector's
	speaker  transport.UDPConn // nil until something is sent
	speaks   netip.AddrPort    // whose address it has taken on
}

// noPort is what the speaker is bound to: no datagram can be for it.
const noPort = 1 << 16

// newPionNet makes and starts the router of a prefix, whose first address is the injector's.
func newPionNet(name string, prefix netip.Prefix) (*pionNet, error) {
	pionMu.Lock()
	defer pionMu.Unlock()
	router, err := pion.NewRouter(&pion.RouterConfig{Name: name, CIDR: prefix.String(), LoggerFactory: silence{}})
	if err != nil {
		return nil, err
	}
	n, err := inject(router, prefix.Addr().Next())
	if err != nil {
		return nil, err
	}
	return n, router.Start()
}

// inject adds an injector to a router.
func inject(router *pion.Router, own netip.Addr) (*pionNet, error) {
	injector, err := pion.NewNet(&pion.NetConfig{StaticIPs: []string{own.String()}})
	if err != nil {
		return nil, err
	}
	if err := router.AddNet(injector); err != nil {
		return nil, err
	}
	return &pionNet{router: router, injector: injector, own: own}, nil
}

// addHost joins a pion host with those addresses to the router.
func (n *pionNet) addHost(addrs []netip.Addr) (*pion.Net, error) {
	ips := make([]string, len(addrs))
	for i, a := range addrs {
		ips[i] = a.String()
	}
	pionMu.Lock()
	host, err := pion.NewNet(&pion.NetConfig{StaticIPs: ips})
	pionMu.Unlock()
	if err != nil {
		return nil, err
	}
	return host, n.router.AddNet(host)
}

// send puts a datagram into the router, as from its source.
func (n *pionNet) send(p *packet, to *net.UDPAddr) error {
	conn, err := n.speakAs(p.np.Src)
	if err != nil {
		return err
	}
	_, err = conn.WriteTo(p.payload, to)
	return err
}

// speakAs is the conn that sends, as from that address.
func (n *pionNet) speakAs(a netip.AddrPort) (transport.UDPConn, error) {
	if n.speaker == nil {
		conn, err := n.injector.ListenUDP("udp4", &net.UDPAddr{IP: n.own.AsSlice(), Port: noPort})
		if err != nil {
			return nil, err
		}
		n.speaker = conn
	}
	if a != n.speaks {
		as := n.speaker.LocalAddr().(*net.UDPAddr)
		as.IP, as.Port = a.Addr().AsSlice(), int(a.Port()) // a new slice: what was sent before keeps its own
		n.speaks = a
	}
	return n.speaker, nil
}

// leave closes what the injector has opened.
func (n *pionNet) leave() error {
	if n.speaker == nil {
		return nil
	}
	return n.speaker.Close()
}

// pionBox is the mailbox of a socket on a pion host. The datagrams wait in pion's queue; what
// is kept here is what pion does not promise: closed sockets and deadlines as the operating
// system has them, a queue that is counted.
type pionBox struct {
	net   *pionNet
	addr  *net.UDPAddr
	inner transport.UDPConn

	mu sync.Mutex
	room
	sizes    []int // of the datagrams in pion's queue, oldest first
	deadline time.Time
	err      error
	closed   bool
}

// listen opens a socket on a pion host.
func (n *pionNet) listen(host *pion.Net, local netip.AddrPort) (mailbox, error) {
	addr := net.UDPAddrFromAddrPort(local)
	inner, err := host.ListenUDP("udp4", addr)
	if err != nil {
		return nil, err
	}
	return &pionBox{net: n, addr: addr, inner: inner}, nil
}

func (b *pionBox) put(p *packet) (string, bool) {
	b.mu.Lock()
	why, ok := b.take(len(p.payload))
	if ok {
		b.sizes = append(b.sizes, len(p.payload))
	}
	b.mu.Unlock()
	if !ok {
		return why, false
	}
	if err := b.net.send(p, b.addr); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sizes = b.sizes[:len(b.sizes)-1]
		b.leave(len(p.payload))
		return err.Error(), false
	}
	return "", true
}

// taken counts the datagram that pion has just handed over.
func (b *pionBox) taken() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sizes) > 0 {
		b.leave(b.sizes[0])
		b.sizes = append(b.sizes[:0], b.sizes[1:]...)
	}
}

func (b *pionBox) read(to []byte) (int, netip.AddrPort, error) {
	for {
		if err := b.over(); err != nil {
			return 0, netip.AddrPort{}, err
		}
		n, from, err := b.inner.ReadFrom(to)
		if from, ok := from.(*net.UDPAddr); ok { // the error, if any, is that it was cut off
			b.taken()
			return n, fromUDPAddr(from), nil
		}
		if why := b.closedOr(err); !isTimeout(err) {
			return 0, netip.AddrPort{}, why
		}
	}
}

// over is why a read ends without a datagram.
func (b *pionBox) over() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return net.ErrClosed
	case b.err != nil:
		return b.pending()
	case !b.deadline.IsZero() && !time.Now().Before(b.deadline):
		_ = b.inner.SetReadDeadline(time.Unix(0, 0)) // pion's timer fires once; wake the next reader too
		return os.ErrDeadlineExceeded
	}
	return nil
}

// closedOr is the error of a read, or that the socket is closed.
func (b *pionBox) closedOr(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return net.ErrClosed
	}
	return err
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

func (b *pionBox) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.datagrams
}

func (b *pionBox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	_ = b.inner.SetReadDeadline(time.Unix(0, 0))
}

func (b *pionBox) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pending()
}

// pending takes the error that waits, if one does. b.mu is held.
func (b *pionBox) pending() error {
	err := b.err
	if b.err = nil; err != nil {
		_ = b.inner.SetReadDeadline(b.deadline)
	}
	return err
}

func (b *pionBox) setLimit(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = bytes
}

func (b *pionBox) setDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadline = t
	_ = b.inner.SetReadDeadline(t)
}

func (b *pionBox) close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return b.inner.Close()
}

// silence is a logger factory that says nothing: the trace says it better.
type silence struct{}

func (silence) NewLogger(string) logging.LeveledLogger { return silence{} }

func (silence) Trace(string)          {}
func (silence) Tracef(string, ...any) {}
func (silence) Debug(string)          {}
func (silence) Debugf(string, ...any) {}
func (silence) Info(string)           {}
func (silence) Infof(string, ...any)  {}
func (silence) Warn(string)           {}
func (silence) Warnf(string, ...any)  {}
func (silence) Error(string)          {}
func (silence) Errorf(string, ...any) {}
