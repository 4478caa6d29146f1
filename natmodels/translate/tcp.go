package translate

import (
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// A TCP mapping carries connections to one remote endpoint or many, each a session
// with a state and a deadline of its own. The mapping lives as long as the last of
// them. The states are those of RFC 6146 section 3.5.2, which fulfil RFC 5382.

// session is one TCP connection.
type session struct {
	remote     table.Endpoint
	owner      uint32 // mapping
	prev, next uint32 // sessions of the same mapping, in a ring
	state      sessionState
	deadline   uint64
}

type sessionState uint8

const (
	opening       sessionState = iota // a SYN from the inside
	openingInward                     // a SYN from the outside
	opened
	finInside  // the inside has sent its FIN
	finOutside // the outside has
	closing    // both have
	wasReset   // a RST was seen
	sessionStates
)

// after returns the state that a segment from a side leads to, and whether the
// segment restarts the timer.
func (s sessionState) after(from judge.Side, seg judge.Segment) (sessionState, bool) {
	if seg == judge.RST {
		return wasReset, s != wasReset // RFC 7857 section 2.2
	}
	switch s {
	case opening:
		if from == judge.Outside && (seg == judge.SYN || seg == judge.SYNACK) { // a SYN alone: simultaneous open
			return opened, true
		}
		return opening, from == judge.Inside && seg == judge.SYN
	case openingInward:
		if from == judge.Inside && (seg == judge.SYN || seg == judge.SYNACK) {
			return opened, true
		}
		return openingInward, from == judge.Outside && seg == judge.SYN
	case opened:
		if seg == judge.FIN {
			return finBy[from], true
		}
	case finInside, finOutside:
		if seg == judge.FIN && s != finBy[from] {
			return closing, true
		}
	case closing:
		if seg == judge.SYN { // the same ports again
			return openingBy[from], true
		}
		return closing, false
	case wasReset:
		if seg == judge.SYN {
			return openingBy[from], true
		}
		return opened, true // it was not for this connection
	}
	return s, true
}

var (
	finBy     = [2]sessionState{judge.Inside: finInside, judge.Outside: finOutside}
	openingBy = [2]sessionState{judge.Inside: opening, judge.Outside: openingInward}
)

func (n *NAT) sessionHash(owner uint32, remote table.Endpoint) uint32 {
	return n.hashing.Words(remote.Addr, table.Addr{}, uint64(owner)<<16|uint64(remote.Port))
}

// session returns the live session of a mapping with a remote endpoint.
func (n *NAT) session(owner uint32, remote table.Endpoint, t uint64) *session {
	p := n.bySession.Probe(n.sessionHash(owner, remote))
	for ref := p.Next(); ref != 0; ref = p.Next() {
		if s := n.sessions.At(ref); s.owner == owner && s.remote == remote {
			if s.deadline <= t {
				n.endSession(ref)
				return nil
			}
			return s
		}
	}
	return nil
}

// trackTCP takes note of a segment through a mapping, and reports whether it belongs
// to a connection or begins one.
func (n *NAT) trackTCP(ref uint32, m *mapping, from judge.Side, remote table.Endpoint, flags natmodels.TCPFlags, t uint64) bool {
	seg := judge.SegmentOf(flags)
	s := n.session(ref, remote, t)
	if s == nil {
		if seg != judge.SYN {
			return false
		}
		s = n.begin(ref, m, remote, t)
		s.state = openingBy[from]
		s.deadline = t + n.sessionTimeouts[s.state]
		m.last = max(m.last, s.deadline)
		return true
	}
	next, restart := s.state.after(from, seg)
	s.state = next
	if !restart {
		return true
	}
	before := s.deadline
	s.deadline = t + n.sessionTimeouts[next]
	switch {
	case s.deadline >= m.last:
		m.last = s.deadline
	case before == m.last:
		n.latest(m)
	}
	if !m.static && s.deadline < before { // the wheel knows a later time
		n.wheel.Unschedule(&m.Timed)
		n.wheel.Schedule(ref, m.last)
	}
	return true
}

// latest finds out when the last session of a mapping ends.
func (n *NAT) latest(m *mapping) {
	m.last = 0
	first := m.sessions
	for ref := first; ; {
		s := n.sessions.At(ref)
		m.last = max(m.last, s.deadline)
		if ref = s.next; ref == first {
			return
		}
	}
}

// begin makes a session. So that a mapping that never ends does not gather dead ones,
// each new one makes for a look at two old ones.
func (n *NAT) begin(owner uint32, m *mapping, remote table.Endpoint, t uint64) *session {
	for range 2 {
		if m.sessions == 0 {
			break
		}
		if ref := m.sessions; n.sessions.At(ref).deadline <= t {
			n.endSession(ref)
		} else {
			m.sessions = n.sessions.At(ref).next
		}
	}
	ref := n.sessions.Take()
	s := n.sessions.At(ref)
	*s = session{remote: remote, owner: owner, prev: ref, next: ref}
	if m.sessions != 0 {
		next := n.sessions.At(m.sessions)
		s.prev, s.next = next.prev, m.sessions
		n.sessions.At(next.prev).next = ref
		next.prev = ref
	} else {
		m.sessions = ref
	}
	n.bySession.Insert(n.sessionHash(owner, remote), ref)
	return s
}

// endSession takes a session out of every table.
func (n *NAT) endSession(ref uint32) {
	s := n.sessions.At(ref)
	m := n.mappings.At(s.owner)
	switch {
	case s.next == ref:
		m.sessions = 0
	default:
		n.sessions.At(s.prev).next, n.sessions.At(s.next).prev = s.next, s.prev
		m.sessions = s.next
	}
	n.bySession.Remove(n.sessionHash(s.owner, s.remote), ref)
	n.sessions.Release(ref)
}

// endSessions ends all sessions of a mapping.
func (n *NAT) endSessions(m *mapping) {
	for m.sessions != 0 {
		n.endSession(m.sessions)
	}
}
