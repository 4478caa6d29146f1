package media

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/natproof/natproof/internal/readbuf"
)

// maxReadErrors in a row end a reader: the socket is broken.
const maxReadErrors = 16

// read is the one goroutine that reads a socket.
func (s *Stream) read(conn net.PacketConn, carriesRTP bool) {
	lent := readbuf.Get(readBufferSize)
	defer readbuf.Put(lent)
	buf := *lent
	var header rtp.Header // its slices are reused
	for failures := 0; failures < maxReadErrors; {
		n, addr, err := conn.ReadFrom(buf)
		if err != nil {
			if s.readEnded(err) {
				return
			}
			failures++
			continue
		}
		failures = 0
		s.datagram(conn, carriesRTP, buf[:n], addr, &header)
	}
}

func (s *Stream) readEnded(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || errors.Is(err, net.ErrClosed) {
		return true
	}
	s.stats.ReadErrors++
	return false
}

// datagram tells STUN, RTCP and RTP apart by their first two bytes: RFC 7983
// §7 and RFC 5761 §4. What fills the whole buffer was cut off.
func (s *Stream) datagram(conn net.PacketConn, carriesRTP bool, b []byte, addr net.Addr, header *rtp.Header) {
	from, _ := sourceOf(addr)
	s.sort(conn, carriesRTP, b, from, addr, header)
}

// sort is datagram, with the source known; addr is nil if nobody has made it.
func (s *Stream) sort(conn net.PacketConn, carriesRTP bool, b []byte, from netip.AddrPort, addr net.Addr, header *rtp.Header) {
	if s.cfg.OnPanic != nil {
		defer s.recovered(b, from)
	}
	switch {
	case !from.IsValid() || len(b) == 0 || len(b) == readBufferSize:
		s.malformed()
	case b[0] <= 3 && s.cfg.OnSTUN != nil:
		s.mu.Lock()
		s.stats.STUN++
		s.mu.Unlock()
		if addr == nil {
			addr = net.UDPAddrFromAddrPort(from)
		}
		s.cfg.OnSTUN(b, addr, conn)
	case len(b) < 2 || b[0]>>6 != 2:
		s.malformed()
	case b[1] >= 192 && b[1] <= 223:
		s.gotRTCP(b, from)
	case !carriesRTP:
		s.malformed()
	default:
		s.gotRTP(b, from, header)
	}
}

// recovered is deferred: it ends a panic over a datagram, counts it and tells of it.
func (s *Stream) recovered(b []byte, from netip.AddrPort) {
	if v := recover(); v != nil {
		s.mu.Lock()
		s.stats.Panics++
		s.mu.Unlock()
		s.cfg.OnPanic(v, b, from)
	}
}

func (s *Stream) malformed() {
	s.mu.Lock()
	s.stats.Malformed++
	s.mu.Unlock()
}

func (s *Stream) gotRTP(b []byte, from netip.AddrPort, header *rtp.Header) {
	payload, ok := validRTP(b, header)
	if !ok {
		s.malformed()
		return
	}
	now := time.Now()
	bye, conn, to := s.acceptRTP(header, payload, from, now)
	if to != nil {
		s.write(conn, bye, to)
	}
}

// validRTP is the header check of RFC 3550 A.1 that one packet allows. It returns the payload
// without padding.
func validRTP(b []byte, header *rtp.Header) (payload []byte, ok bool) {
	n, err := header.Unmarshal(b)
	if err != nil {
		return nil, false
	}
	padding := 0
	if header.Padding {
		padding = int(b[len(b)-1])
		if padding == 0 {
			return nil, false
		}
	}
	if n+padding > len(b) {
		return nil, false
	}
	return b[n : len(b)-padding], true
}

// acceptRTP counts a valid packet; what it returns is to be sent.
func (s *Stream) acceptRTP(h *rtp.Header, payload []byte, from netip.AddrPort, now time.Time) (bye []byte, conn net.PacketConn, to net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stats
	isEvent := h.PayloadType == s.cfg.Events.Recv && s.cfg.Events.Recv != 0
	switch {
	case h.PayloadType != s.cfg.PayloadType && !isEvent:
		st.WrongPayload++
		return nil, nil, nil
	case isEvent && !validEvents(payload):
		st.Malformed++
		return nil, nil, nil
	case s.start.IsZero():
		st.RTPEarly++
		return nil, nil, nil
	case s.cfg.Strict && from != s.rtp.signalled:
		st.RTPStrictDropped++
		st.StrictFrom = from
		return nil, nil, nil
	}
	if h.SSRC == s.out.ssrc {
		if !s.foreign(from) {
			st.Looped++
			return nil, nil, nil
		}
		bye, conn, to = s.changeSSRC()
	}
	s.latchRTP(from, now)
	since := now.Sub(s.start)
	s.report.hear(h.SSRC, now)
	s.in.packet(h.SSRC, h.SequenceNumber, h.Timestamp, rtpUnits(since, s.cfg.ClockRate), !isEvent)
	if !s.recv {
		st.RTPHeld++ // it did arrive: no loss to report
		return bye, conn, to
	}
	if st.RTPReceived == 0 {
		st.FirstReceived = since
	}
	st.RTPReceived++
	st.LastReceived, st.LastFrom = since, from
	if isEvent {
		s.gotEvents(h, payload, now)
	}
	return bye, conn, to
}

