package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/vnet"
)

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
