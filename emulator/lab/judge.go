package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/vnet"
)

// verdict is what came of an expectation.
type verdict struct {
	holds bool
	saw   string   // what happened
	cause []string // why it does not hold: which box dropped what under which rule, and the like
}

func yes(format string, args ...any) verdict {
	return verdict{holds: true, saw: fmt.Sprintf(format, args...)}
}

func no(cause []string, format string, args ...any) verdict {
	return verdict{saw: fmt.Sprintf(format, args...), cause: cause}
}

// clock is a moment, and span a time, as it is told.
func clock(d time.Duration) string { return seconds(d) }
func span(d time.Duration) string  { return d.Round(time.Millisecond).String() }

func (c *Registered) says() string {
	switch {
	case c.At != 0:
		return fmt.Sprintf("%s is registered at %v", c.Who, time.Duration(c.At))
	case c.Within != 0:
		return fmt.Sprintf("%s is registered within %v", c.Who, time.Duration(c.Within))
	}
	return c.Who + " is registered"
}

func (c *Registered) judge(r *record) verdict {
	e := r.ends[c.Who]
	if c.At != 0 {
		if at, ok := e.registeredAt(time.Duration(c.At), r); ok {
			return yes("it has been since %s", clock(at))
		}
		return no(r.whyNotRegistered(e), "it is not")
	}
	at, ok := r.firstRegistered(e)
	if !ok {
		return no(r.whyNotRegistered(e), "it never was")
	}
	took := at
	if e.asked != nil {
		took = at - *e.asked
	}
	if c.Within != 0 && took > time.Duration(c.Within) {
		return no(r.whyNotRegistered(e), "it took %s", span(took))
	}
	return yes("it took %s", span(took))
}

// firstRegistered is when an endpoint first got a registration: what it tells, or, of one that tells
// nothing, when a 2xx for a REGISTER reached it.
func (r *record) firstRegistered(e *ended) (time.Duration, bool) {
	for _, x := range e.registrations {
		if x.holds {
			return x.at, true
		}
	}
	if e.kind == "program" {
		for i := range r.flights.all {
			f := &r.flights.all[i]
			if f.kind == vnet.Delivered && slices.Contains(e.boxes, f.to) && f.label.method == "REGISTER" && f.label.status/100 == 2 {
				return f.end, true
			}
		}
	}
	return 0, false
}

// registeredAt says whether an endpoint has a registration at a moment, as far as it knows, and since
// when.
func (e *ended) registeredAt(at time.Duration, r *record) (since time.Duration, holds bool) {
	if e.kind == "program" {
		since, holds = r.firstRegistered(e)
		return since, holds && since <= at
	}
	for _, x := range e.registrations {
		if x.at > at {
			break
		}
		if x.holds && !holds {
			since = x.at
		}
		holds = x.holds
	}
	return since, holds
}

func (c *Unregistered) says() string {
	if c.At != 0 {
		return fmt.Sprintf("%s is not registered at %v", c.Who, time.Duration(c.At))
	}
	return c.Who + " is never registered"
}

func (c *Unregistered) judge(r *record) verdict {
	e := r.ends[c.Who]
	if c.At != 0 {
		if since, holds := e.registeredAt(time.Duration(c.At), r); holds {
			return no(nil, "it has been since %s", clock(since))
		}
	} else if at, ok := r.firstRegistered(e); ok {
		return no(nil, "it was, at %s", clock(at))
	}
	return verdict{holds: true, saw: first(r.whyNotRegistered(e), "it got no answer")}
}

func first(all []string, otherwise string) string {
	if len(all) > 0 {
		return all[0]
	}
	return otherwise
}

// says is the window in words.
func (w Window) says() string {
	switch {
	case w.From != 0 && w.Until != 0:
		return fmt.Sprintf(" from %v to %v", time.Duration(w.From), time.Duration(w.Until))
	case w.From != 0:
		return fmt.Sprintf(" from %v on", time.Duration(w.From))
	case w.Until != 0:
		return fmt.Sprintf(" until %v", time.Duration(w.Until))
	}
	return ""
}

// span is the window in a lab.
func (w Window) span(r *record) (from, until time.Duration) {
	from, until = time.Duration(w.From), time.Duration(w.Until)
	if until == 0 {
		until = r.lasted + 1
	}
	return from, until
}

func (c *Received) says() string {
	return fmt.Sprintf("%s gets the text %.60q%s", c.Who, c.Text, c.Window.says())
}

func (c *Received) judge(r *record) verdict {
	e := r.ends[c.Who]
	from, until := c.span(r)
	for _, x := range e.texts {
		if x.text == c.Text && x.at >= from && x.at < until {
			return yes("it came at %s", clock(x.at))
		}
	}
	if e.kind != "ua" {
		for i := range r.flights.all {
			f := &r.flights.all[i]
			if f.kind == vnet.Delivered && slices.Contains(e.boxes, f.to) && f.label.text == "MESSAGE" && f.end >= from && f.end < until {
				return yes("a MESSAGE came at %s", clock(f.end))
			}
		}
	}
	return no(r.dropped(func(d dropped) bool { return d.label.method == "MESSAGE" && d.in(from, until) > 0 }), "it did not")
}

func (c *Exited) says() string { return fmt.Sprintf("%s ends with status %d", c.Who, c.Status) }

func (c *Exited) judge(r *record) verdict {
	e := r.ends[c.Who]
	switch {
	case e.exit == nil:
		return no(e.said, "it did not end")
	case e.exit.status != int(c.Status):
		return no(e.said, "it ended with status %d at %s", e.exit.status, clock(e.exit.at))
	}
	return yes("it ended at %s", clock(e.exit.at))
}
