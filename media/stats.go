package media

import (
	"net/netip"
	"time"
)

// Stats is a snapshot of a Stream, a plain value. Counters only ever grow, so
// two snapshots tell what happened between them: see Sub.
type Stats struct {
	// RTP, in packets.
	RTPSent          uint64
	RTPReceived      uint64 // valid, from an accepted source, while receiving
	RTPEarly         uint64 // valid but before Start: no remote known yet
	RTPStrictDropped uint64 // not from the signalled address, Config.Strict
	RTPHeld          uint64 // arrived while SetDirection had recv off
	WrongPayload     uint64 // RTP of another payload type
	Looped           uint64 // our own packets come back (RFC 3550 §8.2)
	Panics           uint64 // datagrams that Config.OnPanic was told of
	Malformed        uint64 // neither RTP, RTCP nor STUN that anybody takes
	STUN             uint64 // handed to Config.OnSTUN

	// RTCP, in compound packets.
	RTCPSent          uint64
	RTCPReceived      uint64
	RTCPEarly         uint64
	RTCPStrictDropped uint64
	ByesReceived      uint64

	// Sockets.
	SendErrors uint64
	ReadErrors uint64

	// What the received sequence numbers say (RFC 3550 §6.4.1, A.3). Lost is
	// expected less received, so duplicates can make it negative.
	Lost       int64
	Reordered  uint64
	Duplicates uint64

	// Telephone events, in digits (RFC 4733). Their packets are among RTPSent and RTPReceived.
	DTMFSent     uint64
	DTMFReceived uint64

	// How often the target moved to an observed source (RFC 7362), and how many accepted
	// packets from elsewhere the policy did not follow.
	Latches          uint64
	RTCPLatches      uint64
	LatchRefused     uint64
	RTCPLatchRefused uint64

	// From here on: states, not counters.
	Started bool
	Jitter  time.Duration // RFC 3550 A.8
	// FractionLost is what our last report said, 0 to 1 (RFC 3550 A.3).
	FractionLost float64
	RoundTrip    time.Duration // RFC 3550 §6.4.1, zero until a report allows it
	SSRC         uint32
	RemoteSSRC   uint32 // zero until RTP was received
	HighestSeq   uint32 // extended with the cycles
	RemoteCNAME  string

	// Times since Start; they mean something when RTPReceived is not zero.
	FirstReceived time.Duration
	LastReceived  time.Duration

	Signalled     netip.AddrPort // where Start or SetRemote said RTP goes
	RTCPSignalled netip.AddrPort
	SendTo        netip.AddrPort // where RTP goes now; invalid means nowhere
	RTCPSendTo    netip.AddrPort
	LatchedTo     netip.AddrPort // the observed source, invalid when not latched
	RTCPLatchedTo netip.AddrPort
	LastFrom      netip.AddrPort // source of the last RTP packet received
	RTCPLastFrom  netip.AddrPort
	StrictFrom    netip.AddrPort // source of the last RTP packet Strict dropped
	RTCPStrict    netip.AddrPort // source of the last RTCP packet Strict dropped

	// Peer is what the other end last reported about our RTP; steady media
	// towards it shows here as a growing HighestSeq.
	Peer PeerReport
}

// PeerReport is a reception report block about our stream, and what the peer says to have sent
// itself (RFC 3550 §6.4.1).
type PeerReport struct {
	Reports      uint64  // how many blocks came
	FractionLost float64 // 0..1, since the one before
	Lost         int64
	HighestSeq   uint32
	Jitter       time.Duration

	Packets, Octets uint32 // RTP sent, of its last sender report; zero if it sent none
}

// Sub returns the counters of s less those of earlier, and the states of s.
// Judge steady state by it: take one snapshot, let time pass, take another.
func (s Stats) Sub(earlier Stats) Stats {
	d := s
	d.RTPSent -= earlier.RTPSent
	d.RTPReceived -= earlier.RTPReceived
	d.RTPEarly -= earlier.RTPEarly
	d.RTPStrictDropped -= earlier.RTPStrictDropped
	d.RTPHeld -= earlier.RTPHeld
	d.WrongPayload -= earlier.WrongPayload
	d.Looped -= earlier.Looped
	d.Malformed -= earlier.Malformed
	d.Panics -= earlier.Panics
	d.STUN -= earlier.STUN
	d.RTCPSent -= earlier.RTCPSent
	d.RTCPReceived -= earlier.RTCPReceived
	d.RTCPEarly -= earlier.RTCPEarly
	d.RTCPStrictDropped -= earlier.RTCPStrictDropped
	d.ByesReceived -= earlier.ByesReceived
	d.SendErrors -= earlier.SendErrors
	d.ReadErrors -= earlier.ReadErrors
	d.Lost -= earlier.Lost
	d.Reordered -= earlier.Reordered
	d.Duplicates -= earlier.Duplicates
	d.DTMFSent -= earlier.DTMFSent
	d.DTMFReceived -= earlier.DTMFReceived
	d.Latches -= earlier.Latches
	d.RTCPLatches -= earlier.RTCPLatches
	d.LatchRefused -= earlier.LatchRefused
	d.RTCPLatchRefused -= earlier.RTCPLatchRefused
	d.Peer.Reports -= earlier.Peer.Reports
	return d
}
