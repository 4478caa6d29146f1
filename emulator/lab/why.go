package lab

import (
	"fmt"
	"slices"

	"github.com/natproof/natproof/vnet"
)

// Why something did not work: which box dropped which packet under which rule, who refused what, and
// what the endpoint says.

// maxCauses is how many are told of one failure.
const maxCauses = 3

// list says what drops there were.
func list(all []dropped) []string {
	var causes []string
	for i, d := range all {
		if i == maxCauses {
			causes = append(causes, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		causes = append(causes, fmt.Sprintf("%s %s", d.box, d))
	}
	return causes
}

// dropped lists the drops that are of interest.
func (r *record) dropped(is func(dropped) bool) []string {
	var all []dropped
	for _, d := range r.flights.drops {
		if is(d) {
			all = append(all, d)
		}
	}
	return list(all)
}

func (r *record) whyNotRegistered(e *ended) []string {
	if e.asked == nil && e.kind != "program" {
		return []string{e.name + " was not told to register"}
	}
	ids := map[string]bool{}
	for _, f := range r.ways(e.boxes, func(f *flight) bool { return f.label.method == "REGISTER" && f.label.status == 0 }) {
		ids[f.label.callID] = true
	}
	causes := r.dropped(func(d dropped) bool { return d.label.method == "REGISTER" && ids[d.label.callID] })
	causes = append(causes, r.refusals(e, "REGISTER", func(id string) bool { return ids[id] })...)
	causes = append(causes, e.said...)
	for _, x := range e.registrations {
		if x.why != "" && !slices.Contains(causes, x.why) {
			causes = append(causes, x.why)
		}
	}
	return causes
}

// refusals are the final responses to requests of an endpoint that are no success and reached it.
func (r *record) refusals(e *ended, method string, of func(callID string) bool) []string {
	var causes []string
	for i := range r.flights.all {
		f := &r.flights.all[i]
		if f.kind != vnet.Delivered || f.label.status < 300 || f.label.method != method || !slices.Contains(e.boxes, f.to) || !of(f.label.callID) {
			continue
		}
		if f.label.status == 401 || f.label.status == 407 {
			continue // answered by another request
		}
		if text := fmt.Sprintf("%s answers %s", f.from, f.label.text); !slices.Contains(causes, text) {
			causes = append(causes, text)
		}
	}
	return causes
}

// dropsOf are the drops of the signalling of a call.
func (r *record) dropsOf(c *call) []string {
	if c.id == "" {
		return nil
	}
	return r.dropped(func(d dropped) bool { return d.label.callID == c.id })
}

func (r *record) whyNotCalled(e *ended, c *call) []string {
	id := c.id
	if id == "" { // of a phone that does not tell: the first call that it made at or after the moment
		for _, f := range r.ways(e.boxes, func(f *flight) bool {
			return f.label.method == "INVITE" && f.label.status == 0 && f.sent >= c.made
		}) {
			id = f.label.callID
			break
		}
	}
	var causes []string
	if id != "" {
		causes = r.dropped(func(d dropped) bool { return d.label.callID == id })
		causes = append(causes, r.refusals(e, "INVITE", func(x string) bool { return x == id })...)
	}
	if len(causes) == 0 && c.err != nil {
		causes = append(causes, brief(c.err))
	}
	return append(causes, e.said...)
}

// refusedWith is the status that a call of an endpoint was refused with, or 0.
func (r *record) refusedWith(e *ended, c *call) int {
	if c.code != 0 {
		return c.code
	}
	for _, f := range slices.Backward(r.flights.all) {
		if f.kind == vnet.Delivered && f.label.status >= 300 && f.label.method == "INVITE" && slices.Contains(e.boxes, f.to) && (c.id == "" || f.label.callID == c.id) {
			return f.label.status
		}
	}
	return 0
}
