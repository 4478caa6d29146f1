package natmodels

import (
	"net/netip"
	"time"
)

// Watched is what a Conntrack with a SIPHelper knows of a connection whose messages
// the helper reads.
type Watched struct {
	Inward   bool // the outside began it
	Expected bool // an expectation let it through
}

// Expectation is a flow that an application level gateway knows will come from the
// outside, since a message announced it, and wants let in.
type Expectation struct {
	Protocol Protocol // UDP or TCP
	// Remote is who may send, from any port; the zero Addr stands for everybody.
	Remote netip.Addr
	// Internal is whom it is for.
	Internal netip.AddrPort
	// Lifetime is how long the NAT waits for the first packet of it; 0 is
	// DefaultExpectationLifetime.
	Lifetime time.Duration

	// Tracked is for a Conntrack or Firewall alone.
	Tracked TrackedExpectation
}

// TrackedExpectation is what the SIP helper of Linux can say of an expectation beyond
// who, to whom and for how long. The zero value expects one flow, at the port of
// Internal if it can be had.
type TrackedExpectation struct {
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

// DefaultExpectationLifetime is what Linux gives to expected media.
const DefaultExpectationLifetime = 3 * time.Minute
