package translate

import (
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/enum"
)

// TCPConfig is how a Translator handles TCP (RFC 5382, RFC 7857). The zero value
// follows the RFCs, except that unsolicited SYNs are dropped without a word as RFC 5382
// REQ-4a allows.
type TCPConfig struct {
	OwnTCP

	// PartiallyOpen ends a connection of which only SYNs were seen; zero means 4 min
	// (RFC 7857 section 2.1).
	PartiallyOpen time.Duration
	// Established ends an idle connection; zero means 2 h 4 min (RFC 5382 REQ-5).
	Established time.Duration
	// Closing ends a connection with a FIN from both sides; zero means 4 min (RFC 5382
	// REQ-5).
	Closing time.Duration
	// Reset ends a connection after a RST, unless another segment shows that it lives;
	// zero means 4 min (RFC 7857 section 2.2).
	Reset time.Duration

	SYN SYNPolicy
}

// OwnTCP gives TCP behaviors of its own, in the place of those of Config (RFC 5382 REQ-3b).
type OwnTCP struct {
	Own                bool // otherwise the others must be zero
	Mapping, Filtering natmodels.Dependence
}

// SYNPolicy says what becomes of a SYN from the outside that no filter admits.
type SYNPolicy uint8

const (
	// DropSYN drops it and says nothing (RFC 5382 REQ-4a).
	DropSYN SYNPolicy = iota
	// HoldSYN says nothing for 6 s, and then sends ICMP port unreachable, unless a SYN
	// for the same connection has come from the inside meanwhile (RFC 5382 REQ-4). See
	// [NAT.Due].
	HoldSYN
	// ResetSYN answers with RST at once, against REQ-4, so that a simultaneous open
	// fails.
	ResetSYN
)

var synNames = []string{DropSYN: "drop", HoldSYN: "hold", ResetSYN: "reset"}

// String returns "drop", "hold" or "reset".
func (s SYNPolicy) String() string { return enum.Name(synNames, s) }

// ParseSYNPolicy reads "drop", "hold" or "reset".
func ParseSYNPolicy(name string) (SYNPolicy, error) {
	return enum.Parse[SYNPolicy]("SYN policy", name, synNames)
}

// The timers of RFC 5382 REQ-5 and RFC 7857 sections 2.1 and 2.2.
const (
	DefaultTCPEstablished = 2*time.Hour + 4*time.Minute
	DefaultTCPTransitory  = 4 * time.Minute
)

// DefaultICMPTimeout is the least that RFC 5508 REQ-2 allows.
const DefaultICMPTimeout = 60 * time.Second

// synHold is for how long an unsolicited SYN is not answered (RFC 5382 REQ-4).
const synHold = 6 * time.Second

// sessionTimeouts are the timers by session state, in nanoseconds.
func (c TCPConfig) sessionTimeouts() [sessionStates]uint64 {
	ns := func(d, standard time.Duration) uint64 {
		if d == 0 {
			d = standard
		}
		return uint64(d)
	}
	open := ns(c.Established, DefaultTCPEstablished)
	return [sessionStates]uint64{
		opening:       ns(c.PartiallyOpen, DefaultTCPTransitory),
		openingInward: ns(c.PartiallyOpen, DefaultTCPTransitory),
		opened:        open,
		finInside:     open,
		finOutside:    open,
		closing:       ns(c.Closing, DefaultTCPTransitory),
		wasReset:      ns(c.Reset, DefaultTCPTransitory),
	}
}
