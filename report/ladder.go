package report

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// Ladder writes what happened in one cell, message by message: an arrow for each
// packet with its virtual time in seconds, the rewrite and the mapping at each
// NAT, a cross with the reason where a packet was dropped; then what was
// predicted, what was observed, and why. The result must have been made with
// RunOptions.Trace.
func Ladder(w io.Writer, r scenarios.Result, o Options) error {
	var b strings.Builder
	hangPainted(&b, "", r.Cell.ID(), heading, fmt.Sprintf("seed %d", r.Seed), o)
	hang(&b, "", story(r.Cell), o.width())
	if len(r.Events) > 0 {
		for _, line := range wrap("Time in seconds. ◆n: rewritten by mapping n of that NAT. ╳: dropped. × n: n packets alike.", o.width()) {
			b.WriteString(o.paint(faint, line) + "\n")
		}
		b.WriteByte('\n')
		drawLadder(&b, r.Events, r.Boxes, o)
	}
	b.WriteByte('\n')
	conclusion(&b, r, o)
	return flush(w, &b)
}

// story says in a few sentences what is played.
func story(c cell.Cell) string {
	f := flows.Of(c)
	var who []string
	for _, side := range []cell.Side{cell.A, cell.B} {
		if f.Ends[side].Says != "" {
			continue
		}
		if nat := c.NATName(side); nat == cell.NoNAT {
			who = append(who, string(side)+" has a public address")
		} else {
			who = append(who, string(side)+" is behind "+nat)
		}
	}
	return strings.Join(who, ", ") + ". " + f.Story
}

// drawLadder draws the events alone.
func drawLadder(b *strings.Builder, events []vnet.Event, boxes []stage.Box, o Options) {
	d := drawing{
		lanes: layLanes(boxes, events, o.width()), o: o, out: b,
		known: map[mappingKey]bool{}, rewrites: map[rewriting]bool{}, refusals: map[refusal]bool{}, drawn: map[appearance]bool{},
	}
	if len(d.lanes.all) == 0 {
		return
	}
	d.head()
	for _, r := range fold(journeys(events)) {
		d.row(r)
	}
	d.foot()
}

type drawing struct {
	lanes lanes
	o     Options
	out   *strings.Builder

	known    map[mappingKey]bool // what has been shown before
	rewrites map[rewriting]bool
	refusals map[refusal]bool
	drawn    map[appearance]bool
}

// appearance is what a reader sees of a packet.
type appearance struct {
	path path
	note string
}

type mappingKey struct {
	box string
	id  uint64
}

// rewriting is a mapping at work in one direction.
type rewriting struct {
	box      string
	mapping  natmodels.MappingInfo
	outbound bool
}

// refusal is a drop that happens again and again.
type refusal struct {
	box      string
	src, dst netip.AddrPort
	reason   vnet.Reason
}

func (d *drawing) head() {
	d.names()
	for _, line := range d.lanes.addresses() {
		d.write(faint, line)
	}
	d.write(plain, d.lanes.strip('│'))
}

func (d *drawing) foot() {
	d.write(plain, d.lanes.strip('│'))
	d.names()
}

func (d *drawing) names() {
	s := d.lanes.strip(' ')
	for _, l := range d.lanes.all {
		s.center(l.x, l.box.Name)
	}
	d.write(heading, s)
}

func (d *drawing) write(t tone, s strip) { d.out.WriteString(d.o.paint(t, s.String()) + "\n") }

func (d *drawing) row(r row) {
	switch {
	case r.change != nil:
		d.changed(*r.change)
	default:
		d.packet(r)
	}
	if r.again != nil {
		what := "this"
		if r.again.rows > 1 {
			what = fmt.Sprintf("the last %d messages", r.again.rows)
		}
		times := "once more, at"
		if r.again.turns > 1 {
			times = fmt.Sprintf("%d more times, until", r.again.turns)
		}
		text := fmt.Sprintf("... %s %s %s", what, times, seconds(r.again.until))
		for _, line := range wrap(text, d.lanes.width-(timeWidth+3)) {
			s := d.lanes.strip('┆')
			blank(s, timeWidth+2, timeWidth+4+utf8.RuneCountInString(line)+1)
			s.put(timeWidth+3, line)
			d.write(faint, s)
		}
	}
}

// changed shows a change of the lab at its box.
func (d *drawing) changed(e vnet.Event) {
	s := d.lanes.strip('│')
	s.put(0, stamp(e.At))
	at := max(d.lanes.find(e.Box), 0)
	text := e.Box + ": " + e.Detail
	d.write(plain, s)
	for _, s := range d.lanes.notes([]note{{at, "═ " + text}}) {
		d.write(heading, s)
	}
}

