package ua

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/natproof/natproof/internal/push"
	"github.com/natproof/natproof/internal/readbuf"
	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// looksLikeSTUN tells STUN from what else may share the port (RFC 7983 section 7).
func looksLikeSTUN(b []byte) bool { return sipmsg.KindOf(b) == sipmsg.STUN }

// maxReadFailures in a row end a reader: the socket is broken.
const maxReadFailures = 16

// port is a bound socket with the STUN handlers that port managers put on it.
type port struct {
	conn  net.PacketConn
	local netip.AddrPort
	addr  net.Addr
	sock  *sipstack.Socket // SIP

	mu       sync.Mutex
	handlers []*stunHandler
	onFirst  func() // called when there is a first handler
}

type stunHandler struct{ f func(b []byte, from net.Addr) }

func newPort(conn net.PacketConn) (*port, error) {
	local := sipmsg.AddrPort(conn.LocalAddr())
	if !local.IsValid() || local.Addr().IsUnspecified() || local.Port() == 0 {
		return nil, errors.New("the socket has no concrete local address: " + conn.LocalAddr().String())
	}
	return &port{conn: conn, local: local, addr: conn.LocalAddr()}, nil
}

func (p *port) Internal() netip.AddrPort { return p.local }
func (p *port) LocalAddr() net.Addr      { return p.addr }

func (p *port) WriteTo(b []byte, to net.Addr) (int, error) { return p.conn.WriteTo(b, to) }

func (p *port) send(b []byte, to netip.AddrPort) error {
	_, err := p.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}

func (p *port) OnSTUN(f func(b []byte, from net.Addr)) (remove func()) {
	h := &stunHandler{f}
	p.mu.Lock()
	p.handlers = append(p.handlers, h)
	first := p.onFirst
	p.onFirst = nil
	p.mu.Unlock()
	if first != nil {
		first()
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.handlers = slices.DeleteFunc(slices.Clone(p.handlers), func(o *stunHandler) bool { return o == h })
	}
}

// gotSTUN hands a message to every handler and says whether there was one.
func (p *port) gotSTUN(b []byte, from net.Addr) bool {
	p.mu.Lock()
	handlers := p.handlers // never changed in place
	p.mu.Unlock()
	for _, h := range handlers {
		h.f(b, from)
	}
	return len(handlers) > 0
}

// readResult is what a reader should do after ReadFrom.
type readResult uint8

const (
	readOK readResult = iota
	readOversize
	readFailed
	readEnded
)

// classify says what ReadFrom into a buffer of size bytes came to. A datagram that fills
// the whole buffer was cut off or might have been.
func classify(n, size int, err error) readResult {
	switch {
	case errors.Is(err, net.ErrClosed):
		return readEnded
	case errors.Is(err, io.ErrShortBuffer), err == nil && n == size:
		return readOversize
	case err != nil:
		return readFailed
	}
	return readOK
}

// mediaPort is a socket for RTP or RTCP. Until a media stream takes it over nobody reads
// it, except that the first STUN handler starts a reader of its own.
type mediaPort struct {
	*port
	ctr     *counters
	mu      sync.Mutex
	taken   bool
	reader  chan struct{} // closed when the reader has ended; nil if there is none
	pushing bool          // the socket needs none
}

// maxMediaDatagram is more than any STUN message and any packet of audio.
const maxMediaDatagram = 2048

func newMediaPort(conn net.PacketConn, ctr *counters) (*mediaPort, error) {
	p, err := newPort(conn)
	if err != nil {
		return nil, err
	}
	m := &mediaPort{port: p, ctr: ctr}
	p.onFirst = m.startReader
	return m, nil
}

func (m *mediaPort) startReader() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taken || m.reader != nil || m.pushing {
		return
	}
	if _, m.pushing = push.To(m.conn, m.pushed); m.pushing {
		return
	}
	m.reader = make(chan struct{})
	go m.read(m.reader)
}

// pushed handles what a socket pushes.
func (m *mediaPort) pushed(b []byte, from netip.AddrPort, err error) {
	switch {
	case err != nil:
		m.ctr.readErrors.Add(1)
	case len(b) >= maxMediaDatagram:
		m.ctr.oversize.Add(1)
	case !looksLikeSTUN(b) || !m.gotSTUN(b, net.UDPAddrFromAddrPort(from)):
		m.ctr.earlyMedia.Add(1)
	}
}

func (m *mediaPort) read(ended chan<- struct{}) {
	defer close(ended)
	lent := readbuf.Get(maxMediaDatagram)
	defer readbuf.Put(lent)
	buf := *lent
	for failures := 0; failures < maxReadFailures; {
		n, from, err := m.conn.ReadFrom(buf)
		switch classify(n, len(buf), err) {
		case readOK:
			failures = 0
			if !looksLikeSTUN(buf[:n]) || !m.gotSTUN(buf[:n], from) {
				m.ctr.earlyMedia.Add(1)
			}
		case readOversize:
			m.ctr.oversize.Add(1)
		case readFailed:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			m.ctr.readErrors.Add(1)
			failures++
		case readEnded:
			return
		}
	}
}

// take stops the reader and gives the socket away.
func (m *mediaPort) take() net.PacketConn {
	m.stop(false)
	return m.conn
}

// close closes the socket if nobody took it.
func (m *mediaPort) close() { m.stop(true) }

func (m *mediaPort) stop(closing bool) {
	m.mu.Lock()
	if m.taken {
		m.mu.Unlock()
		return
	}
	m.taken = true
	reader, pushing := m.reader, m.pushing
	m.mu.Unlock()
	if closing {
		_ = m.conn.Close()
	}
	if pushing && !closing {
		push.To(m.conn, nil)
	}
	if reader == nil {
		return
	}
	if !closing {
		_ = m.conn.SetReadDeadline(time.Unix(1, 0))
	}
	<-reader
	if !closing {
		_ = m.conn.SetReadDeadline(time.Time{})
	}
}
