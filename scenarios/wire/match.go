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
	return responseTo(method, func(status int) bool { return status >= 200 && status < 300 })
}

// Provisional selects the responses of a provisional status likewise.
func Provisional(method string, status int) Match {
	return responseTo(method, func(s int) bool { return s == status })
}

func responseTo(method string, is func(status int) bool) Match {
	type asked struct{ callID, fromTag string }
	return func(t *Tape, _, to string, _ []Told) func(*Flight) bool {
		calls := map[asked]bool{}
		for i := range t.flights {
			if f := &t.flights[i]; f.From == to && f.request(method) {
				calls[asked{f.callID, f.fromTag}] = true
			}
		}
		return func(f *Flight) bool { return f.method == method && is(f.status) && calls[asked{f.callID, f.fromTag}] }
	}
}

// Of selects what belongs to one of the calls that a host began, the first of which is 0.
func Of(caller string, call int, match Match) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is, id := match(t, from, to, told), t.call(caller, call)
		return func(f *Flight) bool { return f.callID == id && id != "" && is(f) }
	}
}

// Report selects the NOTIFYs that report a status of a call that was asked for by REFER
// (RFC 3515 §2.4.5).
func Report(status int) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is := Request("NOTIFY")(t, from, to, told)
		return func(f *Flight) bool { return is(f) && f.reported == status }
	}
}

// call is the Call-ID of one of the calls that a host began, or empty. Who sends the first INVITE
// has begun it.
func (t *Tape) call(caller string, call int) string {
	seen := map[string]bool{}
	for i := range t.flights {
		f := &t.flights[i]
		if !f.request("INVITE") || seen[f.callID] {
			continue
		}
		seen[f.callID] = true
		if f.From != caller {
			continue
		}
		if call--; call < 0 {
			return f.callID
		}
	}
	return ""
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