// leg is a part of a packet's way that runs in one direction.
type leg struct {
	stops []stop // where it starts, is translated, and ends
	lost  bool   // the last stop is a cross
}

// stop is a place on the way of a packet.
type stop struct {
	x       int
	mapping uint64 // the number of the mapping that translated it there, or 0
}

// mark is what stands at a NAT: a lozenge and the number of the mapping.
func (s stop) mark() string {
	if s.mapping == 0 {
		return "◆"
	}
	return fmt.Sprintf("◆%d", s.mapping)
}

// packet draws the arrow of a journey, one line for each direction it takes, and
// the notes below. A packet that looks like an earlier one, as a retransmission
// does, is marked "again" and its notes are not repeated.
func (d *drawing) packet(r row) {
	legs := d.legs(r.journey)
	look := appearance{r.path(), r.note}
	again := d.drawn[look]
	d.drawn[look] = true
	notes := d.rowNotes(r, again)
	t := plain
	if r.end().Kind == vnet.Dropped {
		t = bad
	}
	for i, l := range legs {
		s := d.lanes.strip('│')
		if i == 0 {
			s.put(0, stamp(r.at))
		}
		above := l.draw(s, labels(r, i, again))
		if above != "" {
			n := utf8.RuneCountInString(above)
			x := min(min(l.stops[0].x, l.stops[len(l.stops)-1].x)+2, d.lanes.width-n)
			line := d.lanes.strip('│')
			blank(line, x-1, x+1+n)
			line.put(x, above)
			d.write(t, line)
		}
		d.write(t, s)
	}
	for _, s := range d.lanes.notes(notes) {
		d.write(faint, s)
	}
}

// labels are what the arrow may say, best first.
func labels(r row, leg int, again bool) []string {
	if leg > 0 {
		return []string{"hairpin", ""}
	}
	label, short := r.label, r.short
	if again && !r.kind.streams() {
		label, short = label+" again", short+" again"
	}
	if r.count > 1 {
		label, short = fmt.Sprintf("%s × %d", label, r.count), fmt.Sprintf("%s × %d", short, r.count)
		return []string{label + " until " + seconds(r.until), label, short}
	}
	if r.events[0].Parent != 0 && r.kind != icmpMessage {
		label += " (copy)"
	}
	return []string{label, short}
}

// legs splits the way of a packet where it turns round.
func (d *drawing) legs(j journey) []leg {
	var stops []stop
	lost := false
	if from := d.lanes.holder(j.events[0].Src.Addr()); from >= 0 && j.kind == icmpMessage {
		stops = append(stops, stop{x: d.lanes.all[from].x}) // a NAT's own answer shows first where it ends
	}
	for _, e := range j.events {
		x := d.where(stops, e)
		lost = e.Kind == vnet.Dropped
		if n := len(stops); n == 0 || stops[n-1].x != x {
			stops = append(stops, stop{x: x})
		}
		if e.Kind == vnet.Translated {
			stops[len(stops)-1].mapping = e.Mapping.ID
		}
	}
	if len(stops) == 1 {
		// It went nowhere: to itself, or it ended where it began.
		return []leg{{stops: []stop{stops[0], stops[0]}, lost: lost}}
	}
	var legs []leg
	start := 0
	for i := 2; i < len(stops); i++ {
		if (stops[i].x > stops[i-1].x) != (stops[i-1].x > stops[i-2].x) {
			legs = append(legs, leg{stops: stops[start:i]})
			start = i - 1
		}
	}
	return append(legs, leg{stops: stops[start:], lost: lost})
}

// where is the x of an event: the lane of its box or, for a link between boxes,
// half-way to the lane of the destination.
func (d *drawing) where(stops []stop, e vnet.Event) int {
	if i := d.lanes.find(e.Box); i >= 0 {
		return d.lanes.all[i].x
	}
	from, to := timeWidth, d.lanes.width-1
	if n := len(stops); n > 0 {
		from = stops[n-1].x
	}
	if i := d.lanes.holder(e.Dst.Addr()); i >= 0 {
		to = d.lanes.all[i].x
	}
	if to == from {
		to = from + 8
	}
	return from + (to-from)/2
}

