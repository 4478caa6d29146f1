package stunclient_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient"
)

// pipe is a net.PacketConn in memory: what is put into it is read from it, and
// what is written to it goes to a wire.
type pipe struct {
	*wire
	in     chan []byte
	errs   chan error
	from   net.Addr
	once   sync.Once
	closed chan struct{}
	wrote  time.Time // write deadline
}

func newPipe() *pipe {
	return &pipe{wire: newWire(), in: make(chan []byte), errs: make(chan error), from: udp(server), closed: make(chan struct{})}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.in:
		return copy(b, d), p.from, nil
	case err := <-p.errs:
		return 0, nil, err
	case <-p.closed:
		return 0, nil, &net.OpError{Op: "read", Err: net.ErrClosed}
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipe) SetDeadline(time.Time) error        { panic("not used") }
func (p *pipe) SetReadDeadline(time.Time) error    { panic("not used") }
func (p *pipe) SetWriteDeadline(t time.Time) error { p.wrote = t; return nil }

func newConn(t *testing.T, cfg stunclient.ConnConfig) (*stunclient.Conn, *pipe) {
	t.Helper()
	p := newPipe()
	c, err := stunclient.NewConn(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func TestConnSortsSTUNOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newConn(t, stunclient.ConnConfig{})
		defer c.Close()
		p.hook = func(_ int, b []byte) {
			go func() {
				p.in <- []byte("before")
				p.in <- success(b)
				p.in <- []byte("after")
			}()
		}
		r, err := c.Client().Binding(t.Context(), server)
		if err != nil || r.Address() != mapped || r.From != server {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, want := range []string{"before", "after"} {
			b := make([]byte, 100)
			n, from, err := c.ReadFrom(b)
			if err != nil || string(b[:n]) != want || from.String() != server.String() {
				t.Errorf("%q %v %v", b[:n], from, err)
			}
		}
	})
}

func TestConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newConn(t, stunclient.ConnConfig{})
		defer c.Close()
		start := time.Now()
		read := func(wantErr error, after time.Duration) {
			t.Helper()
			_, _, err := c.ReadFrom(make([]byte, 10))
			if !errors.Is(err, wantErr) {
				t.Errorf("got %v, want %v", err, wantErr)
			}
			if got := time.Since(start); got != after {
				t.Errorf("after %v, want %v", got, after)
			}
		}
		must(t, c.SetReadDeadline(start.Add(time.Second)))
		read(os.ErrDeadlineExceeded, time.Second)
		read(os.ErrDeadlineExceeded, time.Second) // it stays passed
		_, _, err := c.ReadFrom(nil)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v is no timeout", err)
		}

		// A later one, set while a read waits.
		must(t, c.SetReadDeadline(time.Time{}))
		time.AfterFunc(time.Second, func() { must(t, c.SetReadDeadline(start.Add(5*time.Second))) })
		read(os.ErrDeadlineExceeded, 5*time.Second)

		// Put off, then none.
		must(t, c.SetReadDeadline(start.Add(6*time.Second)))
		must(t, c.SetReadDeadline(start.Add(8*time.Second)))
		must(t, c.SetReadDeadline(time.Time{}))
		time.AfterFunc(5*time.Second, func() { p.in <- []byte("x") })
		read(nil, 10*time.Second)

		// One that has passed ends a read that waits.
		time.AfterFunc(time.Second, func() { must(t, c.SetReadDeadline(start)) })
		read(os.ErrDeadlineExceeded, 11*time.Second)

		// STUN is not affected, writing has the socket's own.
		p.hook = func(_ int, b []byte) { go func() { p.in <- success(b) }() }
		if _, err := c.Client().Binding(t.Context(), server); err != nil {
			t.Error(err)
		}
		at := start.Add(time.Hour)
		must(t, c.SetDeadline(at))
		if !p.wrote.Equal(at) {
			t.Errorf("write deadline %v", p.wrote)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestConnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newConn(t, stunclient.ConnConfig{})
		errs := make(chan error, 2)
		go func() { _, _, err := c.ReadFrom(make([]byte, 1)); errs <- err }()
		go func() { _, err := c.Client().Binding(t.Context(), server); errs <- err }()
		synctest.Wait()
		must(t, c.Close())
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("waiting: %v", err)
			}
		}
		if _, _, err := c.ReadFrom(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		for name, err := range map[string]error{"second close": c.Close(), "set": c.SetReadDeadline(time.Now())} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		select {
		case <-p.closed:
		default:
			t.Error("the socket is open")
		}
	})
}

func TestConnReadErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newConn(t, stunclient.ConnConfig{})
		defer c.Close()
		refused := errors.New("connection refused")
		for range 15 { // passing trouble is not passed on
			p.errs <- refused
		}
		p.in <- []byte("still here")
		b := make([]byte, 100)
		if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "still here" {
			t.Errorf("%q, %v", b[:n], err)
		}
		p.in <- []byte("last words")
		for range 16 {
			p.errs <- refused
		}
		synctest.Wait()
		if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "last words" {
			t.Errorf("%q, %v", b[:n], err)
		}
		if _, _, err := c.ReadFrom(b); !errors.Is(err, refused) {
			t.Errorf("read: %v", err)
		}
		if _, err := c.Client().Binding(t.Context(), server); !errors.Is(err, net.ErrClosed) {
			t.Errorf("binding: %v", err)
		}
	})
}

func TestConnQueueOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := newConn(t, stunclient.ConnConfig{Queue: 2, ReadSize: 3})
		defer c.Close()
		for range 5 {
			p.in <- []byte("datagram")
		}
		synctest.Wait()
		if got := c.Dropped(); got != 3 {
			t.Errorf("dropped %d, want 3", got)
		}
		b := make([]byte, 100)
		if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "dat" {
			t.Errorf("%q, %v", b[:n], err)
		}
	})
}

func TestNewConnRefuses(t *testing.T) {
	for _, cfg := range []stunclient.ConnConfig{
		{ReadSize: -1}, {Queue: -1}, {Options: stunclient.Options{Rc: -1}},
	} {
		if _, err := stunclient.NewConn(newPipe(), cfg); err == nil || !strings.HasPrefix(err.Error(), "stunclient: ") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestConnOnRealSockets(t *testing.T) {
	listen := func() net.PacketConn {
		pc, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
		if err != nil {
			t.Skipf("no loopback: %v", err)
		}
		return pc
	}
	a, err := stunclient.NewConn(listen(), stunclient.ConnConfig{})
	must(t, err)
	defer a.Close()
	b := listen()
	defer b.Close()
	go func() { // a server that says something first
		buf := make([]byte, 1500)
		n, from, err := b.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = b.WriteTo([]byte("hello"), from)
		_, _ = b.WriteTo(success(buf[:n]), from)
	}()
	to := b.LocalAddr().(*net.UDPAddr).AddrPort()
	r, err := a.Client().Binding(t.Context(), to)
	if err != nil || r.Address() != mapped {
		t.Fatalf("%+v, %v", r, err)
	}
	buf := make([]byte, 100)
	if n, from, err := a.ReadFrom(buf); err != nil || string(buf[:n]) != "hello" || from.String() != to.String() {
		t.Errorf("%q %v %v", buf[:n], from, err)
	}
	if _, err := a.WriteTo([]byte("bye"), b.LocalAddr()); err != nil {
		t.Error(err)
	}
}

func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := stunclient.New(w, stunclient.Options{Rand: seeded()})
		now := mapped
		w.hook = func(n int, b []byte) {
			if n == 6 {
				now = other
			}
			c.Handle(reply(b, pion.BindingSuccess, xorMapped(now)), udp(server))
		}
		err := c.Keepalive(t.Context(), stunclient.Keepalive{Server: server})
		if !errors.Is(err, stunclient.ErrMappingChanged) || !strings.Contains(err.Error(), "from 198.51.100.1:40000 to 192.0.2.11:3479") {
			t.Errorf("got %v", err)
		}
		_, times := w.sends()
		gaps := map[time.Duration]bool{}
		for i := 1; i < len(times); i++ {
			gap := times[i] - times[i-1]
			gaps[gap] = true
			if gap < 24*time.Second || gap > 29*time.Second {
				t.Errorf("gap of %v", gap)
			}
		}
		if len(times) != 6 || times[0] != 0 || len(gaps) != 5 {
			t.Errorf("sent at %v", times)
		}
	})
}

func TestKeepaliveEnds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		k      stunclient.Keepalive
		answer bool
		closes bool
		want   error
		sends  []time.Duration
	}{
		{name: "indications until the context ends", k: stunclient.Keepalive{Server: server, Indications: true, Min: 10 * time.Second, Max: 10 * time.Second},
			want: context.DeadlineExceeded, sends: ms(0, 10000, 20000, 30000, 40000, 50000)},
		{name: "closed", k: stunclient.Keepalive{Server: server, Min: 40 * time.Second, Max: 40 * time.Second}, answer: true, closes: true,
			want: net.ErrClosed, sends: ms(0)},
		{name: "not the mapping that was expected", k: stunclient.Keepalive{Server: server, Mapped: other}, answer: true,
			want: stunclient.ErrMappingChanged, sends: ms(0)},
		{name: "server gone", k: stunclient.Keepalive{Server: server}, want: stunclient.ErrTimeout, sends: ms(0, 500, 1500, 3500, 7500, 15500, 31500)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				c := stunclient.New(w, stunclient.Options{Rand: seeded()})
				w.hook = func(_ int, b []byte) {
					if tc.answer {
						c.Handle(success(b), udp(server))
					}
				}
				if tc.closes {
					time.AfterFunc(15*time.Second, func() { c.Close() })
				}
				ctx, cancel := context.WithTimeout(t.Context(), 55*time.Second)
				defer cancel()
				if err := c.Keepalive(ctx, tc.k); !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				if _, times := w.sends(); !slices.Equal(times, tc.sends) {
					t.Errorf("sent at %v, want %v", times, tc.sends)
				}
			})
		})
	}
}

func TestKeepaliveRefuses(t *testing.T) {
	c := stunclient.New(newWire(), stunclient.Options{Rand: bytes.NewReader(nil)})
	for _, k := range []stunclient.Keepalive{{Min: time.Second}, {Max: time.Second}, {Min: 2, Max: 1}, {Min: -1, Max: 1}} {
		if err := c.Keepalive(t.Context(), k); err == nil || !strings.Contains(err.Error(), "want 0 < Min <= Max") {
			t.Errorf("%+v: %v", k, err)
		}
	}
}
