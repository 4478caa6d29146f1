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
	events    outgoingEvents

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

// run is the sender. It waits for one channel, that of the timer: with thousands of streams
// it is what a goroutine touches when it waits and wakes that takes the time.
func (s *Stream) run() {
	if s.cfg.ReadLate && s.tick() {
		s.listen()
	}
	for {
		<-s.timer.C
		if !s.tick() {
			return
		}
	}
}

// tick sends what is due and sets the timer for what is due next. It is false once the sender
// has ended.
func (s *Stream) tick() bool {
	s.sending.Lock()
	defer s.sending.Unlock()
	if s.ended {
		return false
	}
	s.sendDue()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Reset(s.untilNext())
	return true
}

// end sends what is due at this very moment, and nothing after that.
func (s *Stream) end() {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.sendDue()
	s.ended = true
	s.mu.Lock()
	s.out.events.fail(ErrClosed)
	s.tellUnended()
	s.mu.Unlock()
	s.timer.Reset(0)
}

func (s *Stream) sendDue() {
	for s.sendRTP() {
	}
	s.sendReport()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hearing.timedOut(time.Now()) {
		s.tellUnended()
	}
}

// sendRTP sends the next packet that is due and says whether it did.
func (s *Stream) sendRTP() bool {
	packet, to := s.nextRTP(time.Now())
	if to == nil {
		return false
	}
	s.write(s.cfg.RTP, packet, to)
	return true
}

func (s *Stream) nextRTP(now time.Time) ([]byte, net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.out
	elapsed := now.Sub(s.start)
	if !s.sendingRTP() {
		o.paused = true
		o.events.fail(ErrNotSending)
		return nil, nil
	}
	if o.paused {
		// Go on at the next full step: media time went by meanwhile.
		o.next = max(o.next, steps(elapsed, s.cfg.PTime))
		o.paused, o.marker = false, true
	}
	packet, busy := s.nextEvent(now)
	switch {
	case packet != nil:
		return packet, s.rtp.addr
	case busy:
		return nil, nil
	}
	due := uint64(elapsed/s.cfg.PTime) + 1 // packets that should have left by now
	if o.next >= due {
		return nil, nil
	}
	if due-o.next > maxCatchUp {
		o.next, o.marker = due-1, true
	}
	o.header(rtp.Header{
		Marker:      o.marker,
		PayloadType: s.cfg.PayloadType,
		Timestamp:   o.timestamp + uint32(o.next)*s.samples,
	}, o.buf)
	o.next++
	o.marker = false
	o.sent(len(o.buf) - rtpHeaderSize)
	s.stats.RTPSent++
	return o.buf, s.rtp.addr
}

// header completes a header and writes it into a packet.
func (o *outgoing) header(h rtp.Header, packet []byte) {
	h.Version, h.SequenceNumber, h.SSRC = 2, o.seq, o.ssrc
	if _, err := h.MarshalTo(packet); err != nil {
		panic("media: an RTP header without options does not fit 12 bytes: " + err.Error())
	}
}

// sent is a packet with so many octets of payload.
func (o *outgoing) sent(octets int) {
	o.seq++
	o.packets++
	o.octets += uint32(octets)
}

// steps is how many whole packet times cover d.
func steps(d, packetTime time.Duration) uint64 { return uint64((d + packetTime - 1) / packetTime) }

func (s *Stream) sendingRTP() bool { return s.send && !s.cfg.Silent && s.rtp.addr != nil }

// untilNext is how long nothing is due. s.mu is held.
func (s *Stream) untilNext() time.Duration {
	at := s.report.next
	if s.sendingRTP() {
		at = earlier(at, s.rtpAt())
	}
	if end := s.hearing.timeout(); !end.IsZero() {
		at = earlier(at, end)
	}
	return time.Until(at)
}

// rtpAt is when the next RTP packet is due.
func (s *Stream) rtpAt() time.Time {
	if e := &s.out.events; !e.began.IsZero() {
		return e.next
	}
	return s.start.Add(time.Duration(s.out.next) * s.cfg.PTime)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (s *Stream) write(conn net.PacketConn, b []byte, to net.Addr) {
	if _, err := conn.WriteTo(b, to); err != nil {
		s.mu.Lock()
		s.stats.SendErrors++
		s.mu.Unlock()
	}
}
