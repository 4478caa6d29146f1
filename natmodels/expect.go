package natmodels

import (
	"net/netip"
	"time"
)

// Expectation is a packet that an application level gateway knows will come from the
// outside, and wants let in.
type Expectation struct {
	Protocol Protocol       // UDP or TCP
	Remote   netip.Addr     // who may send, from any port; the zero Addr: anybody
	Internal netip.AddrPort // to whom it goes
	Lifetime time.Duration  // how long the NAT waits for the first packet; 0: DefaultExpectationLifetime

	// Port is the external port that is wanted; 0: that of Internal.
	Port uint16
	// Pair expects the next port too, by an expectation of its own: RTCP beside RTP (RFC
	// 3550 section 11).
	Pair bool
	// Outward turns it round: the packet comes from the inside, from the address Remote,
	// and goes to the endpoint Internal on the outside, which is announced as it is.
	Outward bool
	// Permanent: it lets in any number of flows until its time is over.
	Permanent bool
	// Inactive: it holds the port, and lets nothing in before it is renewed.
	Inactive bool
	// Signalling: what it lets in is watched by the gateway as well, and goes by itself;
	// otherwise the flow that it lets in, if Internal's peer expects one too, leaves from
	// the endpoint that was announced for its sender.
	Signalling bool

	// Master is the ID of the mapping that carried the announcement, with which the
	// expectation ends; 0: none.
	Master uint64
	// Class tells the expectations of a Master apart: if Limit is not 0, at most so many
	// of a class wait, and the oldest makes room.
	Class uint8
	Limit int
}

// DefaultExpectationLifetime is that of Linux.
const DefaultExpectationLifetime = 3 * time.Minute

// Expect opens the NAT for it and returns the external endpoint to announce. The Reason
// is NotDropped, or why there is none.
func (n *NAT) Expect(e Expectation, now time.Time) (external netip.AddrPort, reason Reason) {
	if n.tracker == nil {
		return netip.AddrPort{}, UnsupportedProtocol
	}
	return n.tracker.expect(e, n.tick(now))
}
