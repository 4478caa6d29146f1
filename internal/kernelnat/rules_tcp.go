package kernelnat

import (
	"time"

	"github.com/natproof/natproof/natmodels"
)

// tcpState is a state of the kernel's connection tracking of TCP
// (net/netfilter/nf_conntrack_proto_tcp.c).
type tcpState uint8

const (
	none tcpState = iota
	synSent
	synReceived
	established
	finWait
	closeWait
	lastAck
	timeWait
	closed
	synSent2 // both ends have sent a SYN
	tcpStates

	ignored // no state: the segment passes and changes nothing
	wrong   // no state: the segment is invalid
)

// segment is a TCP packet by its flags.
type segment uint8

const (
	segSYN segment = iota
	segSYNACK
	segFIN
	segACK
	segRST
	segNone
)

func segmentOf(flags natmodels.TCPFlags) segment {
	switch {
	case flags&RST != 0:
		return segRST
	case flags&SYN != 0 && flags&ACK != 0:
		return segSYNACK
	case flags&SYN != 0:
		return segSYN
	case flags&FIN != 0:
		return segFIN
	case flags&ACK != 0:
		return segACK
	}
	return segNone
}

// after returns the state that a segment leads to. Forward is the direction of the
// packet that made the connection.
func (s tcpState) after(d direction, seg segment) tcpState {
	switch seg {
	case segSYN:
		if d == forward {
			return s.afterSYN()
		}
		return s.afterSYNBack()
	case segSYNACK:
		return s.afterSYNACK(d)
	case segFIN:
		return s.afterFIN()
	case segACK:
		return s.afterACK(d)
	case segRST:
		if s != none {
			return closed
		}
	}
	return wrong
}

func (s tcpState) afterSYN() tcpState {
	switch s {
	case none, synSent, timeWait, closed:
		return synSent
	case synSent2:
		return synSent2
	}
	return ignored
}

func (s tcpState) afterSYNBack() tcpState {
	switch s {
	case synSent, synSent2:
		return synSent2 // simultaneous open
	case timeWait:
		return synSent
	}
	return wrong
}

func (s tcpState) afterSYNACK(d direction) tcpState {
	switch {
	case s == none:
		return wrong
	case s == synSent2, s == synSent && d == backward, s == synReceived && d == forward:
		return synReceived
	case d == backward:
		return ignored
	}
	return wrong
}

func (s tcpState) afterFIN() tcpState {
	switch s {
	case synReceived, established:
		return finWait
	case finWait, closeWait, lastAck: // from either end: the kernel does not tell them apart
		return lastAck
	case timeWait, closed:
		return s
	}
	return wrong
}

func (s tcpState) afterACK(d direction) tcpState {
	switch s {
	case none:
		if d == forward {
			return established // picked up in the middle: nf_conntrack_tcp_loose
		}
	case synSent, synSent2:
		if d == backward {
			return ignored
		}
	case synReceived:
		if d == backward {
			return synReceived
		}
		return established
	case finWait, closeWait:
		return closeWait
	case lastAck, timeWait:
		return timeWait
	case established, closed:
		return s
	}
	return wrong
}

// tcpTrack is what the kernel remembers of a TCP connection, the windows aside.
type tcpTrack struct {
	state        tcpState
	closing      bool // has been in finWait
	simultaneous bool
	challenged   bool // a SYN came in lastAck: the next ACK may be about that

	last struct { // the last segment that was not invalid
		dir direction
		seg segment
		end uint32 // of one ignored: the sequence number after it
	}
}

// trackTCP takes note of a segment.
func (r *Rules) trackTCP(c *connection, d direction, p Packet, now time.Duration) note {
	t := &c.tcp
	seg := segmentOf(p.Flags)
	old := t.state
	next := old.after(d, seg)
	switch next {
	case wrong:
		return invalid
	case ignored:
		if !t.catchesUp(d, seg, p.Ack) {
			t.ignore(d, seg, p.Seq+1)
			return valid
		}
		old, next = synSent, synReceived
		t.closing, t.challenged = false, false
	case synSent:
		if old != timeWait && old != closed {
			break
		}
		if t.closing || t.last.dir == d && t.last.seg == segRST {
			return reopens
		}
		t.ignore(d, seg, p.Seq+1)
		return valid
	case timeWait:
		if old == lastAck && t.challenged && t.last.seg == segSYN && t.last.dir != d {
			t.challenged = false
			return valid
		}
	case synSent2:
		t.simultaneous = true
	case synReceived:
		if d == backward && seg == segACK && t.simultaneous {
			next = established
		}
	}
	t.state, t.last.dir, t.last.seg = next, d, seg
	if next == finWait {
		t.closing = true
	}
	r.setTCPTimer(c, old, seg, now)
	return valid
}

// setTCPTimer starts the timer of the state that a segment led to.
func (r *Rules) setTCPTimer(c *connection, old tcpState, seg segment, now time.Duration) {
	timeout := r.Timers.TCP[c.tcp.state]
	switch {
	case c.replied:
	case seg == segRST: // nothing but a reset was answered
		r.remove(c)
		return
	case seg == segSYN && old == synSent: // a SYN sent again does not prolong
		return
	case c.tcp.state == established:
		timeout = min(timeout, r.Timers.TCPUnacked)
	}
	c.deadline = now + timeout
}

// ignore takes note of a segment that passes without effect.
func (t *tcpTrack) ignore(d direction, seg segment, end uint32) {
	t.last.dir, t.last.seg, t.last.end = d, seg, end
	if seg == segSYN && d == forward {
		t.challenged, t.simultaneous = t.state == lastAck, false
	}
}

// catchesUp reports whether a segment is the SYN+ACK to a SYN that was ignored: the
// hosts have a new connection where the kernel still sees the old one.
func (t *tcpTrack) catchesUp(d direction, seg segment, ack uint32) bool {
	return seg == segSYNACK && t.last.seg == segSYN && t.last.dir != d && t.last.end == ack
}
