package wire

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// Way is where one packet went.
type Way struct {
	Packet uint64
	Hops   []vnet.Event // what happened to it, in order
}

// Tuple is a five-tuple as it is on the wire at some place: each NAT on the way shows
// another one. The zero Protocol is any.
type Tuple struct {
	Protocol natmodels.Protocol
	Src, Dst netip.AddrPort
}

// Follow is the way of the packet with that identity ([vnet.Event.Packet]); it has no hops
// if there was none.
func Follow(events []vnet.Event, packet uint64) Way {
	w := Way{Packet: packet}
	for _, e := range events {
		if e.Packet == packet && packet != 0 {
			w.Hops = append(w.Hops, e)
		}
	}
	return w
}

// FollowTuple are the ways of all packets that had the five-tuple anywhere on their way, in
// the order in which they were sent.
func FollowTuple(events []vnet.Event, t Tuple) []Way {
	var ways []Way
	seen := map[uint64]bool{}
	for _, e := range events {
		if e.Packet != 0 && !seen[e.Packet] && t.matches(e) {
			seen[e.Packet] = true
			ways = append(ways, Follow(events, e.Packet))
		}
	}
	return ways
}

func (t Tuple) matches(e vnet.Event) bool {
	if t.Protocol != 0 && t.Protocol != e.Proto {
		return false
	}
	return e.Src == t.Src && e.Dst == t.Dst || e.Kind == vnet.Translated && e.FromSrc == t.Src && e.FromDst == t.Dst
}

// End is the last that happened to the packet; false if it is still on its way.
func (w Way) End() (vnet.Event, bool) {
	if len(w.Hops) == 0 {
		return vnet.Event{}, false
	}
	e := w.Hops[len(w.Hops)-1]
	return e, e.Kind == vnet.Delivered || e.Kind == vnet.Dropped
}

// Arrived reports whether a socket got it.
func (w Way) Arrived() bool {
	e, ended := w.End()
	return ended && e.Kind == vnet.Delivered
}

// String says where it went, and which box dropped it under which rule:
//
//	sent by b 192.0.2.2:40000 -> 198.51.100.1:24708; dropped by nat-a: filtered: mapping ... admits only 203.0.113.20:3478
func (w Way) String() string {
	if len(w.Hops) == 0 {
		return "no such packet"
	}
	var parts []string
	for _, e := range w.Hops {
		parts = append(parts, hop(e))
	}
	if _, ended := w.End(); !ended {
		parts = append(parts, "still on its way")
	}
	return strings.Join(parts, "; ")
}

func hop(e vnet.Event) string {
	switch e.Kind {
	case vnet.Sent:
		return fmt.Sprintf("sent by %s %v -> %v", e.Box, e.Src, e.Dst)
	case vnet.Translated:
		return fmt.Sprintf("%s made it %v -> %v", e.Box, e.Src, e.Dst)
	case vnet.Delivered:
		return "delivered to " + e.Box
	case vnet.Dropped:
		text := fmt.Sprintf("dropped by %s: %s", e.Box, e.Reason)
		if why := strings.TrimPrefix(e.Detail, string(e.Reason)+": "); why != "" && why != string(e.Reason) {
			text += ": " + why
		}
		return text
	}
	return strings.TrimSpace(fmt.Sprintf("%s by %s %s", e.Kind, e.Box, e.Detail))
}
