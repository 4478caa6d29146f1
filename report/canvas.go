package report

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// timeWidth is the room for the virtual time at the left edge.
const timeWidth = 11

// lane is the vertical line of one box.
type lane struct {
	box stage.Box
	x   int
}

// lanes are the vertical lines of a ladder, left to right.
type lanes struct {
	all   []lane
	width int
}

// layLanes spreads the boxes that take part over the width. Ends and NATs always
// have a lane; a server or the internet only if something happens there.
func layLanes(boxes []stage.Box, events []vnet.Event, width int) lanes {
	l := lanes{width: width}
	for _, b := range boxes {
		takesPart := func(e vnet.Event) bool { return e.Box == b.Name }
		if b.Role == stage.RoleHost || b.Role == stage.RoleNAT || slices.ContainsFunc(events, takesPart) {
			l.all = append(l.all, lane{box: b})
		}
	}
	n := len(l.all)
	if n == 0 {
		return l
	}
	const widest = 30
	first := timeWidth + max(labelWidth(l.all[0].box)/2, 1)
	last := width - 1 - max((labelWidth(l.all[n-1].box)+1)/2, 1)
	if n > 1 {
		last = min(last, first+widest*(n-1))
	}
	for i := range l.all {
		l.all[i].x = first
		if n > 1 {
			l.all[i].x = first + i*(last-first)/(n-1)
		}
	}
	return l
}

// addresses are those of the boxes below their names: on two lines, in turn, where they would
// run into each other.
func (l lanes) addresses() []strip {
	lines := []strip{l.strip(' ')}
	for i := 1; i < len(l.all); i++ {
		if (labelWidth(l.all[i-1].box)+labelWidth(l.all[i].box))/2+1 > l.all[i].x-l.all[i-1].x {
			lines = append(lines, l.strip(' '))
			break
		}
	}
	for i, x := range l.all {
		lines[i%len(lines)].center(x.x, firstAddr(x.box))
	}
	return lines
}

// labelWidth is the room that name and address of a box need.
func labelWidth(b stage.Box) int { return max(len(b.Name), len(firstAddr(b))) }

func firstAddr(b stage.Box) string {
	if len(b.Addrs) == 0 {
		return ""
	}
	return b.Addrs[0].String()
}

// find is the index of the lane of that box, or -1.
func (l lanes) find(box string) int {
	return slices.IndexFunc(l.all, func(x lane) bool { return x.box.Name == box })
}

// holder is the index of the lane whose box has the address, or -1.
func (l lanes) holder(a netip.Addr) int {
	return slices.IndexFunc(l.all, func(x lane) bool { return slices.Contains(x.box.Addrs, a) })
}

// strip is one line of the drawing.
type strip []rune

// strip makes a line with every lane in it, drawn as the rune says.
func (l lanes) strip(vertical rune) strip {
	s := strip(strings.Repeat(" ", l.width))
	for _, lane := range l.all {
		s[lane.x] = vertical
	}
	return s
}

// put writes the text from x on, as far as the strip goes.
func (s strip) put(x int, text string) {
	for _, r := range text {
		if x >= 0 && x < len(s) {
			s[x] = r
		}
		x++
	}
}

// center writes the text around x, and keeps it within the strip.
func (s strip) center(x int, text string) {
	n := utf8.RuneCountInString(text)
	s.put(max(timeWidth-1, min(x-n/2, len(s)-n)), text)
}

func (s strip) String() string { return strings.TrimRight(string(s), " ") }

// note is text that belongs to a lane and stands below an arrow.
type note struct {
	lane int
	text string
}

// comfortable is how wide a long note is set if it stands left of its lane.
const comfortable = 76

// notes sets the notes below an arrow, each beside its lane on the side with
// more room, and several on one line where they do not touch.
func (l lanes) notes(all []note) []strip {
	var strips []strip
	var taken [][][2]int
	for _, n := range all {
		x := l.all[n.lane].x
		from, room := x+2, l.width-(x+2)
		if left := x - 2 - timeWidth; left > room && utf8.RuneCountInString(n.text) > room {
			from, room = timeWidth, min(left, comfortable)
		}
		lines := wrap(n.text, room)
		widest := 0
		for _, line := range lines {
			widest = max(widest, utf8.RuneCountInString(line))
		}
		if from < x {
			from = x - 1 - widest
		}
		from = max(min(from, l.width-widest), timeWidth) // a long word goes over its lane
		span := [2]int{from - 2, from + widest + 2}
		at := freeBelow(taken, span)
		for i, line := range lines {
			for at+i >= len(strips) {
				strips = append(strips, l.strip('│'))
				taken = append(taken, nil)
			}
			blank(strips[at+i], from-1, from+utf8.RuneCountInString(line)+1)
			strips[at+i].put(from, line)
			taken[at+i] = append(taken[at+i], span)
		}
	}
	return strips
}

// blank clears a span, so that text does not run into a lane.
func blank(s strip, from, to int) {
	for x := max(from, 0); x < min(to, len(s)); x++ {
		s[x] = ' '
	}
}

// freeBelow is the first line from which on the span is free, with nothing
// taken below it in that span either.
func freeBelow(taken [][][2]int, span [2]int) int {
	at := len(taken)
	for at > 0 && !overlaps(taken[at-1], span) {
		at--
	}
	return at
}

func overlaps(spans [][2]int, span [2]int) bool {
	return slices.ContainsFunc(spans, func(s [2]int) bool { return s[0] < span[1] && span[0] < s[1] })
}
