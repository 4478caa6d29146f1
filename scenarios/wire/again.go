package wire

// Again selects the requests of a method that a host sends in the place of a first one, with a higher
// number in CSeq (RFC 3261 §8.1.1.5), and that before it was called.
func Again(method string) Match {
	return func(t *Tape, from, _ string, _ []Told) func(*Flight) bool {
		later := t.again(method, from)
		return func(f *Flight) bool { return f.request(method) && later(f) }
	}
}

// AgainSuccess selects the 2xx to them.
func AgainSuccess(method string) Match {
	return func(t *Tape, _, to string, _ []Told) func(*Flight) bool {
		later := t.again(method, to)
		return func(f *Flight) bool { return f.success(method) && later(f) }
	}
}

func (t *Tape) again(method, host string) func(*Flight) bool {
	first, until := map[string]uint32{}, t.last
	for i := range t.flights {
		f := &t.flights[i]
		if f.request("INVITE") {
			until = f.At
			break
		}
		if f.From == host && f.request(method) {
			if _, known := first[f.callID]; !known {
				first[f.callID] = f.seq
			}
		}
	}
	return func(f *Flight) bool {
		n, known := first[f.callID]
		return known && f.seq > n && f.At < until
	}
}
