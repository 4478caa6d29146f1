package ua

import (
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
)

// eventName is an Event header field (RFC 6665 section 8.2.1), as far as it tells
// subscriptions apart: both parts are compared byte by byte.
type eventName struct{ name, id string }

func parseEvent(v string) (eventName, bool) {
	name, params, _ := strings.Cut(v, ";")
	name = strings.Trim(name, sipmsg.LWS)
	id, _ := sipmsg.Param(params, "id")
	return eventName{name, id}, sipmsg.IsToken(name)
}

func (e eventName) String() string {
	if e.id == "" {
		return e.name
	}
	return e.name + ";id=" + e.id
}

// subState is a Subscription-State header field (RFC 6665 section 4.1.3).
type subState struct {
	state      string // in lower case: "active", "pending", "terminated", or another
	reason     string // of "terminated"
	expires    time.Duration
	hasExpires bool
	retry      time.Duration
	hasRetry   bool
}

func parseSubState(v string) (subState, bool) {
	state, params, _ := strings.Cut(v, ";")
	s := subState{state: strings.ToLower(strings.Trim(state, sipmsg.LWS))}
	reason, _ := sipmsg.Param(params, "reason")
	s.reason = strings.ToLower(reason)
	s.expires, s.hasExpires = secondsParam(params, "expires")
	s.retry, s.hasRetry = secondsParam(params, "retry-after")
	return s, sipmsg.IsToken(s.state)
}

func secondsParam(params, name string) (time.Duration, bool) {
	v, _ := sipmsg.Param(params, name)
	n, ok := sipmsg.DeltaSeconds(v)
	return time.Duration(n) * time.Second, ok
}

// String writes the header field.
func (s subState) String() string {
	var b strings.Builder
	b.WriteString(s.state)
	if s.reason != "" {
		b.WriteString(";reason=" + s.reason)
	}
	if s.hasExpires {
		b.WriteString(";expires=" + wholeSeconds(s.expires))
	}
	if s.hasRetry {
		b.WriteString(";retry-after=" + wholeSeconds(s.retry))
	}
	return b.String()
}

func wholeSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// phase is the state of the subscription that a notifier speaks of; 0 is one of an extension.
func (s subState) phase() SubscriptionPhase {
	switch s.state {
	case "active":
		return PhaseActive
	case "pending":
		return PhasePending
	case "terminated":
		return PhaseTerminated
	}
	return 0
}

// again says whether to subscribe anew after a termination, and when; 0 is at once, and less
// is when it seems fit (RFC 6665 section 4.1.3).
func (s subState) again() (wait time.Duration, ok bool) {
	switch s.reason {
	case "rejected", "noresource", "invariant":
		return 0, false
	case "deactivated", "timeout": // retry-after has no meaning for them
		return 0, true
	case "giveup":
		return s.retry, true
	}
	if s.hasRetry {
		return s.retry, true
	}
	return -1, true
}