// draw puts the arrow and one of the labels into the strip. If no label fits it
// returns the one to put above.
func (l leg) draw(s strip, labels []string) (above string) {
	first, last := l.stops[0].x, l.stops[len(l.stops)-1].x
	if first == last {
		text := " ↻ " + shorten(labels, len(s)-timeWidth-3)
		s.put(min(first+1, len(s)-utf8.RuneCountInString(text)), text)
		if l.lost {
			s[first] = '╳'
		}
		return ""
	}
	step := 1
	if last < first {
		step = -1
	}
	for x := first + step; x != last; x += step {
		if s[x] == '│' {
			s[x] = '┼'
		} else {
			s[x] = '─'
		}
	}
	s[first] = map[int]rune{1: '├', -1: '┤'}[step]
	for _, at := range l.stops[1 : len(l.stops)-1] {
		s.put(at.x, at.mark())
	}
	if l.lost {
		s[last] = '╳'
	} else {
		s[last-step] = map[int]rune{1: '▶', -1: '◀'}[step]
	}
	return l.label(s, labels)
}

// label writes the best label that fits between two stops.
func (l leg) label(s strip, labels []string) (above string) {
	for _, text := range labels {
		if text == "" {
			return ""
		}
		n := utf8.RuneCountInString(text) + 2
		for i := 1; i < len(l.stops); i++ {
			left, right := l.stops[i-1], l.stops[i]
			if left.x > right.x {
				left, right = right, left
			}
			from := left.x + utf8.RuneCountInString(left.mark())
			if right.x-from >= n+3 {
				s.put(from+(right.x-from-n)/2, " "+text+" ")
				return ""
			}
		}
	}
	return shorten(labels, len(s)-timeWidth)
}

// shorten is the best label that has the room, or the last.
func shorten(labels []string, room int) string {
	for _, text := range labels {
		if utf8.RuneCountInString(text) <= room {
			return text
		}
	}
	return labels[len(labels)-1]
}

// rowNotes are the addresses in the message, the rewrites and the drop. What a
// mapping does is told once in each direction, then its number on the arrow is
// enough.
func (d *drawing) rowNotes(r row, again bool) []note {
	var all []note
	if i := d.lanes.find(r.events[0].Box); r.note != "" && i >= 0 && !again {
		all = append(all, note{i, r.note})
	}
	for _, e := range r.events {
		i := d.lanes.find(e.Box)
		switch {
		case e.Kind == vnet.Translated && i >= 0:
			key := rewriting{e.Box, e.Mapping, e.FromSrc != e.Src}
			if !d.rewrites[key] {
				d.rewrites[key] = true
				all = append(all, note{i, d.rewrite(e)})
			}
		case e.Kind == vnet.Rewritten && i >= 0:
			all = append(all, note{i, e.Detail})
		case e.Kind == vnet.Dropped:
			key := refusal{e.Box, e.Src, e.Dst, e.Reason}
			text := dropText(e, i < 0)
			if d.refusals[key] {
				text = fmt.Sprintf("╳ %s as before", e.Reason)
			}
			d.refusals[key] = true
			all = append(all, note{max(i, 0), text})
		}
	}
	return all
}

// rewrite says what a NAT made of the addresses, and by which mapping.
func (d *drawing) rewrite(e vnet.Event) string {
	var parts []string
	for _, x := range [][2]netip.AddrPort{{e.FromSrc, e.Src}, {e.FromDst, e.Dst}} {
		if x[0] != x[1] {
			parts = append(parts, fmt.Sprintf("%v ⇒ %v", x[0], x[1]))
		}
	}
	if len(parts) == 0 {
		return "routed unchanged"
	}
	key := mappingKey{e.Box, e.Mapping.ID}
	switch {
	case e.Mapping.Static:
		parts = append(parts, "port forward")
	case d.known[key]:
		parts = append(parts, fmt.Sprintf("mapping %d", e.Mapping.ID))
	default:
		text := fmt.Sprintf("new mapping %d", e.Mapping.ID)
		if r := e.Mapping.Remote; r.Addr().IsValid() && r.Port() == 0 {
			text += fmt.Sprintf(" for %v", r.Addr())
		} else if r.Addr().IsValid() {
			text += fmt.Sprintf(" for %v", r)
		}
		parts = append(parts, text)
	}
	d.known[key] = true
	return strings.Join(parts, ", ")
}

func dropText(e vnet.Event, named bool) string {
	why := readable(strings.TrimPrefix(e.Detail, string(e.Reason)+": "))
	text := fmt.Sprintf("╳ %v -> %v: %s", e.Src, e.Dst, e.Reason)
	if named {
		text = fmt.Sprintf("╳ %s: %v -> %v: %s", e.Box, e.Src, e.Dst, e.Reason)
	}
	if why != "" && why != string(e.Reason) {
		text += ": " + why
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func stamp(d time.Duration) string { return fmt.Sprintf("%9s", seconds(d)) }
