package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/natproof/natproof/vnet"
)

// usualShare is how much of what is sent must arrive for somebody to be heard.
const usualShare = 0.5

func (c *Media) parties() []string   { return []string{c.Who, c.With} }
func (c *Heard) parties() []string   { return []string{c.Who, c.By} }
func (c *Unheard) parties() []string { return []string{c.Who, c.By} }

func (c *Media) says() string {
	return fmt.Sprintf("%s and %s hear each other%s", c.Who, c.With, c.Window.says())
}

func (c *Heard) says() string {
	return fmt.Sprintf("%s is heard by %s%s", c.Who, c.By, c.Window.says())
}

func (c *Unheard) says() string {
	return fmt.Sprintf("%s is not heard by %s%s", c.Who, c.By, c.Window.says())
}

func (c *Media) judge(r *record) verdict {
	there, back := r.hears(c.Who, c.With, c.Window, c.Share), r.hears(c.With, c.Who, c.Window, c.Share)
	if there.heard && back.heard {
		return yes("%s; %s", there.saw, back.saw)
	}
	v := verdict{saw: there.saw + "; " + back.saw}
	for _, x := range []listening{there, back} {
		if !x.heard {
			v.cause = append(v.cause, x.cause...)
		}
	}
	v.cause = slices.Compact(v.cause)
	return v
}

func (c *Heard) judge(r *record) verdict {
	x := r.hears(c.Who, c.By, c.Window, c.Share)
	return verdict{holds: x.heard, saw: x.saw, cause: x.cause}
}

func (c *Unheard) judge(r *record) verdict {
	x := r.hears(c.Who, c.By, c.Window, 0)
	if x.arrived > 0 {
		return verdict{saw: x.saw}
	}
	return verdict{holds: true, saw: first(x.cause, x.saw)}
}

// listening is how much of somebody reaches another.
type listening struct {
	heard         bool
	sent, arrived int
	saw           string
	cause         []string
}

// hears counts the RTP of one that reached another: on the wire, and, where the other tells how much it
// has used, there.
func (r *record) hears(who, by string, w Window, share Share) (x listening) {
	from, until := w.span(r)
	speaker, hearer := r.ends[who], r.ends[by]
	lostTo := map[string]int{}
	dropped := map[int]int{}
	for _, f := range r.ways(speaker.boxes, func(f *flight) bool { return f.label.text == kindRTP && f.sent >= from && f.sent < until }) {
		x.sent++
		switch {
		case f.kind == vnet.Delivered && slices.Contains(hearer.boxes, f.to):
			x.arrived++
		case f.kind == vnet.Delivered:
			lostTo[f.to]++
		case f.kind == vnet.Dropped:
			dropped[f.drop]++
		}
	}
	used, told := r.used(hearer, from, until, w)
	x.saw = fmt.Sprintf("%d of %d packets of %s reach %s", x.arrived, x.sent, who, by)
	if told && used.used == 0 && x.arrived > 0 {
		x.saw = fmt.Sprintf("%d of %d packets of %s reach %s, which uses none", x.arrived, x.sent, who, by)
		x.cause = append(x.cause, fmt.Sprintf("%s discards %d that come from elsewhere than was signalled", by, used.strict))
		x.arrived = 0
	}
	if share == 0 {
		share = usualShare
	}
	x.heard = x.sent > 0 && float64(x.arrived) >= float64(share)*float64(x.sent) && x.arrived > 0
	if x.sent == 0 {
		x.cause = append(x.cause, r.whySilent(speaker, from, until)...)
	}
	var at []int
	for i := range dropped {
		at = append(at, i)
	}
	slices.Sort(at)
	for _, i := range at {
		d := r.flights.drops[i]
		x.cause = append(x.cause, fmt.Sprintf("%s drops %s of %s: %s", d.box, times(dropped[i], "packet", "packets"), who, d.what()))
	}
	var boxes []string
	for box := range lostTo {
		boxes = append(boxes, box)
	}
	slices.Sort(boxes)
	for _, box := range boxes {
		x.cause = append(x.cause, fmt.Sprintf("%s of %s go to %s", times(lostTo[box], "packet", "packets"), who, box))
	}
	return x
}

// used is how much media an endpoint has used in a window; false if it does not tell.
func (r *record) used(e *ended, from, until time.Duration, w Window) (n counts, told bool) {
	after, ok := e.samples[until]
	if !ok || w.Until == 0 {
		return n, false
	}
	before := e.samples[from] // none: the beginning
	return counts{after.used - before.used, after.strict - before.strict}, true
}

// whySilent is why somebody sends no media.
func (r *record) whySilent(e *ended, from, until time.Duration) []string {
	var last *call
	for _, c := range e.calls {
		if c.made < until {
			last = c
		}
	}
	switch {
	case last == nil:
		return []string{e.name + " has no call"}
	case last.answered == nil:
		return append([]string{fmt.Sprintf("the call of %s is not answered", e.name)}, r.whyNotCalled(e, last)...)
	case last.ended != nil && *last.ended <= from:
		return append([]string{fmt.Sprintf("the call of %s ended at %s: %s", e.name, clock(*last.ended), last.ending())}, r.dropsOf(last)...)
	}
	return []string{e.name + " sends none"}
}
