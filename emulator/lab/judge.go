package lab

import (
	"fmt"
	"slices"
	"strings"
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

// nth is one of the calls of an endpoint: of those that it made, or of all.
func (e *ended) nth(n uint16, made bool) *call {
	for _, c := range e.calls {
		if made && !c.out {
			continue
		}
		if n <= 1 {
			return c
		}
		n--
	}
	return nil
}

func ordinal(n uint16) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(" number %d", n)
}

func (c *Answered) says() string {
	text := fmt.Sprintf("the call%s of %s is answered", ordinal(c.Call), c.Who)
	if c.Within != 0 {
		text += fmt.Sprintf(" within %v", time.Duration(c.Within))
	}
	return text
}

func (c *Answered) judge(r *record) verdict {
	e := r.ends[c.Who]
	x := r.madeBy(e, c.Call)
	switch {
	case x == nil:
		return no(nil, "it made no such call")
	case x.answered == nil:
		return no(r.whyNotCalled(e, x), "it was not")
	}
	took := *x.answered - x.made
	if c.Within != 0 && took > time.Duration(c.Within) {
		return no(r.whyNotCalled(e, x), "it took %s", span(took))
	}
	return yes("it took %s", span(took))
}

// madeBy is a call that an endpoint made. Of a program it is what is seen of it on the wire.
func (r *record) madeBy(e *ended, n uint16) *call {
	if e.kind != "program" {
		return e.nth(n, true)
	}
	var calls []*call
	for _, f := range r.ways(e.boxes, func(f *flight) bool { return f.label.method == "INVITE" && f.label.status == 0 }) {
		if !slices.ContainsFunc(calls, func(c *call) bool { return c.id == f.label.callID }) {
			calls = append(calls, &call{out: true, id: f.label.callID, made: f.sent})
		}
	}
	for i := range r.flights.all {
		f := &r.flights.all[i]
		if f.kind != vnet.Delivered || !slices.Contains(e.boxes, f.to) || f.label.method != "INVITE" || f.label.status/100 != 2 {
			continue
		}
		for _, c := range calls {
			if c.id == f.label.callID && c.answered == nil {
				c.answered = &f.end
			}
		}
	}
	return (&ended{calls: calls}).nth(n, true)
}

func (c *Unanswered) says() string {
	text := fmt.Sprintf("the call%s of %s is not answered", ordinal(c.Call), c.Who)
	if c.Status != 0 {
		text += fmt.Sprintf(", but refused with %d", c.Status)
	}
	return text
}

func (c *Unanswered) judge(r *record) verdict {
	e := r.ends[c.Who]
	x := r.madeBy(e, c.Call)
	if x == nil {
		return no(nil, "it made no such call")
	}
	if x.answered != nil {
		return no(nil, "it was, after %s", span(*x.answered-x.made))
	}
	why := r.whyNotCalled(e, x)
	if status := r.refusedWith(e, x); c.Status != 0 && status != int(c.Status) {
		return no(why, "it was refused with %s", statusText(status))
	}
	return verdict{holds: true, saw: first(why, "nobody answered")}
}

func statusText(n int) string {
	if n == 0 {
		return "nothing"
	}
	return fmt.Sprint(n)
}

func (c *Ended) says() string {
	text := fmt.Sprintf("the call%s of %s ends", ordinal(c.Call), c.Who)
	if c.With != "" {
		text += " with " + string(c.With)
	}
	return text + c.Window.says()
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

func (c *Ended) judge(r *record) verdict {
	x := r.ends[c.Who].nth(c.Call, false)
	if x == nil {
		return no(nil, "it had no such call")
	}
	from, until := c.span(r)
	why := r.dropsOf(x)
	switch {
	case x.ended == nil:
		return no(nil, "it goes on")
	case *x.ended < from || *x.ended >= until:
		return no(why, "it ended at %s: %s", clock(*x.ended), x.ending())
	case c.With != "" && strings.ReplaceAll(x.reason.String(), " ", "-") != string(c.With):
		return no(why, "it ended at %s: %s", clock(*x.ended), x.ending())
	}
	return verdict{holds: true, saw: fmt.Sprintf("it ended at %s: %s", clock(*x.ended), x.ending()), cause: why}
}

func (c *call) ending() string {
	if c.err != nil {
		return c.reason.String() + ": " + brief(c.err)
	}
	return c.reason.String()
}

func (c *InCall) says() string {
	return fmt.Sprintf("%s is in a call at %v", c.Who, time.Duration(c.At))
}

func (c *InCall) judge(r *record) verdict {
	e := r.ends[c.Who]
	at := time.Duration(c.At)
	var last *call
	for _, x := range e.calls {
		if x.made > at {
			break
		}
		last = x
		if x.answered != nil && *x.answered <= at && (x.ended == nil || *x.ended > at) {
			return yes("it has been since %s", clock(*x.answered))
		}
	}
	switch {
	case last == nil:
		return no(nil, "it had no call")
	case last.answered == nil:
		return no(r.whyNotCalled(e, last), "its call was not answered")
	}
	return no(r.dropsOf(last), "its call ended at %s: %s", clock(*last.ended), last.ending())
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

func (c *Drop) says() string {
	text := fmt.Sprintf("%s drops %s", boxText(c.Box), ofText(c.Of))
	if c.Least > 1 {
		text = fmt.Sprintf("%s drops %d or more %s", boxText(c.Box), c.Least, ofText(c.Of))
	}
	if c.Reason != "" {
		text += ", " + string(c.Reason)
	}
	return text + c.Window.says()
}

func boxText(box string) string {
	if box == boxAny {
		return "somebody"
	}
	return box
}

func ofText(of string) string {
	if of == "" || of == kindEverything {
		return "packets"
	}
	return of
}

// droppedAt are the drops that a claim is about.
func (r *record) droppedAt(box string, reason ReasonWord, of string, w Window) (found []dropped, count int) {
	is := func(label) bool { return true }
	if of != "" {
		is, _ = parseKind(of) // checked
	}
	from, until := w.span(r)
	for _, d := range r.flights.drops {
		if n := d.in(from, until); n > 0 && d.at(box) && (reason == "" || d.reason == vnet.Reason(reason)) && is(d.label) {
			found = append(found, d)
			count += n
		}
	}
	return found, count
}

func (c *Drop) judge(r *record) verdict {
	found, n := r.droppedAt(c.Box, c.Reason, c.Of, c.Window)
	if n < max(int(c.Least), 1) {
		others, _ := r.droppedAt(boxAny, "", "", c.Window)
		return no(list(others), "%s", times(n, "was dropped", "were dropped"))
	}
	return yes("%s, at %s: %s", times(n, "packet", "packets"), clock(found[0].first()), found[0].what())
}

func times(n int, one, many string) string {
	if n == 0 {
		return "none " + many
	}
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (c *NoDrop) says() string {
	text := fmt.Sprintf("%s drops no %s", boxText(c.Box), ofText(c.Of))
	if c.Box == boxAny {
		text = fmt.Sprintf("nobody drops %s", ofText(c.Of))
	}
	if c.Reason != "" {
		text += ", " + string(c.Reason)
	}
	return text + c.Window.says()
}

func (c *NoDrop) judge(r *record) verdict {
	found, n := r.droppedAt(c.Box, c.Reason, c.Of, c.Window)
	if n > 0 {
		return no(list(found), "%s", times(n, "was dropped", "were dropped"))
	}
	return yes("none were dropped")
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
