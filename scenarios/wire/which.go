package wire

import "slices"

// Which selects some of the requests that a box began, where a flow has several of one method.
type Which func(t *Tape, from string) func(*Flight) bool

// First selects the first request of a method, with its copies.
func First(method string) Which {
	return func(t *Tape, from string) func(*Flight) bool {
		for i := range t.flights {
			if f := &t.flights[i]; f.From == from && f.request(method) {
				return f.copies
			}
		}
		return nothing
	}
}

// Ending selects the SUBSCRIBE by which a subscription is ended, or the NOTIFY that says that it
// has.
func Ending(method string) Which {
	return func(t *Tape, from string) func(*Flight) bool {
		for i := range t.flights {
			if f := &t.flights[i]; f.From == from && f.request(method) && f.ends {
				return f.copies
			}
		}
		return nothing
	}
}

// State selects each NOTIFY that tells the state of that number, from 0 on, until the subscription
// ends: however often it is told.
func State(number int) Which {
	return func(t *Tape, from string) func(*Flight) bool {
		var states []uint64
		for i := range t.flights {
			f := &t.flights[i]
			if f.From == from && f.request("NOTIFY") && !f.ends && !slices.Contains(states, f.told) {
				states = append(states, f.told)
			}
		}
		if number >= len(states) {
			return nothing
		}
		return func(f *Flight) bool { return f.request("NOTIFY") && !f.ends && f.told == states[number] }
	}
}

// Requests matches the requests that are selected.
func Requests(which Which) Match {
	return func(t *Tape, from, _ string, _ []Told) func(*Flight) bool { return which(t, from) }
}

// Successes matches the 2xx to them.
func Successes(which Which) Match {
	return func(t *Tape, _, to string, _ []Told) func(*Flight) bool {
		is := which(t, to)
		var asked []*Flight
		for i := range t.flights {
			if f := &t.flights[i]; is(f) {
				asked = append(asked, f)
			}
		}
		return func(f *Flight) bool {
			return f.success(f.method) && slices.ContainsFunc(asked, func(r *Flight) bool { return f.answers(r.line) })
		}
	}
}

// copies says whether another flight is of the same request.
func (f *Flight) copies(o *Flight) bool {
	return o.request(f.method) && o.callID == f.callID && o.seq == f.seq && o.fromTag == f.fromTag
}

func nothing(*Flight) bool { return false }
