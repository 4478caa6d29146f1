package media

import (
	"net"
	"net/netip"

	"github.com/pion/rtp"

	"github.com/natproof/natproof/internal/push"
)

// listenOn has what comes to a socket handled: by the socket itself, if it pushes, or by a
// goroutine that reads it.
func (s *Stream) listenOn(conn net.PacketConn, carriesRTP bool) {
	var header rtp.Header // its slices are reused
	pushed := func(b []byte, from netip.AddrPort, err error) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return
		}
		s.wg.Add(1)
		if err != nil {
			s.stats.ReadErrors++
		}
		s.mu.Unlock()
		defer s.wg.Done()
		if err == nil {
			s.sort(conn, carriesRTP, b[:min(len(b), readBufferSize)], unmap(from), nil, &header)
		}
	}
	if _, ok := push.To(conn, pushed); !ok {
		s.wg.Go(func() { s.read(conn, carriesRTP) })
	}
}
