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
	box      string
	label    label
	src, dst netip.AddrPort // where they were dropped
	reason   vnet.Reason
	detail   string // of the first
	times    []time.Duration
}

func (d dropped) first() time.Duration { return d.times[0] }
func (d dropped) last() time.Duration  { return d.times[len(d.times)-1] }

// flights follows packets as the core of the lab tells of them. Of each packet it keeps where it began
// and ended; what is dropped it gathers, in the order of the first of each.
type flights struct {
	all      []flight
	drops    []dropped
	flying   map[uint64]int // by packet, index in all
	gathered map[alike]int  // index in drops
	labels   map[string]string
	carried  map[path]carried
}

// alike is what drops have in common that are told as one.
type alike struct {
	box, label string
	src, dst   netip.AddrPort
	reason     vnet.Reason
}

func newFlights() *flights {
	return &flights{flying: map[uint64]int{}, gathered: map[alike]int{}, labels: map[string]string{}, carried: map[path]carried{}}
}

func (fs *flights) add(e vnet.Event) {
	if e.Kind == vnet.Changed || e.Packet == 0 {
		return
	}
	i, known := fs.flying[e.Packet]
	if !known {
		i = len(fs.all)
		fs.flying[e.Packet] = i
		src, dst := e.Src, e.Dst
		if e.Kind == vnet.Translated {
			src, dst = e.FromSrc, e.FromDst
		}
		fs.all = append(fs.all, flight{label: fs.once(labelOf(e.Proto, e.Payload)), from: e.Box, sent: e.At, src: src, dst: dst, drop: -1})
	}
	f := &fs.all[i]
	switch e.Kind {
	case vnet.Delivered:
		f.kind, f.to, f.end = e.Kind, e.Box, e.At
		delete(fs.flying, e.Packet)
		p := path{f.from, f.to, f.label.kind()}
		fs.carried[p] = carried{fs.carried[p].packets + 1, e.At}
	case vnet.Dropped:
		f.kind, f.to, f.end, f.drop = e.Kind, e.Box, e.At, fs.gather(f, e)
		delete(fs.flying, e.Packet)
	}
}

// gather counts a drop among those like it.
func (fs *flights) gather(f *flight, e vnet.Event) int {
	key := alike{e.Box, f.label.text + f.label.callID, e.Src, e.Dst, e.Reason}
	at, ok := fs.gathered[key]
	if !ok {
		at = len(fs.drops)
		fs.gathered[key] = at
		fs.drops = append(fs.drops, dropped{box: e.Box, label: f.label, src: e.Src, dst: e.Dst, reason: e.Reason, detail: e.Detail})
	}
	fs.drops[at].times = append(fs.drops[at].times, e.At)
	return at
}

// once keeps one copy of the texts that many packets have.
func (fs *flights) once(l label) label {
	for _, s := range []*string{&l.text, &l.callID} {
		if known, ok := fs.labels[*s]; ok {
			*s = known
		} else {
			fs.labels[*s] = *s
		}
	}
	return l
}

// since has all times count from another moment.
func (fs *flights) since(zero time.Duration) {
	for i := range fs.all {
		fs.all[i].sent -= zero
		fs.all[i].end -= zero
	}
	for i := range fs.drops {
		for j := range fs.drops[i].times {
			fs.drops[i].times[j] -= zero
		}
	}
}

// String says what was dropped, under which rule, and how often.
func (d dropped) String() string {
	text := fmt.Sprintf("drops %s", d.what())
	if n := len(d.times); n > 1 {
		text += fmt.Sprintf(" (%d times, until %s)", n, seconds(d.last()))
	}
	return text
}

func (d dropped) what() string {
	text := fmt.Sprintf("%s %v -> %v: %s", d.label.text, d.src, d.dst, d.reason)
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
	for i := range r.flights.all {
		if f := &r.flights.all[i]; slices.Contains(boxes, f.from) && is(f) {
			all = append(all, f)
		}
	}
	return all
}
