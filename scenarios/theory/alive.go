package theory

import (
	"time"

	"github.com/natproof/natproof/natmodels"
)

// Use is a packet that went through a mapping.
type Use struct {
	At      time.Duration // since some instant before the first
	Inbound bool          // from outside, and admitted
}

// Alive says whether the mapping that the first use made, of UDP through a NAT of that
// behaviour, is still there at an instant, given every packet that used it until then, in
// order.
//
// RFC 4787 §4.3: a timer ends it, which outbound packets restart (REQ-6) and inbound ones may
// (REQ-6a). Many devices have a shorter timer for what was never answered, and some keep it
// until the flow has lasted a while. A box that tracks connections decides which timer it
// is when it sees a packet; the answer itself does not lengthen it yet.
func Alive(b natmodels.Behavior, uses []Use, at time.Duration) bool {
	if b.Kind == natmodels.Router || b.Kind == natmodels.PrefixTranslator {
		return true // they keep nothing that could end
	}
	if len(uses) == 0 || at < uses[0].At {
		return false
	}
	made, restarted := uses[0].At, uses[0].At
	answered, lasted := false, b.StreamAfter == 0 && !b.Tracks()
	timer := b.Unreplied
	for _, u := range uses[1:] {
		if u.At > at || u.At >= restarted+timer {
			break
		}
		before := answered
		answered = answered || u.Inbound
		if b.Tracks() {
			lasted = before && u.At-made > b.StreamAfter
		} else {
			lasted = lasted || answered && u.At-made > b.StreamAfter
		}
		if answered && lasted {
			timer = b.Idle
		}
		if b.Tracks() || refreshes(b.Refresh, u) {
			restarted = u.At
		}
	}
	return at < restarted+timer
}

// refreshes says whether the packet restarts the timer of a mapping.
func refreshes(r natmodels.Refresh, u Use) bool {
	switch r {
	case natmodels.RefreshOutbound:
		return !u.Inbound
	case natmodels.RefreshInbound:
		return u.Inbound
	}
	return true
}
