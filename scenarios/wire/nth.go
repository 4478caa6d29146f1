package wire

// Nth is Request for the n-th that the sender began in its first call, from 1. Each has a number
// of its own, which its copies share (RFC 3261 §12.2.1.1).
func Nth(method string, n int) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is, number, ok := Request(method)(t, from, to, told), uint32(0), false
		number, ok = t.nth(method, from, n)
		return func(f *Flight) bool { return ok && is(f) && f.seq == number }
	}
}

// NthSuccess is Success for the n-th request of the method.
func NthSuccess(method string, n int) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is := Success(method)(t, from, to, told)
		number, ok := t.nth(method, to, n)
		return func(f *Flight) bool { return ok && is(f) && f.seq == number }
	}
}

// NthAck is Ack for the n-th INVITE, of which it has the number.
func NthAck(n int) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is := Ack(t, from, to, told)
		number, ok := t.nth("INVITE", from, n)
		return func(f *Flight) bool { return ok && is(f) && f.seq == number }
	}
}

// nth is the number of the n-th request of a method that a host began in its first call.
func (t *Tape) nth(method, from string, n int) (number uint32, ok bool) {
	var call string
	var last uint32
	for i := range t.flights {
		f := &t.flights[i]
		if f.From != from || !f.request(method) {
			continue
		}
		if call == "" {
			call = f.callID
		}
		if f.callID != call || f.seq <= last {
			continue
		}
		last = f.seq
		if n--; n == 0 {
			return last, true
		}
	}
	return 0, false
}
