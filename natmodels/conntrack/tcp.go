package conntrack

import (
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// tcpState is a state in which connection tracking sees a TCP connection; see
// net/netfilter/nf_conntrack_proto_tcp.c of Linux.
type tcpState uint8

const (
	noState tcpState = iota
	synSent
	synReceived
	established
	finWait
	closeWait
	lastACK
	timeWait
	closed
	synSent2 // both ends have sent a SYN
	tcpStates

	passes  // no state: the segment passes and changes nothing
	invalid // no state: the segment makes no sense
)

// direction of a packet within its connection.
type direction uint8

const (
	forward direction = iota // as the packet that made the connection
	backward
)

// transitions gives the state that a segment leads to, by direction, segment and the
// state before, in the order of the states: none, SYN sent, SYN received,
// established, FIN wait, close wait, last ACK, time wait, closed, SYN sent 2.
var transitions = [2][judge.NoSegment + 1][tcpStates]tcpState{
	forward: {
		judge.SYN:    {synSent, synSent, passes, passes, passes, passes, passes, synSent, synSent, synSent2},
		judge.SYNACK: {invalid, invalid, synReceived, invalid, invalid, invalid, invalid, invalid, invalid, synReceived},
		judge.FIN:    {invalid, invalid, finWait, finWait, lastACK, lastACK, lastACK, timeWait, closed, invalid},
		// The first ACK picks a connection up in the middle.
		judge.ACK:       {established, invalid, established, established, closeWait, closeWait, timeWait, timeWait, closed, invalid},
		judge.RST:       {invalid, closed, closed, closed, closed, closed, closed, closed, closed, closed},
		judge.NoSegment: {invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid},
	},
	backward: {
		judge.SYN:       {invalid, synSent2, invalid, invalid, invalid, invalid, invalid, synSent, invalid, synSent2},
		judge.SYNACK:    {invalid, synReceived, passes, passes, passes, passes, passes, passes, passes, synReceived},
		judge.FIN:       {invalid, invalid, finWait, finWait, lastACK, lastACK, lastACK, timeWait, closed, invalid},
		judge.ACK:       {invalid, passes, synReceived, established, closeWait, closeWait, timeWait, timeWait, closed, passes},
		judge.RST:       {invalid, closed, closed, closed, closed, closed, closed, closed, closed, closed},
		judge.NoSegment: {invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid, invalid},
	},
}

// tcpTrack is what is remembered of a TCP connection. The windows are not.
type tcpTrack struct {
	state        tcpState
	closing      bool // has been in FIN wait
	simultaneous bool // a SYN came from either side
	challenged   bool // a SYN came in last ACK: the next ACK may be about that
	lastDir      direction
	lastSeg      judge.Segment // the last segment that was not invalid
	lastEnd      uint32        // of a segment that passed without effect: the sequence number after it
}

// note is what connection tracking makes of a packet.
type note uint8

const (
	noteValid note = iota
	noteInvalid
	noteReopens // the connection is over, and the packet begins another
	noteEnds    // the packet passes, and nothing more
)

// step takes note of a segment; changed is false if it passes and restarts no timer.
func (c *tcpTrack) step(d direction, p *natmodels.Packet) (n note, changed bool) {
	seg, old := judge.SegmentOf(p.Flags), c.state
	next := transitions[d][seg][old]
	switch next {
	case invalid:
		return noteInvalid, false
	case passes:
		if !c.catchesUp(d, seg, p.Ack) {
			c.pass(d, seg, p.Seq+1)
			return noteValid, false
		}
		next = synReceived
		c.closing, c.challenged = false, false
	case synSent:
		if old != timeWait && old != closed {
			break
		}
		if c.closing || c.lastDir == d && c.lastSeg == judge.RST {
			return noteReopens, false
		}
		c.pass(d, seg, p.Seq+1)
		return noteValid, false
	case timeWait:
		if old == lastACK && c.challenged && c.lastSeg == judge.SYN && c.lastDir != d {
			c.challenged = false
			return noteValid, false
		}
	case synSent2:
		c.simultaneous = true
	case synReceived:
		if d == backward && seg == judge.ACK && c.simultaneous {
			next = established
		}
	}
	c.state, c.lastDir, c.lastSeg = next, d, seg
	c.closing = c.closing || next == finWait
	return noteValid, true
}

// pass takes note of a segment that passes without effect.
func (c *tcpTrack) pass(d direction, seg judge.Segment, end uint32) {
	c.lastDir, c.lastSeg, c.lastEnd = d, seg, end
	if seg == judge.SYN && d == forward {
		c.challenged, c.simultaneous = c.state == lastACK, false
	}
}

// catchesUp recognises the SYN+ACK to a SYN that had no effect: the hosts have a new
// connection where the box still sees the old one.
func (c *tcpTrack) catchesUp(d direction, seg judge.Segment, ack uint32) bool {
	return seg == judge.SYNACK && c.lastSeg == judge.SYN && c.lastDir != d && c.lastEnd == ack
}

// trackTCP takes note of a segment of a connection, and restarts its timer.
func (k *Tracker) trackTCP(c *connection, d direction, p *natmodels.Packet, t uint64) note {
	old := c.tcp.state
	n, changed := c.tcp.step(d, p)
	if !changed {
		return n
	}
	timeout := k.timeouts.tcp[c.tcp.state]
	if !c.replied {
		switch seg := judge.SegmentOf(p.Flags); {
		case seg == judge.RST: // nothing came back but a reset, if that
			return noteEnds
		case seg == judge.SYN && old == synSent: // a SYN sent again does not prolong
			return noteValid
		case c.tcp.state == established:
			timeout = min(timeout, k.timeouts.unacknowledged)
		}
	}
	c.deadline = t + timeout
	return noteValid
}
