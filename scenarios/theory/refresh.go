package theory

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
)

// refreshMargin is how long before the end of a binding a phone refreshes it, and jitter by how much
// that varies: time for a REGISTER to fail and be tried again, and less than that of a short one.
func refreshMargin(expires time.Duration) (margin, jitter time.Duration) {
	margin = min(expires/2, max(expires/10, timerB+8*time.Second))
	return margin, margin / 4
}

// refreshes are times after which a registration is refreshed, again and again: each as short, as
// long or as middling as it can be, three after each other in every way. None is never.
func (n *Network) refreshes() [][]time.Duration {
	if n.expires == 0 {
		return [][]time.Duration{nil}
	}
	margin, jitter := refreshMargin(n.expires)
	long := n.expires - margin
	one := []time.Duration{long - jitter, long - jitter/2, long}
	var all [][]time.Duration
	for _, first := range one {
		for _, second := range one {
			for _, third := range one {
				all = append(all, []time.Duration{first, second, third})
			}
		}
	}
	return all
}

// binds is that a registration has come to the proxy.
func (n *Network) binds(s *station) {
	s.came, s.bound = s.last, n.course.now+n.expires
}

// unbound is why the proxy does not send a new request to an end on, or zero.
func (n *Network) unbound(s *station, message string) cell.Cause {
	if n.expires == 0 || !s.known || n.course.now < s.bound {
		return cell.Cause{}
	}
	return cell.Cause{Box: cell.BoxProxy, Rule: cell.RuleRefused, Message: message, Why: fmt.Sprintf(
		"the binding of %s has expired, since no refresh was answered (RFC 3261 §10.3)", s.end.host)}
}

// refreshed begins the refreshing of a registration that was answered.
func (n *Network) refreshed(s *station) {
	if n.course.refresh != nil {
		n.awaitsRefresh(s)
	}
}

// awaitsRefresh is the time until a registration that was answered now is refreshed.
func (n *Network) awaitsRefresh(s *station) {
	c := n.course
	c.drop(s.renewal)
	after := c.refresh[s.renewed%len(c.refresh)]
	s.renewed++
	s.renewal = c.once(c.now+after, func() {
		if !s.failed {
			n.registersAgain(s)
		}
	})
}
