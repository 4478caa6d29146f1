package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/vnet"
)

// flight is the way of one packet.
type flight struct {
	label    label
	from, to string // the boxes where it began and ended; to is empty if it was still on its way
	sent     time.Duration
	end      time.Duration
	src, dst netip.AddrPort // as it began
	kind     vnet.EventKind // Delivered or Dropped
	drop     int            // index of its dropped, or -1
}

// dropped are packets that are alike to a reader, and were dropped at one place for one reason.
type dropped struct {
	box, from   string
	label       string
	is          label
	src, dst    netip.AddrPort // where they were dropped
	reason      vnet.Reason
	detail      string // of the first
	first, last time.Duration
	count       int
	times       []time.Duration
}

// fly makes flights of events, and gathers the drops in the order of the first of each.
func fly(events []vnet.Event) (all []flight, drops []dropped) {
	index := map[uint64]int{}
	type alike struct {
		box, label string
		src, dst   netip.AddrPort
		reason     vnet.Reason
	}
	gathered := map[alike]int{}
	for _, e := range events {
		if e.Kind == vnet.Changed || e.Packet == 0 {
			continue
		}
		i, known := index[e.Packet]
		if !known {
			i = len(all)
			index[e.Packet] = i
			src, dst := e.Src, e.Dst
			if e.Kind == vnet.Translated {
				src, dst = e.FromSrc, e.FromDst
			}
			all = append(all, flight{label: labelOf(e.Proto, e.Payload), from: e.Box, sent: e.At, src: src, dst: dst, drop: -1})
		}
		f := &all[i]
		switch e.Kind {
		case vnet.Delivered:
			f.kind, f.to, f.end = e.Kind, e.Box, e.At
		case vnet.Dropped:
			f.kind, f.to, f.end = e.Kind, e.Box, e.At
			key := alike{e.Box, f.label.text + f.label.callID, e.Src, e.Dst, e.Reason}
			at, ok := gathered[key]
			if !ok {
				at = len(drops)
				gathered[key] = at
				drops = append(drops, dropped{box: e.Box, from: f.from, label: f.label.text, is: f.label, src: e.Src, dst: e.Dst, reason: e.Reason, detail: e.Detail, first: e.At})
			}
			d := &drops[at]
			d.last = e.At
			d.count++
			d.times = append(d.times, e.At)
			f.drop = at
		}
	}
	return all, drops
}

// String says what was dropped, under which rule, and how often.
func (d dropped) String() string {
	text := fmt.Sprintf("drops %s", d.what())
	if d.count > 1 {
		text += fmt.Sprintf(" (%d times, until %s)", d.count, seconds(d.last))
	}
	return text
}

func (d dropped) what() string {
	text := fmt.Sprintf("%s %v -> %v: %s", d.label, d.src, d.dst, d.reason)
	if why := strings.TrimPrefix(d.detail, string(d.reason)+": "); why != "" && why != string(d.reason) {
		text += ": " + short(why)
	}
	return text
}

// short has durations of a detail to the millisecond.
func short(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if d, err := time.ParseDuration(w); err == nil && d > time.Millisecond {
			words[i] = d.Round(time.Millisecond).String()
		}
	}
	return strings.Join(words, " ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

// in says how many of them were in a window.
func (d dropped) in(from, until time.Duration) int {
	n := 0
	for _, at := range d.times {
		if at >= from && at < until {
			n++
		}
	}
	return n
}

// at says whether a drop was at a box, or on the link of it.
func (d dropped) at(box string) bool { return box == boxAny || d.box == box || d.box == box+".link" }

// ways are the flights that somebody began.
func (r *record) ways(boxes []string, is func(*flight) bool) []*flight {
	var all []*flight
	for i := range r.flights {
		if f := &r.flights[i]; slices.Contains(boxes, f.from) && is(f) {
			all = append(all, f)
		}
	}
	return all
}
