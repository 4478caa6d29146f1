package media

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Latch is when a Stream sends to where packets come from instead of to the signalled address
// (RFC 7362). RTP and RTCP latch apart; where they are multiplexed RTCP goes along with RTP.
// Packets that move nothing are received all the same: see Config.Strict for dropping them. To
// who holds by 0.0.0.0 (RFC 3264 §8.4) nothing is sent, wherever packets come from.
type Latch uint8

// The policies. A re-INVITE is a call of SetRemote; one that signals a new address also
// forgets what was latched to, one that repeats the old keeps it.
const (
	// LatchOff sends to the signalled address, always.
	LatchOff Latch = iota
	// LatchAlways sends to wherever the last accepted packet came from. A stranger's packet
	// takes the media away until the peer's next one, and so does a late one of the old
	// address after a re-INVITE.
	LatchAlways
	// LatchOnce lets the first source count, be it the signalled one or another, until a
	// re-INVITE: what comes first after that counts again, also if it is late and comes from
	// the old address.
	LatchOnce
	// LatchWindow is LatchAlways for Config.LatchFor after the start and after each
	// re-INVITE; then media goes on to where it went last. Who is silent for so long is
	// never latched to.
	LatchWindow
	// LatchSameAddress follows to another port of the signalled address, and never to
	// another address. Where none is signalled it follows to none.
	LatchSameAddress
)

// defaultLatchFor is LatchFor for whoever does not say.
const defaultLatchFor = 5 * time.Second

var latchNames = [...]string{"off", "always", "once", "window", "same-address"}

// String is the policy's word.
func (l Latch) String() string {
	if int(l) < len(latchNames) {
		return latchNames[l]
	}
	return fmt.Sprintf("Latch(%d)", uint8(l))
}

// ParseLatch reads a policy's word.
func ParseLatch(word string) (Latch, error) {
	for i, name := range latchNames {
		if name == word {
			return Latch(i), nil
		}
	}
	return LatchOff, fmt.Errorf("%w: latch policy %q: it is one of %s", ErrConfig, word, strings.Join(latchNames[:], ", "))
}

// Check says whether a time may go with the policy: only LatchWindow has one, and it is not
// negative.
func (l Latch) Check(window time.Duration) error {
	switch {
	case int(l) >= len(latchNames):
		return fmt.Errorf("%w: there is no latch policy %d", ErrConfig, uint8(l))
	case window < 0:
		return fmt.Errorf("%w: a latch window of %v", ErrConfig, window)
	case window != 0 && l != LatchWindow:
		return fmt.Errorf("%w: a latch window with the policy %s", ErrConfig, l)
	}
	return nil
}

// latching is a policy at work on one target.
type latching struct {
	policy  Latch
	lasts   time.Duration // LatchWindow
	until   time.Time     // LatchWindow
	settled bool          // LatchOnce: the first source has come
}

// begin is a start or a re-INVITE.
func (l *latching) begin(now time.Time) {
	l.settled, l.until = false, now.Add(l.lasts)
}

// allows says whether an accepted packet from another source than the present one may move
// the target.
func (l *latching) allows(signalled, from netip.AddrPort, now time.Time) bool {
	switch l.policy {
	case LatchAlways:
		return true
	case LatchOnce:
		return !l.settled
	case LatchWindow:
		return now.Before(l.until)
	case LatchSameAddress:
		return from.Addr() == signalled.Addr()
	}
	return false
}

// latchRTP has an accepted RTP packet move RTP, and RTCP too where it goes the same way.
func (s *Stream) latchRTP(from netip.AddrPort, now time.Time) {
	moved, refused := s.rtp.latch(from, now)
	switch {
	case moved:
		s.stats.Latches++
		if s.multiplexed() {
			s.rtcp.latch(from, now)
		}
		s.nudge()
	case refused:
		s.stats.LatchRefused++
	case s.multiplexed():
		s.rtcp.settled = true
	}
}

// latchRTCP has an accepted RTCP packet move RTCP.
func (s *Stream) latchRTCP(from netip.AddrPort, now time.Time) {
	moved, refused := s.rtcp.latch(from, now)
	switch {
	case moved:
		s.stats.RTCPLatches++
		s.nudge()
	case refused:
		s.stats.RTCPLatchRefused++
	}
}
