package stun

// An Outcome is what became of a datagram. Every datagram read has exactly one.
type Outcome uint8

// The outcomes.
const (
	Answered         Outcome = iota // success response
	AnsweredLegacy                  // success response to an RFC 3489 client
	BadRequest                      // error response 400
	UnknownAttribute                // error response 420
	Indication                      // Binding indication, which has no answer
	TooShort                        // dropped: less than a header
	NotSTUN                         // dropped: the first two bits are not zero
	BadLength                       // dropped: length field not a multiple of four, or not the datagram's
	Unsupported                     // dropped: neither a Binding request nor a Binding indication
	BadAttributes                   // dropped: an indication whose attributes cannot be read
	BadFingerprint                  // dropped: FINGERPRINT wrong, or not the last attribute
	BadSource                       // dropped: no source to answer to
	Unencodable                     // dropped: the answer cannot be encoded
	Panicked                        // dropped: it made the server panic, see Config.OnPanic

	outcomes
)

// String is the outcome in lower case, as in "bad-length".
func (o Outcome) String() string {
	names := [outcomes]string{
		"answered", "answered-legacy", "bad-request", "unknown-attribute", "indication", "too-short", "not-stun",
		"bad-length", "unsupported", "bad-attributes", "bad-fingerprint", "bad-source", "unencodable", "panicked",
	}
	if o >= outcomes {
		return "unknown"
	}
	return names[o]
}

// Stats counts datagrams by outcome.
type Stats struct {
	ByOutcome   [outcomes]uint64 // index with an Outcome
	ReadErrors  uint64           // reads that failed while the server was open
	WriteErrors uint64           // answers, counted above, that a socket refused to send
}

// Count is the number of datagrams with that outcome.
func (s Stats) Count(o Outcome) uint64 { return s.ByOutcome[o] }

// Received is the number of datagrams read.
func (s Stats) Received() uint64 {
	var n uint64
	for _, c := range s.ByOutcome {
		n += c
	}
	return n
}

// Dropped is the number of datagrams that were neither answered nor meant to
// go without an answer.
func (s Stats) Dropped() uint64 {
	var n uint64
	for o := TooShort; o < outcomes; o++ {
		n += s.ByOutcome[o]
	}
	return n
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	st := Stats{ReadErrors: s.readErr.Load(), WriteErrors: s.writeErr.Load()}
	for o := range st.ByOutcome {
		st.ByOutcome[o] = s.counts[o].Load()
	}
	return st
}

func (s *Server) count(o Outcome) { s.counts[o].Add(1) }
