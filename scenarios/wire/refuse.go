package wire

// refusal is the final response by which a box refused a request that had reached it, instead
// of sending it on (RFC 3261 §16.3), or nil. Of several requests the last counts: it may be the
// one with credentials (§22.2).
func (t *Tape) refusal(is func(*Flight) bool) *Flight {
	var last *Flight
	for i := range t.flights {
		if f := &t.flights[i]; f.status == 0 && is(f) {
			last = f
		}
	}
	if last == nil {
		return nil
	}
	for i := range t.flights {
		f := &t.flights[i]
		if f.status >= 300 && f.answers(last.line) && t.endedAt(f.From, last.seq, is) {
			return f
		}
	}
	return nil
}

// endedAt says whether the requests of that number reached a box that sent none of them on.
func (t *Tape) endedAt(box string, seq uint32, is func(*Flight) bool) bool {
	reached := false
	for i := range t.flights {
		f := &t.flights[i]
		if f.seq != seq || !is(f) {
			continue
		}
		if f.From == box {
			return false
		}
		reached = reached || f.arrived && f.end.Box == box
	}
	return reached
}
