package natmodels

import (
	"net/netip"
	"time"
)

// Model is what a NAT does, and nothing of where it stands. It is a value: With returns
// another one.
type Model interface {
	// Behavior is the behavior of UDP.
	Behavior() Behavior

	// Settings lists every setting there is for such a NAT, in a fixed order.
	Settings() []Setting
	// With returns the model with one setting changed, as the settings notation has it: the
	// words after the name. The one word "default" takes a setting back. The error is a
	// [WordError]. Settings that do not go together are found by Validate.
	With(name string, words ...string) (Model, error)

	// Validate reports every setting that cannot be honoured: each value out of range, and
	// each that would be accepted and ignored. The error joins ConfigErrors.
	Validate() error
	// New puts such a NAT in a place. The error joins ConfigErrors.
	New(Place) (Box, error)
}

// Announcer is a Model that answers for whole prefixes outside, beside the external addresses
// of its place: a route leads to them.
type Announcer interface {
	Announces() []netip.Prefix
}

// Place is where a NAT stands.
type Place struct {
	// External lists the external addresses, all of one family. What does not translate
	// has none.
	External []netip.Addr
	// Static lists the port forwards.
	Static []StaticMapping
	// Seed decides every random choice: equal seeds and equal packets give equal ports.
	Seed uint64
}

// Box is a NAT in its place. It is not safe for concurrent use.
//
// Time reaches it only as the argument of its methods and never runs backwards: an earlier
// time than one already seen counts as that one.
type Box interface {
	// Model is what the box does now, Place where it stands now.
	Model() Model
	Place() Place

	// Outbound handles a packet that arrives from the inside, Inbound one from the outside.
	Outbound(Packet, time.Time) Verdict
	Inbound(Packet, time.Time) Verdict
	// Explain says in one sentence what became of a packet and why, for people. It belongs
	// right after the call that returned the verdict: for a Filtered packet it names the
	// remotes that the mapping admits by now.
	Explain(Verdict) string

	// Expect opens the box for what an application level gateway knows will come, and
	// returns the external endpoint to announce. The Reason is NotDropped, or says why
	// there is none: BadPacket, UnsupportedProtocol or FamilyMismatch of what could not be
	// translated, a lack of ports or mappings as for any packet, or Invalid if a box is
	// asked for what it cannot do.
	Expect(Expectation, time.Time) (external netip.AddrPort, reason Reason)

	// Due returns the packets that the box sends to the outside by itself by now. NextDue
	// returns when it has something to send, if nothing comes between.
	Due(time.Time) []Packet
	NextDue() (at time.Time, ok bool)

	// Advance tells the box the time and ends the mappings whose time has come. Every
	// method that takes a time does that too; Advance serves those that do not: Flush,
	// Renumber and SetBehavior act at the time the box was told last.
	Advance(time.Time)
	// Flush removes every mapping but the port forwards, as a reboot does. Packets to the
	// external endpoints that were in use are dropped with reason Flushed.
	Flush()
	// Renumber gives the box other external addresses. Mappings on an address that is no
	// longer in the list are lost; mappings on an address that stays, stay. A port forward
	// on an address that goes moves to the new address at the same position of the list.
	// If that cannot be honoured, nothing changes.
	Renumber(external []netip.Addr) error
	// SetBehavior changes the behavior of the running box, which RFC 4787 REQ-11 forbids
	// and real devices do. A box cannot become one of another kind. If the model cannot be
	// honoured, nothing changes.
	SetBehavior(Model) error

	// Mappings returns the mappings alive at now, sorted by protocol, internal endpoint,
	// remote and ID.
	Mappings(now time.Time) []MappingInfo
	// Admitted lists the remotes that the filter of a mapping admits at now, sorted: an
	// address with port 0 stands for all ports of it. everyone is true for a mapping that
	// admits every remote. A mapping that is no more admits none.
	Admitted(m MappingInfo, now time.Time) (remotes []netip.AddrPort, everyone bool)
	// Stats returns the counters as they stand at now.
	Stats(now time.Time) Stats

	// Snapshot saves the box. What it does later does not touch the snapshot.
	Snapshot() Snapshot
}

// Snapshot is a box at one moment, mappings, timers, random choices and all. It lives in
// memory.
type Snapshot interface {
	// Restore returns a box with the same future as the one that was saved: equal packets
	// at equal times get equal verdicts. It may be called more than once.
	Restore() Box
}

// Helped is a box that can work with the SIP helper of Linux: it tracks connections, and
// keeps expectations as pairs, signalling, and media from the inside.
type Helped interface {
	Box
	// HelpsSIP reports whether the helper is there.
	HelpsSIP() bool
	// Watched reports whether the helper reads the messages of a mapping.
	Watched(mapping uint64) (Watched, bool)
	// Unexpect forgets what a mapping's messages announced, the expectations of one class.
	Unexpect(master uint64, class uint8, now time.Time)
	// RenewExpectation lets the newest expectation of a master and class for an external
	// endpoint wait from now on, active; it reports whether there is one.
	RenewExpectation(master uint64, class uint8, external netip.AddrPort, lifetime time.Duration, now time.Time) bool
	// Expected returns what is expected from an address to an endpoint of the outside,
	// active or not.
	Expected(p Protocol, remote netip.Addr, external netip.AddrPort, now time.Time) (Expectation, bool)
	// Retract takes back the mapping that the last packet made, for a gateway that drops
	// this packet: a connection exists once its first packet is through.
	Retract(mapping uint64, now time.Time)
}

// Mute is a Box that can say of itself whether it ever answers a host inside.
type Mute interface {
	// Mute says that what becomes of a UDP packet from the inside, to an address that is not the
	// box's own, is Forward or Drop.
	Mute() bool
}

// Checker is a Box that looks at the transport's checksum, and does not translate what has a wrong
// one: connection tracking. Other boxes are told of such packets as of any other.
type Checker interface {
	// Spoiled judges such a packet, in place of Outbound or Inbound.
	Spoiled(p Packet, fromInside bool, now time.Time) Verdict
}
