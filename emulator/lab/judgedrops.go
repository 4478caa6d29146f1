package lab

import (
	"fmt"

	"github.com/natproof/natproof/vnet"
)

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
