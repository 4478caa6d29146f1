package media

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reporter decides when RTCP goes out and remembers what the next report
// needs from the ones before.
type reporter struct {
	schedule
	last, next time.Time
	early      bool      // the packet at Start is still to be sent
	packets    [2]uint32 // our RTP count at the last report and the one before
	remoteSR   uint32    // middle 32 bits of the peer's last sender report
	remoteSRAt time.Time
	remoteSRBy uint32 // whose it was
	sentAny    bool
	peer
}

// peer is the other member of the session (RFC 3550 §6.3.3).
type peer struct {
	present bool
	ssrc    uint32
	heard   time.Time // RTP or RTCP
}

// hear is a packet of the peer's.
func (r *reporter) hear(ssrc uint32, now time.Time) {
	r.peer = peer{present: true, ssrc: ssrc, heard: now}
}

func (r *reporter) init(rng *rand.Rand, now time.Time) {
	r.schedule = schedule{members: 1, initial: true, averageSize: guessedSize}
	r.last, r.early = now, true
	r.next = now.Add(r.interval(rng)) // RFC 3550 §6.3.2
}

// left is a BYE: the session shrinks from two to one, and the next report
// moves closer by as much (reverse reconsideration, RFC 3550 §6.3.4), unless it was made up
// when there was nobody yet.
func (r *reporter) left(ssrc uint32, now time.Time) {
	if !r.present || r.ssrc != ssrc {
		return
	}
	r.present = false
	if r.members < 2 {
		return
	}
	r.next = now.Add(r.next.Sub(now) / 2)
	r.last = now.Add(-now.Sub(r.last) / 2)
	r.members = 1
}

// sendReport sends a compound packet if one is due.
func (s *Stream) sendReport() {
	s.mu.Lock()
	b, conn, to := s.dueReport(time.Now())
	s.mu.Unlock()
	if to != nil {
		s.write(conn, b, to)
	}
}

func (s *Stream) dueReport(now time.Time) ([]byte, net.PacketConn, net.Addr) {
	r := &s.report
	if r.early && s.rtcp.addr != nil { // at Start, or as soon as there is somewhere to send it
		r.early = false
		return s.compound(now)
	}
	if now.Before(r.next) {
		return nil, nil, nil
	}
	s.count(now)
	// Timer reconsideration, RFC 3550 §6.3.6.
	if at := r.last.Add(r.interval(s.rng)); at.After(now) {
		r.next = at
		return nil, nil, nil
	}
	r.last, r.initial = now, false
	b, conn, to := s.compound(now)
	r.next = now.Add(r.interval(s.rng))
	return b, conn, to
}

// count brings the numbers of members and senders up to date: there are two
// of us at most (RFC 3550 §6.3.3), and who is silent for long is none (§6.3.5).
func (s *Stream) count(now time.Time) {
	r := &s.report
	r.weSent = s.out.packets != r.packets[1]
	r.members, r.senders = 1, 0
	if r.weSent {
		r.senders++
	}
	if r.present && now.Sub(r.heard) > r.patience() {
		r.present = false
	}
	if r.present {
		r.members++
		if s.in.known && s.in.active() {
			r.senders++
		}
	}
}

// compound makes the next SR or RR with SDES, or nothing when nobody is known
// to send it to.
func (s *Stream) compound(now time.Time, more ...rtcp.Packet) ([]byte, net.PacketConn, net.Addr) {
	if s.rtcp.addr == nil {
		return nil, nil, nil
	}
	r := &s.report
	packets := append([]rtcp.Packet{s.senderOrReceiverReport(now), rtcp.NewCNAMESourceDescription(s.out.ssrc, s.cfg.CNAME)}, more...)
	b, err := rtcp.Marshal(packets)
	if err != nil {
		panic("media: RTCP of our own making does not marshal: " + err.Error())
	}
	r.packets[1], r.packets[0] = r.packets[0], s.out.packets
	r.sized(len(b))
	r.sentAny = true
	s.stats.RTCPSent++
	return b, s.rtcpConn(), s.rtcp.addr
}

