package gateway

import (
	"net"

	"github.com/emiago/sipgo/sip"
)

// socket is the SIP socket as sipgo reads it.
//
// When a read fails sipgo forgets which connection belongs to which source,
// and a request that is still being handled would make it open an operating
// system socket of its own to answer by. So the last thing that happens on the
// reading goroutine is to leave, for every source, a connection that is closed.
type socket struct {
	net.PacketConn
	failed func()
}

func (s socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.PacketConn.ReadFrom(b)
	if err != nil {
		s.failed()
	}
	return n, from, err
}

// seal runs on the reading goroutine, as filter does: s.sources needs no lock.
func (s *Server) seal() {
	pool := s.ua.TransportLayer().Pool("udp")
	pool.Add(s.local.String(), closedConnection{s.conn.LocalAddr()})
	for source := range s.sources {
		pool.Add(source, closedConnection{s.conn.LocalAddr()})
	}
}

// closedConnection is a sip.Connection that nothing can be sent on.
type closedConnection struct{ local net.Addr }

func (c closedConnection) LocalAddr() net.Addr        { return c.local }
func (c closedConnection) WriteMsg(sip.Message) error { return net.ErrClosed }
func (c closedConnection) Ref(int) int                { return 1 }
func (c closedConnection) TryClose() (int, error)     { return 1, nil }
func (c closedConnection) Close() error               { return nil }
