package registrar

import "maps"

// Stats counts what a server has seen and done since New. Each datagram has one outcome:
// Keepalives, NotSIP, STUN, Oversize, Malformed, Panicked, Requests, Absorbed, AcksForwarded,
// AcksUnmatched, Responses and ResponsesUnmatched add up to Datagrams.
type Stats struct {
	Datagrams  uint64 // received
	Keepalives uint64 // of them: empty, CRLF or a few zero bytes only
	NotSIP     uint64 // of them: STUN with nobody to take it
	STUN       uint64 // of them: STUN handed to Config.OnSTUN, or taken by AnswerSTUN
	Oversize   uint64 // of them: too large for the read buffer
	Malformed  uint64 // of them: not understood, whether answered with 400 or 505, or dropped
	Panicked   uint64 // of them: ended by a panic before they were anything else, see Config.OnPanic
	Requests   uint64 // of them: requests that began a transaction
	Responses  uint64 // of them: responses that a transaction waited for

	Registrations uint64         // REGISTER requests that changed or confirmed bindings
	Queries       uint64         // REGISTER requests without Contact
	Bindings      int            // bindings alive now
	Rejected      map[int]uint64 // requests this server refused, by status code

	Subscriptions int    // to the server's agents, alive now
	Publications  int    // alive now
	Notified      uint64 // NOTIFYs sent, each counted once
	NotifyFailed  uint64 // of them: not answered, or refused

	Pings           uint64 // sent, see Config.Ping
	PingsAnswered   uint64
	PingsUnanswered uint64
	Unreachable     uint64 // bindings removed since nobody answered

	RequestsForwarded  uint64 // new requests sent on, each branch counted once
	ResponsesForwarded uint64
	AcksForwarded      uint64
	Retransmitted      uint64 // requests, responses and ACKs this server sent again
	Absorbed           uint64 // retransmissions, and ACKs of refusals
	TimedOut           uint64 // branches without an answer

	ResponsesUnmatched uint64 // responses nobody waits for
	AcksUnmatched      uint64 // ACKs without a transaction or a dialog
	WriteErrors        uint64 // messages that did not leave
	ReadErrors         uint64
	Panics             uint64 // over datagrams and timers, that Config.OnPanic was told of
	StoreErrors        uint64 // changes that Config.Store did not keep; their requests got 500

	Transactions int // alive now, finished ones that still absorb retransmissions included
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, below := s.stats, s.stack.Stats()
	st.Rejected = maps.Clone(s.stats.Rejected)
	st.Bindings = s.location.count(s.now())
	st.Subscriptions = len(s.agents.dialogs)
	for _, p := range s.agents.presence {
		st.Publications += len(p.published)
	}
	st.Datagrams, st.Keepalives, st.Malformed = below.Datagrams, below.Keepalives, below.Malformed+below.Faulty
	if s.cfg.OnSTUN == nil && !s.cfg.AnswerSTUN {
		st.NotSIP = below.STUN
	} else {
		st.STUN = below.STUN
	}
	st.Requests, st.Absorbed = below.Requests, below.Absorbed+below.Repeats
	st.Responses, st.ResponsesUnmatched = below.Responses, below.Unmatched+below.Foreign
	st.Oversize, st.ReadErrors = below.Oversize, below.ReadErrors
	st.Panicked, st.Panics = below.Panicked, below.Panics
	st.Retransmitted, st.WriteErrors, st.Transactions = below.Repeated, below.SendErrors, below.Transactions
	return st
}
