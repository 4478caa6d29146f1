package sipstack

// Outcomes counts what became of the datagrams that arrived, each in one field.
type Outcomes struct {
	Keepalives uint64 // empty, line ends or zero bytes
	STUN       uint64 // STUN messages, handed on or not
	Oversize   uint64 // larger than the read buffer, dropped
	Malformed  uint64 // not SIP, or not to be answered
	Faulty     uint64 // requests answered with their fault, and ACKs with one
	Requests   uint64 // that began a transaction
	Absorbed   uint64 // repeated requests, and ACKs that ended a transaction
	Acks       uint64 // handed to the user
	Responses  uint64 // handed to the client of their transaction
	Repeats    uint64 // responses that a transaction had its final one before
	Unmatched  uint64 // responses handed to the user, since no transaction waits for them
	Foreign    uint64 // responses with another sent-by than their request (RFC 3261 §18.1.2)
	Panicked   uint64 // those that a panic ended before they were any of these, see Config.OnPanic
}

// Total is how many there were.
func (o Outcomes) Total() uint64 {
	return o.Keepalives + o.STUN + o.Oversize + o.Malformed + o.Faulty + o.Requests + o.Absorbed +
		o.Acks + o.Responses + o.Repeats + o.Unmatched + o.Foreign + o.Panicked
}

// Stats counts what a stack has seen and done.
type Stats struct {
	Datagrams uint64 // received
	Outcomes
	Sent         uint64 // messages, repetitions included
	Repeated     uint64 // of them: sent again
	SendErrors   uint64 // messages that did not leave
	ReadErrors   uint64
	Panics       uint64 // that Config.OnPanic was told of
	Transactions int    // alive now, finished ones that still absorb repetitions included
}

// Stats returns the counters of this moment.
func (s *Stack) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Transactions = len(s.servers) + len(s.clients)
	return st
}
