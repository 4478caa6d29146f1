package translate

import (
	"slices"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// heldSYN is an unsolicited SYN that is not yet answered (RFC 5382 REQ-4).
type heldSYN struct {
	packet natmodels.Packet
	due    uint64
}

// maxHeld bounds the memory that strangers can fill; SYNs beyond it are dropped
// without a word.
const maxHeld = 1024

// hold keeps a SYN until its answer is due. A SYN that is repeated is the same one.
func (n *NAT) hold(p natmodels.Packet, t uint64) {
	n.forgetStale(t)
	for _, h := range n.held {
		if h.packet.Src == p.Src && h.packet.Dst == p.Dst {
			return
		}
	}
	if len(n.held) < maxHeld {
		n.held = append(n.held, heldSYN{p, t + uint64(synHold)})
	}
}

// release drops the SYN that an outbound SYN, with ACK or without, crosses: the two ends
// open the connection (RFC 5382 REQ-4).
func (n *NAT) release(out natmodels.Packet) {
	for i, h := range n.held {
		if h.packet.Src == out.Dst && h.packet.Dst == out.Src {
			n.held = append(n.held[:i], n.held[i+1:]...)
			return
		}
	}
}

// releaseGone drops the SYNs to addresses that the NAT has no more: nothing can be sent
// from there.
func (n *NAT) releaseGone() {
	n.held = slices.DeleteFunc(n.held, func(h heldSYN) bool { return !n.isExternal(h.packet.Dst.Addr()) })
}

// forgetStale drops answers that nobody has asked for in time.
func (n *NAT) forgetStale(t uint64) {
	i := 0
	for i < len(n.held) && n.held[i].due+uint64(synHold) <= t {
		i++
	}
	n.held = n.held[i:]
}

// Due returns the packets that the NAT sends to the outside by itself by now: the ICMP
// errors for SYNs that were held for 6 s (RFC 5382 REQ-4). An answer is lost that is
// not asked for within another 6 s.
func (n *NAT) Due(now time.Time) []natmodels.Packet {
	t := n.clock.Tick(now)
	n.forgetStale(t)
	var due []natmodels.Packet
	for len(n.held) > 0 && n.held[0].due <= t {
		p := n.held[0].packet
		due = append(due, judge.Unreachable(p, p.Dst.Addr(), natmodels.PortUnreachable))
		n.held = n.held[1:]
	}
	return due
}

// NextDue returns when Due has something to send, if nothing comes between.
func (n *NAT) NextDue() (at time.Time, ok bool) {
	n.forgetStale(n.clock.Now())
	if len(n.held) == 0 {
		return time.Time{}, false
	}
	return n.clock.Time(n.held[0].due), true
}
