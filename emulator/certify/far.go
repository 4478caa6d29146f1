package certify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// farEnd is who the phone calls, and is called by: a user agent whose media can be sent from
// somewhere else than it says.
type farEnd struct {
	client  *ua.Client
	profile *ua.Profile
	ring    time.Duration // how long it rings, heard all the while; 0 is that it answers at once
	sockets [2]*moving    // RTP and RTCP
	extra   []net.PacketConn

	mu   sync.Mutex
	last *ua.Session
}

// errNoCall is that there is no call to do anything in.
var errNoCall = errors.New("certify: there is no call")

func newFarEnd(host *vnet.Host, proxy netip.AddrPort, seed uint64, ring time.Duration) (*farEnd, error) {
	f := &farEnd{ring: ring}
	listen := func(_ context.Context, at netip.AddrPort) (net.PacketConn, error) {
		conn, err := host.Listen(at)
		if err != nil || at.Port() < cell.RTPPort {
			return conn, err
		}
		return f.sockets[int(at.Port()-cell.RTPPort)%2].take(conn), nil
	}
	for i := range f.sockets {
		f.sockets[i] = &moving{}
	}
	var err error
	if f.client, err = ua.New(ua.Config{
		Listen: listen, LocalAddr: host.Addr(), SIPPort: cell.SIPPort,
		MediaPortMin: cell.RTPPort, MediaPortMax: cell.RTCPPort,
		Seed: seed, OnEvent: f.event, Options: ua.Options{Rport: true},
	}); err != nil {
		return nil, err
	}
	if f.profile, err = f.client.NewProfile(ua.ProfileConfig{
		Account: ua.Account{URI: "sip:b@" + cell.Domain}, Registrar: proxy, RetryBase: time.Hour,
	}); err != nil {
		return nil, errors.Join(err, f.client.Close())
	}
	if err := f.client.Start(context.Background()); err != nil {
		return nil, errors.Join(err, f.client.Close())
	}
	return f, nil
}

func (f *farEnd) event(e ua.Event) {
	s, ok := e.(ua.SessionEvent)
	if !ok {
		return
	}
	if s.State == ua.Incoming || s.State == ua.InProgress {
		f.mu.Lock()
		f.last = s.Session
		f.mu.Unlock()
	}
	if s.State == ua.Incoming {
		go f.answer(s.Session)
	}
}

// answer answers a call. What fails in it is seen on the wire.
func (f *farEnd) answer(s *ua.Session) {
	if f.ring > 0 && s.EarlyMedia(context.Background(), 183) == nil {
		wait := time.NewTimer(f.ring)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-s.Done():
			return
		}
	}
	_ = s.Answer(context.Background())
}

// session is the last call.
func (f *farEnd) session() (*ua.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil {
		return nil, errNoCall
	}
	return f.last, nil
}

func (f *farEnd) call(ctx context.Context, target string) error {
	s, err := f.client.NewSession(f.profile)
	if err == nil {
		err = s.Call(ctx, target)
	}
	return err
}

// in does something in the last call.
func (f *farEnd) in(ctx context.Context, do func(*ua.Session, context.Context) error) error {
	s, err := f.session()
	if err == nil {
		err = do(s, ctx)
	}
	return err
}

// move has media, and its reports, leave from two other ports of a host from now on.
func (f *farEnd) move(host *vnet.Host, port uint16) error {
	for i, s := range f.sockets {
		conn, err := host.Listen(netip.AddrPortFrom(host.Addr(), port+uint16(i)))
		if err != nil {
			return err
		}
		f.extra = append(f.extra, conn)
		s.leaveFrom(conn)
	}
	return nil
}

func (f *farEnd) close() error {
	err := f.client.Close()
	for _, c := range f.extra {
		err = errors.Join(err, c.Close())
	}
	return err
}

// moving is a socket whose packets can be made to leave from another one.
type moving struct {
	net.PacketConn
	mu sync.Mutex
	by net.PacketConn
}

func (m *moving) take(conn net.PacketConn) net.PacketConn {
	m.PacketConn = conn
	return m
}

func (m *moving) leaveFrom(conn net.PacketConn) {
	m.mu.Lock()
	m.by = conn
	m.mu.Unlock()
}

// WriteTo sends from whichever socket it is now.
func (m *moving) WriteTo(b []byte, to net.Addr) (int, error) {
	m.mu.Lock()
	by := m.by
	m.mu.Unlock()
	if by == nil {
		by = m.PacketConn
	}
	return by.WriteTo(b, to)
}
