package wire

import (
	"slices"
	"time"
)

// HungUp tells which of those boxes was the first to say BYE, and how long after the first 2xx to an
// INVITE that was.
func (t *Tape) HungUp(boxes ...string) (by string, after time.Duration, ok bool) {
	answered := time.Duration(-1)
	for i := range t.flights {
		f := &t.flights[i]
		switch {
		case answered < 0 && f.success("INVITE"):
			answered = f.At
		case answered >= 0 && f.request("BYE") && slices.Contains(boxes, f.From):
			return f.From, f.At - answered, true
		}
	}
	return "", 0, false
}

// BeforeBye is as much of what matches as was sent before one of the two said BYE.
func BeforeBye(match Match) Match {
	return func(t *Tape, from, to string, told []Told) func(*Flight) bool {
		is, until := match(t, from, to, told), t.last
		for i := range t.flights {
			if f := &t.flights[i]; f.request("BYE") && (f.From == from || f.From == to) {
				until = f.At
				break
			}
		}
		return func(f *Flight) bool { return f.At < until && is(f) }
	}
}
