package media

import (
	"time"

	"github.com/pion/rtp"
)

// eventTimeout without a packet ends an event whose last packets were lost: it is four of
// the usual updates.
const eventTimeout = 4 * eventUpdate

// longestSegment is the duration of all segments of a long event but the last (RFC 4733
// §2.5.1.3).
const longestSegment = 0xFFFF

// incomingEvents is the telephone events of the peer's RTP stream. All packets of an event have
// its timestamp, by which they are known.
type incomingEvents struct {
	known       bool
	open        bool // its end was not heard yet
	ssrc, stamp uint32
	event       uint8
	before      uint32 // duration of earlier segments
	duration    uint16
	heard       time.Time
}

func (e *incomingEvents) timeout() time.Time {
	if !e.open {
		return time.Time{}
	}
	return e.heard.Add(eventTimeout)
}

func (e *incomingEvents) timedOut(now time.Time) bool { return e.open && !now.Before(e.timeout()) }

// take says whether a report is news of the present event, after it was made to be the present
// one if it is of a later one. tell is called for one that is over.
func (e *incomingEvents) take(ssrc, stamp uint32, marker bool, r eventReport, now time.Time, tell func(complete bool)) {
	same := e.known && e.ssrc == ssrc
	switch {
	case same && stamp == e.stamp:
		if !e.open || r.event != e.event {
			return // a copy of its last packet
		}
		e.duration = max(e.duration, r.duration)
	case same && int32(stamp-e.stamp) < 0:
		return // late
	case same && e.open && r.event == e.event && !marker && stamp == e.stamp+longestSegment:
		e.before += longestSegment
		e.stamp, e.duration = stamp, r.duration
	default:
		if e.open {
			tell(false)
		}
		*e = incomingEvents{known: true, open: true, ssrc: ssrc, stamp: stamp, event: r.event, duration: r.duration}
	}
	e.heard = now
	if r.end {
		tell(true)
	}
}

// gotEvents takes a packet of telephone events; s.mu is held.
func (s *Stream) gotEvents(h *rtp.Header, payload []byte, now time.Time) {
	was := s.hearing.open
	stamp := h.Timestamp
	for ; len(payload) > 0; payload = payload[eventSize:] {
		r := readEvent(payload)
		if r.duration != 0 { // of states only, and digits are none (RFC 4733 §2.3.5)
			s.hearing.take(h.SSRC, stamp, h.Marker, r, now, s.tellEvent)
		}
		stamp += uint32(r.duration) // of the next in the packet (RFC 4733 §2.5.1.5)
	}
	if s.hearing.open && !was {
		s.nudge() // for its timeout
	}
}

// tellEvent ends the present event and tells of it, if it is a digit; s.mu is held.
func (s *Stream) tellEvent(complete bool) {
	e := &s.hearing
	e.open = false
	if int(e.event) >= len(dtmfDigits) {
		return
	}
	s.stats.DTMFReceived++
	if s.cfg.OnDTMF != nil {
		units := uint64(e.before) + uint64(e.duration)
		s.cfg.OnDTMF(DTMF{
			Digit: dtmfDigits[e.event], Complete: complete,
			Duration: time.Duration(units * uint64(time.Second) / uint64(s.cfg.ClockRate)),
		})
	}
}

// tellUnended tells of an event of which no more will be heard; s.mu is held.
func (s *Stream) tellUnended() {
	if s.hearing.open {
		s.tellEvent(false)
	}
}
