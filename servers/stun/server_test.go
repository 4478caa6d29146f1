package stun_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

func listenUDP(a netip.AddrPort) (net.PacketConn, error) {
	return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
}

// start runs a server on loopback; alternate may be "".
func start(t *testing.T, cfg stun.Config, primary, alternate string) (*stun.Server, []netip.AddrPort) {
	t.Helper()
	var alt netip.AddrPort
	if alternate != "" {
		alt = netip.MustParseAddrPort(alternate)
	}
	conns, err := stun.Listen(listenUDP, netip.MustParseAddrPort(primary), alt)
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("this system has no second loopback address: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var addrs []netip.AddrPort
	for _, c := range conns {
		a, _ := attr.FromNet(c.LocalAddr())
		addrs = append(addrs, a)
	}
	cfg.Conns = conns
	s, err := stun.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, addrs
}

func dial(t *testing.T, opts stunclient.Options) (*stunclient.Conn, netip.AddrPort) {
	t.Helper()
	pc, err := listenUDP(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := stunclient.NewConn(pc, stunclient.ConnConfig{Options: opts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	local, _ := attr.FromNet(pc.LocalAddr())
	return c, local
}

func TestLoopback(t *testing.T) {
	s, at := start(t, stun.Config{}, "127.0.0.1:0", "127.0.0.2:0")
	c, local := dial(t, stunclient.Options{Fingerprint: true})
	for _, tc := range []struct {
		change attr.ChangeRequest
		from   netip.AddrPort
	}{
		{attr.ChangeRequest{}, at[0]},
		{attr.ChangeRequest{Port: true}, at[1]},
		{attr.ChangeRequest{IP: true}, at[2]},
		{attr.ChangeRequest{IP: true, Port: true}, at[3]},
	} {
		for name, call := range map[string]func(context.Context, netip.AddrPort, ...pion.Setter) (stunclient.Response, error){
			"Binding": c.Client().Binding, "Legacy": c.Client().Legacy,
		} {
			r, err := call(t.Context(), at[0], tc.change)
			if err != nil {
				t.Fatalf("%s %+v: %v", name, tc.change, err)
			}
			if r.From != tc.from || r.ResponseOrigin != tc.from || r.OtherAddress != at[3] || r.Address() != local || r.Mapped != local {
				t.Errorf("%s %+v: %+v", name, tc.change, r)
			}
		}
	}
	if _, err := c.Client().Binding(t.Context(), at[2], pion.RawAttribute{Type: 0x7777}); !errors.Is(err, &stunclient.ErrorResponse{Code: 420}) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Client().Binding(t.Context(), at[1], attr.Padding(4), attr.ResponsePort(4)); !errors.Is(err, &stunclient.ErrorResponse{Code: 400}) {
		t.Errorf("got %v", err)
	}
	st := s.Stats()
	if st.Count(stun.Answered) != 4 || st.Count(stun.AnsweredLegacy) != 4 || st.Count(stun.UnknownAttribute) != 1 ||
		st.Count(stun.BadRequest) != 1 || st.Received() != 10 || st.Dropped() != 0 {
		t.Errorf("stats %+v", st)
	}
}

// RESPONSE-PORT: the answer to one socket's question comes to another.
func TestResponsePort(t *testing.T) {
	_, at := start(t, stun.Config{}, "127.0.0.1:0", "")
	asked := make(chan []byte, 1)
	x, local := dial(t, stunclient.Options{Other: func(b []byte, _ netip.AddrPort) { asked <- append([]byte(nil), b...) }})
	y, _ := dial(t, stunclient.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		<-asked
		cancel()
	})
	if _, err := y.Client().Binding(ctx, at[0], attr.ResponsePort(local.Port())); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wg.Wait()
	if x.Client().Stats().Unmatched == 0 {
		t.Error("no answer came to the other socket")
	}
}

func TestSingleAddress(t *testing.T) {
	_, at := start(t, stun.Config{}, "127.0.0.1:0", "")
	c, local := dial(t, stunclient.Options{})
	r, err := c.Client().Binding(t.Context(), at[0])
	if err != nil || r.OtherAddress.IsValid() || r.XORMapped != local || r.ResponseOrigin != at[0] {
		t.Errorf("%+v, %v", r, err)
	}
	var refused *stunclient.ErrorResponse
	if _, err := c.Client().Binding(t.Context(), at[0], attr.ChangeRequest{Port: true}); !errors.As(err, &refused) ||
		refused.Code != 420 || len(refused.Unknown) != 1 || refused.Unknown[0] != pion.AttrChangeRequest {
		t.Errorf("got %v", err)
	}
	if _, err := c.Client().Legacy(t.Context(), at[0]); err != nil {
		t.Error(err)
	}
}

// Padding: requests and answers longer than an Ethernet frame.
func TestPaddingOnTheWire(t *testing.T) {
	_, at := start(t, stun.Config{}, "127.0.0.1:0", "")
	c, _ := dial(t, stunclient.Options{})
	r, err := c.Client().Binding(t.Context(), at[0], attr.Padding(1500))
	if err != nil {
		t.Fatal(err)
	}
	var p attr.Padding
	if err := p.GetFrom(r.Message); err != nil || p != 1500 {
		t.Errorf("%d, %v", p, err)
	}
}

// Rubbish is dropped and counted; the server still serves.
func TestServesAfterRubbish(t *testing.T) {
	s, at := start(t, stun.Config{}, "127.0.0.1:0", "127.0.0.2:0")
	c, _ := dial(t, stunclient.Options{})
	rubbish := [][]byte{{}, make([]byte, 4), make([]byte, 20), make([]byte, 3000), []byte("OPTIONS sip:x SIP/2.0\r\n\r\n"), {0, 1, 0, 0}}
	for _, b := range rubbish {
		for _, a := range at {
			if _, err := c.WriteTo(b, net.UDPAddrFromAddrPort(a)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Client().Indication(at[0]); err != nil {
		t.Fatal(err)
	}
	for _, a := range at { // sockets are read in order: an answer means the rubbish before it was seen
		if _, err := c.Client().Binding(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if want := uint64(len(rubbish) * len(at)); st.Dropped() != want || st.Count(stun.Indication) != 1 {
		t.Errorf("stats %+v, want %d dropped", st, want)
	}
	if st.Count(stun.TooShort) != 12 || st.Count(stun.NotSTUN) != 4 || st.Count(stun.BadLength) != 4 || st.Count(stun.Unsupported) != 4 {
		t.Errorf("stats %+v", st)
	}
}

func TestServeOnceAndClose(t *testing.T) {
	conns, err := stun.Listen(listenUDP, netip.MustParseAddrPort("127.0.0.1:0"), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // before Serve
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Serve(); err != nil {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, _, err := conns[0].ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the socket is open: %v", err)
	}
}

func TestListen(t *testing.T) {
	opened, closed := 0, 0
	taken := map[netip.AddrPort]bool{}
	next := uint16(1000)
	fake := func(a netip.AddrPort) (net.PacketConn, error) {
		if a.Port() == 0 {
			next++
			a = netip.AddrPortFrom(a.Addr(), next)
		}
		if taken[a] {
			return nil, fmt.Errorf("bind %v: %w", a, syscall.EADDRINUSE)
		}
		opened++
		return &faulty{at: a, onClose: func() { closed++ }}, nil
	}
	a1, a2 := netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("192.0.2.2:0")

	taken[netip.MustParseAddrPort("192.0.2.2:1001")] = true // the first choice of ports fails on the second address
	conns, err := stun.Listen(fake, a1, a2)
	if err != nil || len(conns) != 4 {
		t.Fatalf("%v, %v", conns, err)
	}
	for i, want := range []string{"192.0.2.1:1003", "192.0.2.1:1004", "192.0.2.2:1003", "192.0.2.2:1004"} {
		if got := conns[i].LocalAddr().String(); got != want {
			t.Errorf("socket %d at %s, want %s", i, got, want)
		}
	}
	if opened-closed != 4 {
		t.Errorf("%d opened, %d closed", opened, closed)
	}

	for name, ports := range map[string][2]uint16{"fixed ports": {1001, 1002}, "one port twice": {7, 7}} {
		opened, closed = 0, 0
		_, err := stun.Listen(fake, netip.AddrPortFrom(a1.Addr(), ports[0]), netip.AddrPortFrom(a2.Addr(), ports[1]))
		if err == nil || opened != closed {
			t.Errorf("%s: %v, %d opened, %d closed", name, err, opened, closed)
		}
	}
	if _, err := stun.Listen(fake, a1, a1); err == nil {
		t.Error("one address twice: no error")
	}

	broken := errors.New("no such device")
	_, err = stun.Listen(func(netip.AddrPort) (net.PacketConn, error) { return nil, broken }, a1, netip.AddrPort{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// faulty is a socket whose reads and writes fail as told.
type faulty struct {
	net.PacketConn
	at      netip.AddrPort
	reads   chan error // nil: one datagram
	onClose func()
	once    sync.Once
	closed  chan struct{}
}

func (f *faulty) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(f.at) }

func (f *faulty) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case err := <-f.reads:
		m := pion.MustBuild(pion.TransactionID, pion.BindingRequest)
		return copy(b, m.Raw), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.9:9")), err
	case <-f.closed:
		return 0, nil, net.ErrClosed
	}
}

func (f *faulty) WriteTo([]byte, net.Addr) (int, error) { return 0, syscall.ENETUNREACH }

func (f *faulty) Close() error {
	f.once.Do(func() {
		if f.closed != nil {
			close(f.closed)
		}
		if f.onClose != nil {
			f.onClose()
		}
	})
	return nil
}

func TestFailingSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns []net.PacketConn
		for _, a := range []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.2:2"} {
			conns = append(conns, &faulty{at: netip.MustParseAddrPort(a), reads: make(chan error), closed: make(chan struct{})})
		}
		s, err := stun.New(stun.Config{Conns: conns})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		first := conns[0].(*faulty)
		for range 15 { // passing trouble
			first.reads <- syscall.ECONNREFUSED
		}
		first.reads <- nil
		synctest.Wait()
		if err := s.Serve(); !errors.Is(err, stun.ErrServing) {
			t.Errorf("second Serve: %v", err)
		}
		if st := s.Stats(); st.ReadErrors != 15 || st.WriteErrors != 1 || st.Count(stun.Answered) != 1 {
			t.Errorf("stats %+v", st)
		}
		for range 16 { // a socket that is gone takes the server with it
			first.reads <- syscall.EBADF
		}
		if err := <-served; !errors.Is(err, syscall.EBADF) {
			t.Errorf("got %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour) // nothing is left running
	})
}

func Example() {
	listen := func(a netip.AddrPort) (net.PacketConn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
	}
	conns, err := stun.Listen(listen, netip.MustParseAddrPort("127.0.0.1:0"), netip.AddrPort{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	go server.Serve()

	socket, err := listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		fmt.Println(err)
		return
	}
	conn, err := stunclient.NewConn(socket, stunclient.ConnConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	response, err := conn.Client().Binding(context.Background(), conns[0].LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.Address().String() == conn.LocalAddr().String())
	// Output: true
}

// An independent client: pion's.
func TestPionClient(t *testing.T) {
	_, at := start(t, stun.Config{Software: "natproof"}, "127.0.0.1:0", "127.0.0.2:0")
	c, err := pion.Dial("udp4", at[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var failure error
	err = c.Do(pion.MustBuild(pion.TransactionID, pion.BindingRequest, pion.Fingerprint), func(e pion.Event) {
		if failure = e.Error; failure != nil {
			return
		}
		var (
			mapped   pion.MappedAddress
			xor      pion.XORMappedAddress
			origin   pion.ResponseOrigin
			other    pion.OtherAddress
			software pion.Software
		)
		if failure = e.Message.Parse(&mapped, &xor, &origin, &other, &software); failure != nil {
			return
		}
		failure = e.Message.Check(pion.Fingerprint)
		if xor.String() != mapped.String() || origin.String() != at[0].String() || other.String() != at[3].String() || software.String() != "natproof" {
			t.Errorf("%v %v %v %v %v", mapped, xor, origin, other, software)
		}
	})
	if err := errors.Join(err, failure); err != nil {
		t.Fatal(err)
	}
}
