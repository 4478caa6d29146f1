package natmodels

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels/internal/enum"
)

// Action is what the NAT asks its caller to do with a packet.
type Action uint8

const (
	// Drop: the packet ends here; Verdict.Reason says why.
	Drop Action = iota
	// Forward: send Verdict.Packet on to the other side.
	Forward
	// Hairpin: Verdict.Packet, translated on both ends, goes back to the inside
	// (RFC 4787 section 6).
	Hairpin
	// Reply: Verdict.Packet goes back to the side the packet came from, as an
	// answer by the NAT itself, an ICMP message or RST; the packet that came ends here,
	// and Verdict.Reason says why. Only a packet that is [Invalid], to an address of a
	// prefix that is translated 1:1, is itself sent back as it came.
	Reply
)

var actionNames = [...]string{Drop: "drop", Forward: "forward", Hairpin: "hairpin", Reply: "reply"}

// String returns "drop", "forward", "hairpin" or "reply".
func (a Action) String() string { return enum.Name(actionNames[:], a) }

// Reason says why a packet was dropped, or answered instead of being forwarded.
type Reason uint8

const (
	// NotDropped is the Reason of every packet that is forwarded or hairpinned.
	NotDropped Reason = iota
	// BadPacket: an address or port that no NAT can translate; see [Packet].
	BadPacket
	// UnsupportedProtocol: the NAT does not translate this transport protocol.
	UnsupportedProtocol
	// FamilyMismatch: the packet is of another address family than the side of the NAT
	// that it comes from, or its two ends are of different families.
	FamilyMismatch
	// NotExternal: an inbound packet to an address that the NAT does not have, or an
	// outbound one to an address that is not behind the prefix of a NAT64.
	NotExternal
	// NoMapping: nobody behind the NAT has this external endpoint.
	NoMapping
	// Expired: the mapping that had this external endpoint ran out of time;
	// Verdict.Mapping names it and Verdict.Since says how long ago.
	Expired
	// Flushed: the mapping that had this external endpoint was removed by Flush.
	Flushed
	// Renumbered: the mapping that had this external endpoint was lost when the
	// external addresses changed.
	Renumbered
	// Filtered: the mapping exists, but its filtering does not admit this remote
	// endpoint (RFC 4787 section 5).
	Filtered
	// PortsExhausted: no external port is free for a new mapping.
	PortsExhausted
	// PortConflict: the port choice is Preserve and the port is held by the
	// mapping in Verdict.Mapping, or, when that is empty, lies outside PortRange.
	PortConflict
	// HairpinOff: an inside host sent to an external address of this NAT, which
	// does not hairpin.
	HairpinOff
	// Closed: the connection that had this external endpoint is over.
	Closed
	// Evicted: the mapping that had this external endpoint made room for another one
	// when a limit was reached.
	Evicted
	// Invalid: a TCP segment or ICMP message that makes no sense where the connection
	// stands, that cannot begin one, or that has no translation by a NAT64.
	Invalid
	// LimitReached: the subscriber, or the box, has as many mappings as it may; see
	// Limits.
	LimitReached

	reasonCount
)

var reasonNames = [reasonCount]string{
	NotDropped:          "not-dropped",
	BadPacket:           "bad-packet",
	UnsupportedProtocol: "unsupported-protocol",
	FamilyMismatch:      "family-mismatch",
	NotExternal:         "not-external",
	NoMapping:           "no-mapping",
	Expired:             "expired",
	Flushed:             "flushed",
	Renumbered:          "renumbered",
	Filtered:            "filtered",
	PortsExhausted:      "ports-exhausted",
	PortConflict:        "port-conflict",
	HairpinOff:          "hairpin-off",
	Closed:              "closed",
	Evicted:             "evicted",
	Invalid:             "invalid",
	LimitReached:        "limit-reached",
}

// String returns the reason in lower case with hyphens, such as "no-mapping".
func (r Reason) String() string { return enum.Name(reasonNames[:], r) }

// Reasons lists every reason for a drop, in a fixed order.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := BadPacket; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// Verdict is the NAT's answer for one packet.
type Verdict struct {
	Action Action
	// Packet is the packet to send on; for a Drop, the packet as it came.
	Packet Packet
	// Reason is NotDropped unless Action is Drop or Reply.
	Reason Reason
	// Mapping is the mapping the verdict concerns: the one that translated the
	// packet (for a Hairpin, the sender's), the one that refused it, or the one
	// that is gone. It is zero where no mapping was involved.
	Mapping MappingInfo
	// Created reports that this packet made a new mapping for its sender.
	Created bool
	// Since says, for Expired, how long ago the mapping ended.
	Since time.Duration
}

// MappingInfo describes one mapping. It is a comparable value.
type MappingInfo struct {
	// ID is unique within one NAT and never reused; the first is 1.
	ID       uint64
	Protocol Protocol
	Internal netip.AddrPort
	External netip.AddrPort
	// Remote holds the fields of the destination that the mapping depends on, zero
	// where the mapping behavior ignores them: nothing for endpoint-independent
	// mapping, the address with port 0 for address-dependent mapping, both for
	// address-and-port-dependent mapping.
	Remote netip.AddrPort
	// Static marks a port forward, and a connection to an address of a prefix that is
	// translated 1:1 that was not begun from there.
	Static bool
	// Local marks a connection to the box itself: it has no internal endpoint.
	Local bool
}

// IsZero reports whether m names no mapping.
func (m MappingInfo) IsZero() bool { return m == MappingInfo{} }

// String returns "10.0.0.2:5060 <-> 198.51.100.1:40001", followed by the remote
// fields that the mapping depends on, such as " for 203.0.113.20:3478".
func (m MappingInfo) String() string {
	if m.IsZero() {
		return "no mapping"
	}
	internal := m.Internal.String()
	if m.Local {
		internal = "the box itself"
	}
	s := internal + " <-> " + m.External.String()
	if m.Remote.Addr().IsValid() {
		s += " for " + remoteString(m.Remote)
	}
	if m.Static {
		s += " (static)"
	}
	return s
}

// remoteString prints the fields of r that are set: an address, or an address and
// port.
func remoteString(r netip.AddrPort) string {
	if r.Port() == 0 {
		return r.Addr().String()
	}
	return r.String()
}
