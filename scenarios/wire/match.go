package wire

// Match selects the messages of a step on their whole way, relayed and repeated copies
// included, given the hosts that they are from and for and what was told of them.
type Match func(t *Tape, from, to string, told []Told) func(*Flight) bool

// Request selects the requests of a method that the sender began, sent or relayed, and not
// those of the other end that go the other way: the tag of From tells (RFC 3261 §12).
func Request(method string) Match {
	return func(t *Tape, from, _ string, _ []Told) func(*Flight) bool {
		tags := map[string]bool{}
		for i := range t.flights {
			if f := &t.flights[i]; f.From == from && f.request(method) {
				tags[f.fromTag] = true
			}
		}
		return func(f *Flight) bool { return f.request(method) && tags[f.fromTag] }
	}
}

// Success selects the 2xx to requests of a method that the host they are for had sent.
func Success(method string) Match {
	return func(t *Tape, _, to string, _ []Told) func(*Flight) bool {
		calls := map[string]bool{}
		for i := range t.flights {
			if f := &t.flights[i]; f.From == to && f.request(method) {
				calls[f.callID] = true
			}
		}
		return func(f *Flight) bool { return f.success(method) && calls[f.callID] }
	}
}

// Ack selects the ACK of a 2xx. Without a 2xx at its sender every ACK is the hop-by-hop one
// of a failed INVITE (RFC 3261 §17.1.1.3), which is nobody's step.
func Ack(t *Tape, from, to string, told []Told) func(*Flight) bool {
	is := Request("ACK")(t, from, to, told)
	answered := t.answered(from, told)
	return func(f *Flight) bool { return answered && is(f) }
}

// answered says whether a 2xx to an INVITE reached the host, and was of use there.
func (t *Tape) answered(host string, told []Told) bool {
	for i := range t.flights {
		f := &t.flights[i]
		if f.success("INVITE") && f.arrived && f.end.Box == host && useless(f, told) == nil {
			return true
		}
	}
	return false
}
