package registrar

import "maps"

// Stats counts what a server has seen and done since New.
type Stats struct {
	Datagrams  uint64 // received
	Keepalives uint64 // of them: empty, CRLF or zero bytes only
	NotSIP     uint64 // of them: STUN with nobody to take it
	Malformed  uint64 // of them: not understood, whether answered with 400 or dropped

	Registrations uint64         // REGISTER requests that changed or confirmed bindings
	Queries       uint64         // REGISTER requests without Contact
	Bindings      int            // bindings alive now
	Rejected      map[int]uint64 // requests this server refused, by status code

	RequestsForwarded  uint64 // new requests sent on, each branch counted once
	ResponsesForwarded uint64
	AcksForwarded      uint64
	Retransmitted      uint64 // requests, responses and ACKs this server sent again
	Absorbed           uint64 // retransmissions and ACKs that ended here
	TimedOut           uint64 // branches without an answer

	ResponsesUnmatched uint64 // responses nobody waits for
	AcksUnmatched      uint64 // ACKs without a transaction or a dialog
	WriteErrors        uint64

	Transactions int // alive now, finished ones that still absorb retransmissions included
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Rejected = maps.Clone(s.stats.Rejected)
	st.Bindings = s.location.count(s.now())
	st.Transactions = len(s.servers) + len(s.clients)
	return st
}
