package wire

// StaysUp selects what keeps a call up: the ACK, if the callee gave up, has answered nobody or was
// sent none, and otherwise the INVITE, which it has answered and stands by.
func StaysUp(t *Tape, from, to string, told []Told) func(*Flight) bool {
	method := "ACK"
	if t.sent("INVITE", true, to) && t.sent("ACK", false, from) && !t.gaveUp(to) {
		method = "INVITE"
	}
	return Request(method)(t, from, to, told)
}

// sent says whether a box sent a request of the method, or a 2xx to it.
func (t *Tape) sent(method string, success bool, box string) bool {
	for i := range t.flights {
		f := &t.flights[i]
		if f.From == box && (success && f.success(method) || !success && f.request(method)) {
			return true
		}
	}
	return false
}

// gaveUp says whether a box said BYE before an ACK had reached it (RFC 3261 §13.3.1.4).
func (t *Tape) gaveUp(box string) bool {
	for i := range t.flights {
		f := &t.flights[i]
		switch {
		case f.request("ACK") && f.arrived && f.end.Box == box:
			return false
		case f.request("BYE") && f.From == box:
			return true
		}
	}
	return false
}