// senderOrReceiverReport: SR if RTP was sent since the report before the last
// one, RR otherwise (RFC 3550 §6.4).
func (s *Stream) senderOrReceiverReport(now time.Time) rtcp.Packet {
	blocks := s.receptionReports(now)
	if s.out.packets == s.report.packets[1] {
		return &rtcp.ReceiverReport{SSRC: s.out.ssrc, Reports: blocks}
	}
	return &rtcp.SenderReport{
		SSRC:        s.out.ssrc,
		NTPTime:     ntp(now),
		RTPTime:     s.out.timestamp + rtpUnits(now.Sub(s.start), s.cfg.ClockRate),
		PacketCount: s.out.packets,
		OctetCount:  s.out.octets,
		Reports:     blocks,
	}
}

// receptionReports has one block if RTP came since the last report.
func (s *Stream) receptionReports(now time.Time) []rtcp.ReceptionReport {
	block, ok := s.in.report()
	if !ok {
		return nil
	}
	if r := &s.report; !r.remoteSRAt.IsZero() && r.remoteSRBy == block.SSRC {
		block.LastSenderReport = r.remoteSR
		block.Delay = uint32(now.Sub(r.remoteSRAt) * 65536 / time.Second)
	}
	return []rtcp.ReceptionReport{block}
}

// rtcpConn is the socket RTCP leaves from: the RTP socket when it is the only
// one or when the peer takes both on one address (RFC 5761 §5.1.1).
func (s *Stream) rtcpConn() net.PacketConn {
	if s.cfg.RTCP == nil || s.multiplexed() {
		return s.cfg.RTP
	}
	return s.cfg.RTCP
}

func (s *Stream) multiplexed() bool {
	return s.rtp.signalled.IsValid() && s.rtp.signalled == s.rtcp.signalled
}

// sendBye says goodbye at once, as a session of two may (RFC 3550 §6.3.7),
// and only to somebody who has heard of us.
func (s *Stream) sendBye() {
	s.mu.Lock()
	var b []byte
	var conn net.PacketConn
	var to net.Addr
	if s.report.sentAny {
		b, conn, to = s.compound(time.Now(), &rtcp.Goodbye{Sources: []uint32{s.out.ssrc}})
	}
	s.mu.Unlock()
	if to != nil {
		s.write(conn, b, to)
	}
}

// changeSSRC gives way in an SSRC collision: BYE for the old one, then a new
// one (RFC 3550 §8.2). It returns the BYE for the caller to send unlocked.
func (s *Stream) changeSSRC() ([]byte, net.PacketConn, net.Addr) {
	var b []byte
	var conn net.PacketConn
	var to net.Addr
	if s.report.sentAny {
		b, conn, to = s.compound(time.Now(), &rtcp.Goodbye{Sources: []uint32{s.out.ssrc}})
	}
	s.out.ssrc = s.rng.Uint32()
	s.out.packets, s.out.octets = 0, 0 // RFC 3550 §6.4.1: both start again with the SSRC
	s.report.packets = [2]uint32{}
	return b, conn, to
}

// foreign says whether a packet with our own SSRC from this source is a first
// collision (true) or a loop already known (false).
func (s *Stream) foreign(from netip.AddrPort) bool {
	for _, known := range s.conflicts {
		if known == from {
			return false
		}
	}
	s.conflicts[s.nConflicts%len(s.conflicts)] = from
	s.nConflicts++
	return true
}

var ntpEpoch = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// ntp is a 64-bit NTP timestamp, RFC 3550 §4.
func ntp(t time.Time) uint64 {
	seconds := uint64(t.Unix() - ntpEpoch.Unix())
	return seconds<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// rtpUnits is a duration in timestamp units; it wraps as timestamps do.
func rtpUnits(d time.Duration, rate uint32) uint32 {
	whole, rest := d/time.Second, d%time.Second
	return uint32(int64(whole)*int64(rate) + int64(rest)*int64(rate)/int64(time.Second))
}
