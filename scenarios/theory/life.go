package theory

import (
	"time"

	"github.com/natproof/natproof/natmodels"
)

// life is how long a mapping lives, by the packets that use it.
//
// RFC 4787 §4.3: a timer ends it, which outbound packets restart (REQ-6) and inbound ones may
// (REQ-6a). Many devices have a shorter timer for what was never answered, and some keep it
// until the flow has lasted a while. A box that tracks connections decides which timer it
// is when it sees a packet; the answer itself does not lengthen it yet.
type life struct {
	behavior natmodels.Behavior

	begun            bool
	made, restarted  time.Duration
	timer            time.Duration
	answered, lasted bool
}

// begin makes the mapping, or makes it anew.
func (l *life) begin(at time.Duration) {
	b := l.behavior
	*l = life{behavior: b, begun: true, made: at, restarted: at, timer: b.Unreplied, lasted: b.StreamAfter == 0 && !b.Tracks()}
}

// end is the end of it before its time.
func (l *life) end() { l.begun = false }

// alive says whether it is there.
func (l *life) alive(at time.Duration) bool {
	return l.begun && at >= l.made && (forever(l.behavior) || at < l.restarted+l.timer)
}

// forever says whether the box keeps nothing that could end.
func forever(b natmodels.Behavior) bool {
	return b.Kind == natmodels.Router || b.Kind == natmodels.PrefixTranslator
}

// use lets a packet through, which came while the mapping was alive.
func (l *life) use(at time.Duration, inbound bool) {
	b, before := l.behavior, l.answered
	l.answered = l.answered || inbound
	if b.Tracks() {
		l.lasted = before && at-l.made > b.StreamAfter
	} else {
		l.lasted = l.lasted || l.answered && at-l.made > b.StreamAfter
	}
	if l.answered && l.lasted {
		l.timer = b.Idle
	}
	if b.Tracks() || refreshes(b.Refresh, inbound) {
		l.restarted = at
	}
}

// refreshes says whether a packet restarts the timer of a mapping.
func refreshes(r natmodels.Refresh, inbound bool) bool {
	switch r {
	case natmodels.RefreshOutbound:
		return !inbound
	case natmodels.RefreshInbound:
		return inbound
	}
	return true
}

// Use is a packet that went through a mapping.
type Use struct {
	At      time.Duration // since some instant before the first
	Inbound bool          // from outside, and admitted
}

// Alive says whether the mapping that the first use made, of UDP through a NAT of that
// behaviour, is still there at an instant, given every packet that used it until then, in
// order. Packets that came too late used nothing.
func Alive(b natmodels.Behavior, uses []Use, at time.Duration) bool {
	if forever(b) {
		return true
	}
	l := life{behavior: b}
	for i, u := range uses {
		switch {
		case u.At > at:
		case i == 0:
			l.begin(u.At)
		case l.alive(u.At):
			l.use(u.At, u.Inbound)
		default:
			l.end()
		}
	}
	return l.alive(at)
}
