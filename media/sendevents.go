package media

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pion/rtp"
)

const (
	eventUpdate    = 50 * time.Millisecond // between the packets of an event (RFC 4733 §2.5.1.2)
	eventEnds      = 3                     // how often the last one is sent (RFC 4733 §2.5.1.4)
	defaultDigit   = 100 * time.Millisecond
	shortestDigit  = 40 * time.Millisecond
	longestDigit   = 8 * time.Second // longer ones would need segments (RFC 4733 §2.5.1.3)
	eventPacketLen = rtpHeaderSize + eventSize
)

// dialing is digits that somebody waits to be sent.
type dialing struct {
	digits   []uint8 // event codes, those sent are gone
	duration time.Duration
	done     chan error
}

// outgoingEvents is the telephone events of our RTP stream. They take the place of audio: as
// long as there are any, none is sent.
type outgoingEvents struct {
	waiting []*dialing // the first is under way
	began   time.Time  // the present event; zero if there is none
	next    time.Time  // its next packet
	stamp   uint32     // its RTP timestamp
	first   bool       // no packet of it was sent yet
	ends    int        // how many last packets were sent
	buf     [eventPacketLen]byte
}

// SendDTMF sends digits, each of a duration from 40 ms to 8 s, 0 being 100 ms, as telephone
// events (RFC 4733), and returns once the last packet of the last one has left. Between two
// digits there is a pause of at least 100 ms. Audio is not sent meanwhile. Digits of several
// calls go out in the order of the calls.
//
// ErrNoEvents says that the peer does not take them, ErrNotSending that the stream is Silent, on
// hold, or has no address to send to, now or before the end. When ctx ends, a digit that has
// begun is finished and no other is begun.
func (s *Stream) SendDTMF(ctx context.Context, digits string, duration time.Duration) error {
	if duration == 0 {
		duration = defaultDigit
	}
	d, err := s.dial(digits, duration)
	if err != nil || d == nil {
		return err
	}
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case err := <-d.done:
		return err
	default:
		s.out.events.withdraw(d)
		return fmt.Errorf("media: digits: %w", context.Cause(ctx))
	}
}

// dial has digits sent; nil is that there are none.
func (s *Stream) dial(digits string, duration time.Duration) (*dialing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case duration < shortestDigit || duration > longestDigit || uint64(duration)*uint64(s.cfg.ClockRate)/uint64(time.Second) > 0xFFFF:
		return nil, fmt.Errorf("%w: a duration of %v", ErrDTMF, duration)
	case s.cfg.Events.Send == 0:
		return nil, ErrNoEvents
	case s.start.IsZero() || !s.sendingRTP():
		return nil, ErrNotSending
	}
	d := &dialing{duration: duration, done: make(chan error, 1)}
	for _, digit := range []byte(strings.ToUpper(digits)) {
		code := strings.IndexByte(dtmfDigits, digit)
		switch {
		case code < 0:
			return nil, fmt.Errorf("%w: %q is no digit", ErrDTMF, digit)
		case !s.cfg.Events.Accepts.Has(digit):
			return nil, fmt.Errorf("%w: not %q", ErrNoEvents, digit)
		}
		d.digits = append(d.digits, uint8(code))
	}
	if len(d.digits) == 0 {
		return nil, nil
	}
	s.out.events.waiting = append(s.out.events.waiting, d)
	s.nudge()
	return d, nil
}

// withdraw takes back what of d has not begun.
func (e *outgoingEvents) withdraw(d *dialing) {
	if !e.began.IsZero() && e.waiting[0] == d {
		d.digits = d.digits[:1]
		return
	}
	for i, w := range e.waiting {
		if w == d {
			e.waiting = append(e.waiting[:i], e.waiting[i+1:]...)
			return
		}
	}
}

// fail ends all digits, begun or not.
func (e *outgoingEvents) fail(err error) {
	for _, d := range e.waiting {
		d.done <- err
	}
	e.waiting, e.began = nil, time.Time{} // buf may be on its way still
}

// finished is the end of an event.
func (e *outgoingEvents) finished() {
	e.began = time.Time{}
	d := e.waiting[0]
	if d.digits = d.digits[1:]; len(d.digits) == 0 {
		d.done <- nil
		e.waiting = e.waiting[1:]
	}
}

// nextEvent is the packet of an event that is due, nil if none is; busy says that it is not
// the time of audio. What leaves at a moment covers the PTime from then on, as audio does, so
// no packet has a duration of 0, which would be a state (RFC 4733 §2.3.5). s.mu is held.
func (s *Stream) nextEvent(now time.Time) (packet []byte, busy bool) {
	e := &s.out.events
	if e.began.IsZero() {
		if len(e.waiting) == 0 || s.out.next != uint64(now.Sub(s.start)/s.cfg.PTime) { // not on a step of audio, or audio is behind
			return nil, false
		}
		e.began = s.start.Add(time.Duration(s.out.next) * s.cfg.PTime)
		e.next, e.ends, e.first = e.began, 0, true
		e.stamp = s.out.timestamp + uint32(s.out.next)*s.samples
	}
	if now.Before(e.next) {
		return nil, true
	}
	d := e.waiting[0]
	lasted := min(now.Sub(e.began)+s.cfg.PTime, d.duration)
	report := eventReport{event: d.digits[0], end: lasted == d.duration, duration: uint16(rtpUnits(lasted, s.cfg.ClockRate))}
	packet = s.eventPacket(report)
	switch {
	case !report.end:
		last := e.began.Add(d.duration - s.cfg.PTime)
		e.next = now.Add(min(eventUpdate, last.Sub(now)))
	case e.ends+1 < eventEnds:
		e.ends++
		e.next = now.Add(eventUpdate)
	default:
		e.finished()
		s.stats.DTMFSent++
		s.out.next = steps(now.Sub(s.start)+s.cfg.PTime, s.cfg.PTime)
		s.out.marker = true
	}
	return packet, true
}

// eventPacket is a packet of the present event; the marker says that it is the first (RFC
// 4733 §2.2.2).
func (s *Stream) eventPacket(report eventReport) []byte {
	o := &s.out
	o.header(rtp.Header{Marker: o.events.first, PayloadType: s.cfg.Events.Send, Timestamp: o.events.stamp}, o.events.buf[:])
	o.events.first = false
	report.put(o.events.buf[rtpHeaderSize:])
	o.sent(eventSize)
	s.stats.RTPSent++
	return o.events.buf[:]
}
