package stun

import (
	"net"
	"net/netip"
	"testing"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/internal/memnet"
)

// A panic over a datagram is its outcome, and the next one is answered.
func TestAPanicIsAnOutcome(t *testing.T) {
	nw := memnet.New()
	var told []string
	conn := nw.Listen("192.0.2.1:3478")
	s, err := New(Config{OnPanic: func(v any, b []byte, from netip.AddrPort) { told = append(told, from.String()) }, Conns: []net.PacketConn{conn}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := pion.MustBuild(pion.BindingRequest, pion.TransactionID)
	src := netip.MustParseAddrPort("192.0.2.9:1")
	addrs := s.grid.addrs
	s.grid.addrs = nil
	s.handle(0, request.Raw, src)
	s.grid.addrs = addrs
	s.handle(0, request.Raw, src)
	if st := s.Stats(); st.Count(Panicked) != 1 || st.Count(Answered) != 1 || st.Received() != 2 || len(told) != 1 || told[0] != src.String() {
		t.Errorf("%+v, told %v", st, told)
	}
	if got := nw.From("192.0.2.1:3478"); len(got) != 1 {
		t.Error(got)
	}
}
