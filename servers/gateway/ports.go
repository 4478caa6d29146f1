package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// maxPairs is how many port pairs are tried for one call.
const maxPairs = 256

// openMedia opens a pair of sockets, or only the first of it when RTCP is
// multiplexed. Pairs are taken in turn, so that a port that was just given up
// is not used again at once.
func (s *Server) openMedia(mux bool) (rtp, rtcp net.PacketConn, err error) {
	var last error
	for range maxPairs {
		port := s.takePort()
		rtp, err := s.cfg.Listen(netip.AddrPortFrom(s.cfg.MediaAddr, port))
		if err != nil {
			last = err
			continue
		}
		if mux {
			return rtp, nil, nil
		}
		rtcp, err := s.cfg.Listen(netip.AddrPortFrom(s.cfg.MediaAddr, port+1))
		if err != nil {
			last = errors.Join(err, rtp.Close())
			continue
		}
		return rtp, rtcp, nil
	}
	return nil, nil, fmt.Errorf("%w: %v", ErrNoPorts, last)
}

func (s *Server) takePort() uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	port := s.nextPort
	if s.nextPort += 2; s.nextPort >= int(s.cfg.MaxPort) {
		s.nextPort = s.cfg.firstPort()
	}
	return uint16(port)
}

func closeAll(conns ...net.PacketConn) {
	for _, c := range conns {
		if c != nil {
			c.Close() // nothing was sent on it; there is nothing to lose
		}
	}
}

func addrPort(a net.Addr) (netip.AddrPort, error) { return netip.ParseAddrPort(a.String()) }
