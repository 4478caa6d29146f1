package sipalg

import (
	"net/netip"
	"time"
)

// Gate is what an ALG asks of the NAT beside it. Its owner makes one for each flow
// that carries messages: whatever is expected belongs to that flow.
type Gate interface {
	// Expect opens the NAT and returns the external port to announce; false: it cannot
	// be had.
	Expect(Expectation) (port uint16, ok bool)
	// Elsewhere reports whether another flow expects packets of this class from an
	// address to an endpoint already.
	Elsewhere(class Class, from netip.Addr, to netip.AddrPort) bool
	// Renew lets the signalling expected at an external endpoint come from now on, for so
	// long; false: none is expected there.
	Renew(to netip.AddrPort, lifetime time.Duration) bool
	// Forget ends what the flow expects of a class.
	Forget(Class)
}

// Class tells expectations apart.
type Class uint8

// The classes of Linux.
const (
	Signalling Class = iota
	Audio
	Video
	Image
)

// Limit is how many of a class a flow may expect at a time; the oldest makes room.
func (c Class) Limit() int {
	switch c {
	case Signalling:
		return 1
	case Image:
		return 2
	}
	return 4
}

// Expectation is a packet that a message announces.
type Expectation struct {
	Class Class
	// From is the address that it will come from, To the inside endpoint it is for, or
	// the outside endpoint if Outward: if it comes from the inside.
	From    netip.Addr
	To      netip.AddrPort
	Outward bool
	// Port is the external port that is wanted.
	Port uint16
}

// Session is what an ALG remembers of a flow between its messages. The zero value is
// that of a new flow.
type Session struct {
	invite, register uint64 // the CSeq of the last one that went through
	// forced is where a phone listens that sends from another port, as its Via says.
	forced uint16
}
