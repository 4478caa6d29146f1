package ua

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/natproof/natproof/internal/sipstack"
)

// Stats counts what a client's sockets saw. Each datagram on a SIP socket has one outcome:
// Pings, STUN, Oversize, Malformed, BadRequests, Served, Retransmits, ACKs, StrayACKs,
// Answers, Unmatched and ForeignVia add up to Datagrams.
type Stats struct {
	Datagrams uint64 // received on SIP sockets
	Requests  uint64 // SIP requests received, retransmissions included
	Responses uint64 // SIP responses received
	Sent      uint64 // SIP messages sent, retransmissions included

	Invites  uint64         // INVITEs outside of dialogs, retransmissions not counted
	Answered map[int]uint64 // final responses to requests, by status code, each counted once

	STUN        uint64 // STUN messages received on SIP sockets
	Pings       uint64 // empty datagrams, CRLF and zero-byte keepalives received, ignored
	Oversize    uint64 // datagrams that do not fit the read buffer; dropped
	Malformed   uint64 // not SIP at all, or so broken that no answer is possible; dropped
	BadRequests uint64 // requests answered 400, 405, 406, 415, 416, 420, 422, 488, 501 or 505 for what is in them, and ACKs like them
	Served      uint64 // requests that began a transaction and are none of those
	Retransmits uint64 // requests and responses that the peer repeated, and ACKs of refusals
	ACKs        uint64 // ACKs of a session's 2xx, repetitions included
	StrayACKs   uint64 // ACKs that belong to no session; dropped
	Answers     uint64 // responses that a transaction waited for
	Unmatched   uint64 // responses to nothing that is under way; dropped
	ForeignVia  uint64 // responses with another sent-by than the request (RFC 3261 section 18.1.2); dropped

	ContactsLearned uint64 // Contacts taken from responses to REGISTER (Options.LearnContact)
	ContactsDoubted uint64 // responses that spoke against one

	Panics       uint64 // that Config.OnPanic was told of
	EarlyMedia   uint64 // datagrams on media ports before the stream began; dropped
	ReadErrors   uint64
	SendErrors   uint64 // messages that did not leave, see UnsentEvent
	ManagerCalls uint64 // calls to port managers
}

// counters are what the stack does not know.
type counters struct {
	badRequests, strayACKs, repeated2xx, classicSTUN  atomic.Uint64
	oversize, earlyMedia, readErrors, managerCalled   atomic.Uint64
	invites, contactsLearned, contactsDoubted, panics atomic.Uint64
	answered                                          byCode
}

func (c *counters) snapshot(stack func() sipstack.Stats) Stats {
	bad, stray, again, classic := c.badRequests.Load(), c.strayACKs.Load(), c.repeated2xx.Load(), c.classicSTUN.Load()
	s := stack() // last: what is counted above has been counted there
	return Stats{
		Datagrams: s.Datagrams,
		Requests:  s.Faulty + s.Requests + s.Absorbed + s.Acks,
		Responses: s.Responses + s.Repeats + s.Unmatched + s.Foreign,
		Sent:      s.Sent,

		STUN: s.STUN - classic, Pings: s.Keepalives, Oversize: s.Oversize + c.oversize.Load(), Malformed: s.Malformed + s.Panicked + classic,
		BadRequests: s.Faulty + bad, Served: s.Requests - bad,
		Retransmits: s.Absorbed + s.Repeats + again,
		ACKs:        s.Acks - stray, StrayACKs: stray,
		Answers: s.Responses, Unmatched: s.Unmatched - again, ForeignVia: s.Foreign,

		Invites: c.invites.Load(), Answered: c.answered.snapshot(),
		ContactsLearned: c.contactsLearned.Load(), ContactsDoubted: c.contactsDoubted.Load(),
		EarlyMedia: c.earlyMedia.Load(), ReadErrors: s.ReadErrors + c.readErrors.Load(),
		Panics: c.panics.Load(), SendErrors: s.SendErrors, ManagerCalls: c.managerCalled.Load(),
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
