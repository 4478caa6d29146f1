package media

import (
	"math/rand/v2"
	"net"
	"time"

	"github.com/pion/rtp"
)

// maxCatchUp is how many packets in a row make good for a sender that woke
// late; older ones are skipped, as a sound card would have lost them.
const maxCatchUp = 10

// outgoing is our RTP stream. Packet n is due at Start + n*PTime, whenever the
// packets before it really left, so the stream does not drift.
type outgoing struct {
	ssrc      uint32
	seq       uint16
	timestamp uint32 // of packet 0
	next      uint64 // number of the next packet
	paused    bool   // nothing was due last time: silent, on hold, or nowhere to send
	marker    bool   // the next packet begins a talkspurt (RFC 3551 §4.1)
	buf       []byte // header and payload; the sender's alone

	packets, octets uint32 // for sender reports
}

func (o *outgoing) init(cfg Config, rng *rand.Rand) {
	// RFC 3550 §5.1: all three are random.
	o.ssrc, o.seq, o.timestamp = rng.Uint32(), uint16(rng.Uint32()), rng.Uint32()
	o.paused = true
	o.buf = make([]byte, rtpHeaderSize+int(cfg.samples()))
	for i := range o.buf[rtpHeaderSize:] {
		o.buf[rtpHeaderSize+i] = silence(cfg.PayloadType)
	}
}

// silence is the G.711 code of a zero sample.
func silence(payloadType uint8) byte {
	if payloadType == PCMA {
		return 0xD5
	}
	return 0xFF
}

// run is the sender: one timer for whatever is due next.
func (s *Stream) run() {
	defer s.wg.Done()
	defer close(s.senderDone)
	timer := time.NewTimer(0)
	defer timer.Stop()
	if s.cfg.ReadLate {
		s.sendDue()
		s.listen()
	}
	for {
		select {
		case <-timer.C:
		case <-s.wake:
		}
		closed := s.isClosed()
		s.sendDue() // Close at the very instant of a packet: the packet leaves first, always
		if closed {
			return
		}
		timer.Reset(s.untilNext())
	}
}

// sendDue sends what is due: RTP, then a report.
func (s *Stream) sendDue() {
	now := time.Now()
	for {
		s.mu.Lock()
		packet, to := s.nextRTP(now)
		if to == nil {
			break
		}
		s.mu.Unlock()
		s.write(s.cfg.RTP, packet, to)
	}
	packet, conn, to := s.dueReport(now)
	s.mu.Unlock()
	if to != nil {
		s.write(conn, packet, to)
	}
}

// nextRTP is the next packet that is due, if one is. s.mu is held.
func (s *Stream) nextRTP(now time.Time) ([]byte, net.Addr) {
	o := &s.out
	elapsed := now.Sub(s.start)
	if !s.sendingRTP() {
		o.paused = true
		return nil, nil
	}
	if o.paused {
		// Go on at the next full step: media time went by meanwhile.
		o.next = max(o.next, uint64((elapsed+s.cfg.PTime-1)/s.cfg.PTime))
		o.paused, o.marker = false, true
	}
	due := uint64(elapsed/s.cfg.PTime) + 1 // packets that should have left by now
	if o.next >= due {
		return nil, nil
	}
	if due-o.next > maxCatchUp {
		o.next, o.marker = due-1, true
	}
	header := rtp.Header{
		Version:        2,
		Marker:         o.marker,
		PayloadType:    s.cfg.PayloadType,
		SequenceNumber: o.seq,
		Timestamp:      o.timestamp + uint32(o.next)*s.samples,
		SSRC:           o.ssrc,
	}
	if _, err := header.MarshalTo(o.buf); err != nil {
		panic("media: an RTP header without options does not fit 12 bytes: " + err.Error())
	}
	o.seq++
	o.next++
	o.marker = false
	o.packets++
	o.octets += uint32(len(o.buf) - rtpHeaderSize)
	s.stats.RTPSent++
	return o.buf, s.rtp.addr
}

func (s *Stream) sendingRTP() bool { return s.send && !s.cfg.Silent && s.rtp.addr != nil }

// untilNext is how long nothing is due.
func (s *Stream) untilNext() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.report.next
	if s.sendingRTP() {
		if rtpAt := s.start.Add(time.Duration(s.out.next) * s.cfg.PTime); rtpAt.Before(at) {
			at = rtpAt
		}
	}
	return time.Until(at)
}

func (s *Stream) write(conn net.PacketConn, b []byte, to net.Addr) {
	if _, err := conn.WriteTo(b, to); err != nil {
		s.mu.Lock()
		s.stats.SendErrors++
		s.mu.Unlock()
	}
}
