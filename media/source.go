package media

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	maxDropout  = 3000 // RFC 3550 A.1
	maxMisorder = 100  // RFC 3550 A.1
	window      = 64   // packets in which a duplicate is recognised
)

// source is what is known of the peer's RTP stream (RFC 3550 A.1, A.3, A.8).
// Packets count from the first one: the probation of A.1 guards a mixer
// against strangers, and Config.Strict is the guard here.
type source struct {
	known bool
	ssrc  uint32

	base, highest uint32 // extended sequence numbers
	badSeq        uint32 // where a sender that restarted would go on
	received      uint64
	seen          uint64 // bit i: highest-i has arrived

	timed   bool // a packet with a transit time was received
	transit uint32
	jitter  uint32 // times 16, in timestamp units

	priorExpected, priorReceived uint64 // at the last report
	fraction                     uint8  // lost, of the last report
	priorActive                  uint64 // received at the report before the last

	lostBefore, reordered, duplicates int64 // of streams that ended, and events
}

const noBadSeq = 1 << 16

// begin starts over with a new SSRC or after a jump.
func (c *source) begin(ssrc uint32, seq uint16) {
	lost := c.lostBefore + c.lost()
	*c = source{
		known: true, ssrc: ssrc, badSeq: noBadSeq,
		base: uint32(seq), highest: uint32(seq), seen: 1,
		lostBefore: lost, reordered: c.reordered, duplicates: c.duplicates,
	}
}

// packet takes one RTP packet into account. arrival is in timestamp units. One that is not
// timed has the timestamp of an event and not of its leaving, and says nothing of jitter.
func (c *source) packet(ssrc uint32, seq uint16, timestamp, arrival uint32, timed bool) {
	v := restarted
	if c.known && c.ssrc == ssrc {
		v = c.sequence(seq)
	}
	switch v {
	case restarted:
		c.begin(ssrc, seq)
	case doubtful:
		return
	}
	c.received++
	if timed {
		c.jittered(arrival - timestamp)
	}
}

// What a sequence number says about its packet.
type verdict uint8

const (
	inStream  verdict = iota
	doubtful          // a jump; it counts once the next packet agrees
	restarted         // the sender started over
)

// sequence is update_seq of RFC 3550 A.1.
func (c *source) sequence(seq uint16) verdict {
	delta := seq - uint16(c.highest)
	switch {
	case delta == 0:
		c.duplicates++
	case delta < maxDropout: // ahead, perhaps with a gap
		c.highest += uint32(delta)
		c.seen = c.seen<<delta | 1
	case delta <= 65536-maxMisorder:
		if uint32(seq) == c.badSeq {
			return restarted
		}
		c.badSeq = uint32(seq + 1)
		return doubtful
	default:
		c.late(-delta)
	}
	c.badSeq = noBadSeq
	return inStream
}

// late is a packet back places behind the highest.
func (c *source) late(back uint16) {
	if back < window {
		bit := uint64(1) << back
		if c.seen&bit != 0 {
			c.duplicates++
			return
		}
		c.seen |= bit
	}
	c.reordered++
}

// jittered is RFC 3550 A.8 in its integer form.
func (c *source) jittered(transit uint32) {
	d := int32(transit - c.transit)
	c.transit = transit
	if !c.timed {
		c.timed = true
		return
	}
	if d < 0 {
		d = -d
	}
	c.jitter += uint32(d) - (c.jitter+8)>>4
}

func (c *source) expected() uint64 { return uint64(c.highest-c.base) + 1 }

func (c *source) lost() int64 {
	if !c.known {
		return 0
	}
	return int64(c.expected()) - int64(c.received)
}

// active says whether RTP came since the report before the last one.
func (c *source) active() bool { return c.received != c.priorActive }

// report is the reception report block of RFC 3550 §6.4.1 and A.3, if RTP
// came since the last one.
func (c *source) report() (rtcp.ReceptionReport, bool) {
	c.priorActive = c.priorReceived
	if !c.known || c.received == c.priorReceived {
		return rtcp.ReceptionReport{}, false
	}
	expected, received := c.expected()-c.priorExpected, c.received-c.priorReceived
	c.priorExpected, c.priorReceived = c.expected(), c.received
	c.fraction = 0
	if received < expected {
		c.fraction = uint8((expected - received) << 8 / expected)
	}
	const most, least = 1<<23 - 1, -(1 << 23) // 24 bits, signed
	return rtcp.ReceptionReport{
		SSRC:               c.ssrc,
		FractionLost:       c.fraction,
		TotalLost:          uint32(max(min(c.lost(), most), least)) & 0xFFFFFF,
		LastSequenceNumber: c.highest,
		Jitter:             c.jitter >> 4,
	}, true
}

func (c *source) fill(st *Stats, rate uint32) {
	st.RemoteSSRC, st.HighestSeq = c.ssrc, c.highest
	st.Lost = c.lostBefore + c.lost()
	st.Reordered, st.Duplicates = uint64(c.reordered), uint64(c.duplicates)
	st.FractionLost = float64(c.fraction) / 256
	st.Jitter = time.Duration(c.jitter>>4) * time.Second / time.Duration(rate)
}
