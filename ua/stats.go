package ua

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats counts what a client's sockets saw. Every datagram that was not used for its
// purpose is in one of these counters.
type Stats struct {
	Requests  uint64 // SIP requests received, retransmissions included
	Responses uint64 // SIP responses received
	STUN      uint64 // STUN messages received on SIP sockets
	Pings     uint64 // CRLF and zero-byte keepalives received, ignored
	Sent      uint64 // SIP messages sent, retransmissions included

	Invites  uint64         // INVITEs outside of dialogs, retransmissions not counted
	Answered map[int]uint64 // final responses to requests, by status code, each counted once

	Malformed    uint64 // not SIP at all, or so broken that no answer is possible; dropped
	BadRequests  uint64 // requests answered 400, 415, 416, 420 or 505
	Oversize     uint64 // datagrams that do not fit the read buffer; dropped
	Unmatched    uint64 // responses to nothing that is under way; dropped
	ForeignVia   uint64 // responses with another sent-by than the request (RFC 3261 section 18.1.2); dropped
	StrayACKs    uint64 // ACKs that belong to no session; dropped
	EarlyMedia   uint64 // datagrams on media ports before the stream began; dropped
	ReadErrors   uint64
	SendErrors   uint64
	Retransmits  uint64 // requests and responses that the peer repeated
	ManagerCalls uint64 // calls to port managers
}

// counters are the live form of Stats.
type counters struct {
	requests, responses, stun, pings, sent                             atomic.Uint64
	malformed, badRequests, oversize, unmatched, foreignVia, strayACKs atomic.Uint64
	earlyMedia, readErrors, sendErrors, retransmits, managerCalled     atomic.Uint64
	invites                                                            atomic.Uint64
	answered                                                           byCode
}

func (c *counters) snapshot() Stats {
	return Stats{
		Requests: c.requests.Load(), Responses: c.responses.Load(), STUN: c.stun.Load(),
		Pings: c.pings.Load(), Sent: c.sent.Load(),
		Malformed: c.malformed.Load(), BadRequests: c.badRequests.Load(), Oversize: c.oversize.Load(),
		Unmatched: c.unmatched.Load(), ForeignVia: c.foreignVia.Load(), StrayACKs: c.strayACKs.Load(), EarlyMedia: c.earlyMedia.Load(),
		ReadErrors: c.readErrors.Load(), SendErrors: c.sendErrors.Load(),
		Invites: c.invites.Load(), Answered: c.answered.snapshot(),
		Retransmits: c.retransmits.Load(), ManagerCalls: c.managerCalled.Load(),
	}
}

// byCode counts by status code.
type byCode struct {
	mu sync.Mutex
	n  map[int]uint64
}

func (b *byCode) add(code int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == nil {
		b.n = map[int]uint64{}
	}
	b.n[code]++
}

func (b *byCode) snapshot() map[int]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.n)
}