func (s *Stream) gotRTCP(b []byte, from netip.AddrPort) {
	packets, ok := parseRTCP(b)
	now := time.Now()
	bye, conn, to := s.countRTCP(packets, ok, len(b), from, now)
	if to != nil {
		s.write(conn, bye, to)
	}
}

// countRTCP counts a compound packet; what it returns is to be sent.
func (s *Stream) countRTCP(packets []rtcp.Packet, ok bool, size int, from netip.AddrPort, now time.Time) (bye []byte, conn net.PacketConn, to net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !ok:
		s.stats.Malformed++
	case s.start.IsZero():
		s.stats.RTCPEarly++
	case s.cfg.Strict && from != s.rtcp.signalled:
		s.stats.RTCPStrictDropped++
		s.stats.RTCPStrict = from
	case senderOf(packets) == s.out.ssrc && !s.foreign(from):
		s.stats.Looped++
	default:
		if senderOf(packets) == s.out.ssrc { // RFC 3550 §8.2
			bye, conn, to = s.changeSSRC()
		}
		s.acceptRTCP(packets, size, from, now)
	}
	return bye, conn, to
}

// senderOf is who sent a compound packet, as its report says.
func senderOf(packets []rtcp.Packet) uint32 {
	switch p := packets[0].(type) {
	case *rtcp.SenderReport:
		return p.SSRC
	case *rtcp.ReceiverReport:
		return p.SSRC
	}
	panic("media: a compound packet that begins with neither SR nor RR was taken")
}

// parseRTCP checks a compound packet as RFC 3550 A.2 says: it begins with SR
// or RR without padding, every part has version 2, and the lengths add up.
func parseRTCP(b []byte) ([]rtcp.Packet, bool) {
	const senderReport, receiverReport = 200, 201
	if len(b) < 8 || b[1] != senderReport && b[1] != receiverReport || b[0]&0x20 != 0 {
		return nil, false
	}
	packets, err := rtcp.Unmarshal(b)
	return packets, err == nil
}

func (s *Stream) acceptRTCP(packets []rtcp.Packet, size int, from netip.AddrPort, now time.Time) {
	s.stats.RTCPReceived++
	s.stats.RTCPLastFrom = from
	s.report.sized(size)
	s.report.hear(senderOf(packets), now)
	s.latchRTCP(from, now)
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			s.report.remoteSR, s.report.remoteSRAt, s.report.remoteSRBy = uint32(p.NTPTime>>16), now, p.SSRC
			s.stats.Peer.Packets, s.stats.Peer.Octets = p.PacketCount, p.OctetCount
			s.aboutUs(p.Reports, now)
		case *rtcp.ReceiverReport:
			s.aboutUs(p.Reports, now)
		case *rtcp.SourceDescription:
			s.described(p)
		case *rtcp.Goodbye:
			s.stats.ByesReceived++
			for _, ssrc := range p.Sources {
				s.report.left(ssrc, now)
			}
		}
	}
}

// aboutUs takes the reception report blocks that concern our SSRC.
func (s *Stream) aboutUs(blocks []rtcp.ReceptionReport, now time.Time) {
	for _, b := range blocks {
		if b.SSRC != s.out.ssrc {
			continue
		}
		peer := &s.stats.Peer
		peer.Reports++
		peer.FractionLost = float64(b.FractionLost) / 256
		peer.Lost = int64(int32(b.TotalLost<<8) >> 8) // 24 bits, signed
		peer.HighestSeq = b.LastSequenceNumber
		peer.Jitter = time.Duration(b.Jitter) * time.Second / time.Duration(s.cfg.ClockRate)
		if b.LastSenderReport != 0 { // RFC 3550 §6.4.1: A - LSR - DLSR
			units := uint32(ntp(now)>>16) - b.LastSenderReport - b.Delay
			if units < 1<<31 {
				s.stats.RoundTrip = time.Duration(units) * time.Second / 65536
			}
		}
	}
}

func (s *Stream) described(d *rtcp.SourceDescription) {
	for _, chunk := range d.Chunks {
		for _, item := range chunk.Items {
			if item.Type == rtcp.SDESCNAME {
				s.stats.RemoteCNAME = item.Text
			}
		}
	}
}
