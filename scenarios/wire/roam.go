package wire

// Roamed selects of those messages the first request that a box sent where its host had roamed to, and
// the responses to it.
func Roamed(box string, match Match) Match {
	return of(match, func(t *Tape) func(*Flight) bool { return t.begun(box, true) })
}

// Settled selects of those messages the others.
func Settled(box string, match Match) Match {
	return of(match, func(t *Tape) func(*Flight) bool {
		roamed := t.begun(box, false)
		return func(f *Flight) bool { return !roamed(f) }
	})
}

func of(match Match, which func(*Tape) func(*Flight) bool) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is, also := match(t, from, to, told), which(t)
		return func(f *Flight) bool { return is(f) && also(f) }
	}
}

// begun selects the requests that a box by its own name sent first, on their whole way, and the
// responses to them: all of a method or the first.
func (t *Tape) begun(box string, first bool) func(*Flight) bool {
	type transaction struct {
		callID, method string
		seq            uint32
	}
	all, methods := map[transaction]bool{}, map[string]bool{}
	for i := range t.flights {
		if f := &t.flights[i]; f.status == 0 && f.Place == box && !(first && methods[f.method]) {
			all[transaction{f.callID, f.method, f.seq}] = true
			methods[f.method] = true
		}
	}
	return func(f *Flight) bool { return all[transaction{f.callID, f.method, f.seq}] }
}
