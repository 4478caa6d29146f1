package vnet

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// EventKind says what happened to a packet, or to the lab.
type EventKind uint8

const (
	// Sent: a host handed a datagram to the network.
	Sent EventKind = iota + 1
	// Translated: a gateway passed the packet on; the addresses before are in FromSrc and FromDst.
	Translated
	// Delivered: the packet reached a socket.
	Delivered
	// Dropped: the packet ended here; Reason says why.
	Dropped
	// Rewritten: the SIP ALG of a gateway changed the payload that it had translated.
	Rewritten
	// Changed: somebody changed the lab while it ran (behaviour, addresses, link state).
	Changed
)

var eventKindNames = [...]string{"", "sent", "translated", "delivered", "dropped", "rewritten", "changed"}

// String returns the kind in lower case.
func (k EventKind) String() string {
	if int(k) < len(eventKindNames) && k > 0 {
		return eventKindNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", uint8(k))
}

// Reason says why a packet was dropped. A gateway's reasons are those of
// package natmodels by name; the others are the network's own.
type Reason string

// The network's own reasons. A gateway drops for a natmodels.Reason.
const (
	NoRoute     Reason = "no-route"     // no site or gateway owns the destination here
	NoSocket    Reason = "no-socket"    // the host has no socket on that address and port
	WrongPeer   Reason = "wrong-peer"   // the socket is connected to somebody else
	QueueFull   Reason = "queue-full"   // the socket's receive queue, or a rate-limited link's, is full
	LinkLoss    Reason = "link-loss"    // the link lost it
	LinkDown    Reason = "link-down"    // the link was down
	CoDelDrop   Reason = "codel"        // FQCoDel dropped it, because its flow waits too long
	Corrupted   Reason = "corrupted"    // a bit was flipped on the link, and the checksum told
	BadVerdict  Reason = "bad-verdict"  // a rule of the link asked for what cannot be done
	MTUExceeded Reason = "mtu"          // larger than the link carries
	TTLExceeded Reason = "ttl"          // too many hops: a routing loop
	HostDown    Reason = "lab-closed"   // the lab closed while it was on its way
	ALGDrop     Reason = "sip-alg"      // the SIP ALG of a gateway threw it away
	Unsupported Reason = "not-modelled" // the packet is of a kind this network does not carry
)

// Event is one thing that happened to one packet at one box, in the order in
// which the core handled it. Everything a person sees is made from these.
type Event struct {
	Seq    uint64        // position in the trace, from 1
	At     time.Duration // virtual time since the lab started
	Kind   EventKind
	Packet uint64 // identity; the same through every rewrite
	Parent uint64 // the packet this one is a duplicate of or an answer to, or 0
	Box    string // host, gateway, link or realm where it happened

	Proto    natmodels.Protocol
	Src, Dst netip.AddrPort // as the packet is after this event
	FromSrc  netip.AddrPort // Translated only: as it was before
	FromDst  netip.AddrPort // Translated only: as it was before
	Payload  []byte         // shared; read only

	Reason  Reason                // Dropped only
	Mapping natmodels.MappingInfo // Translated, or Dropped by a gateway: the mapping concerned
	Detail  string                // a plain sentence for people
}

// String is one line of a trace.
func (e Event) String() string {
	s := fmt.Sprintf("%4d %12s %-10s %-12s %v -> %v", e.Seq, e.At, e.Kind, e.Box, e.Src, e.Dst)
	switch e.Kind {
	case Translated:
		s += fmt.Sprintf(" (was %v -> %v)", e.FromSrc, e.FromDst)
	case Dropped:
		s += " " + string(e.Reason)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}
