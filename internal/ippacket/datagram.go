package ippacket

import (
	"bytes"
	"container/list"
	"slices"
	"sort"
	"time"
)

// datagram is what has come of one.
type datagram struct {
	key      datagramKey
	place    *list.Element
	deadline time.Time
	dead     bool
	head     []byte    // of the first fragment, up to where the datagram's part begins
	view     View      // of the first fragment
	runs     []run     // by offset, not overlapping
	have     int       // bytes in runs
	total    int       // where the last fragment ends, -1 if it is not here
	cuts     []cutPart // by offset
	largest  int       // fragment, with its header
	largeDF  int       // the largest that must not be fragmented
}

// cutPart is the place of a part.
type cutPart struct{ at, length int }

// run is a contiguous part: a fragment and those that came after it in order.
type run struct {
	at   int
	data []byte
}

func (x run) end() int { return x.at + len(x.data) }

func (d *datagram) cost() int {
	n := datagramCost + len(d.head) + runCost*len(d.runs) + cutCost*len(d.cuts)
	if d.dead {
		return n
	}
	return n + d.have
}

// add puts a part in its place. The part within a run that is here is a duplicate, as it is
// to Linux (inet_frag_queue_insert); what else overlaps is what policy says.
func (d *datagram) add(head, part []byte, v *View, firstWins bool) Problem {
	at, end := v.Offset, v.Offset+len(part)
	switch {
	case v.MF && d.total >= 0 && end > d.total, !v.MF && d.total >= 0 && end != d.total, !v.MF && end < d.end():
		return Contradiction
	}
	i := d.after(at)
	switch {
	case i == len(d.runs) || end <= d.runs[i].at:
		d.insert(i, at, part)
	case d.runs[i].at <= at && end <= d.runs[i].end():
		return Duplicate
	case !firstWins:
		return Overlap
	case !d.fill(at, part):
		return Duplicate
	}
	if !v.MF {
		d.total = end
	}
	d.largest = max(d.largest, len(head)+len(part))
	if v.DF {
		d.largeDF = max(d.largeDF, len(head)+len(part))
	}
	if at == 0 && d.head == nil {
		d.head, d.view = bytes.Clone(head), *v
		d.view.Packet.Quoted = nil
	}
	return none
}

// end is how far it reaches.
func (d *datagram) end() int {
	if len(d.runs) == 0 {
		return 0
	}
	return d.runs[len(d.runs)-1].end()
}

// after is the first run that ends after a place.
func (d *datagram) after(at int) int {
	return sort.Search(len(d.runs), func(i int) bool { return d.runs[i].end() > at })
}

// insert puts a part before run i, where there is room for it; at the end it makes the last
// run longer if it can.
func (d *datagram) insert(i, at int, part []byte) {
	d.have += len(part)
	place := sort.Search(len(d.cuts), func(n int) bool { return d.cuts[n].at > at })
	d.cuts = slices.Insert(d.cuts, place, cutPart{at, len(part)})
	if i > 0 && i == len(d.runs) && d.runs[i-1].end() == at {
		d.runs[i-1].data = append(d.runs[i-1].data, part...)
		return
	}
	d.runs = slices.Insert(d.runs, i, run{at, bytes.Clone(part)})
}

// fill takes of a part what is missing, and reports whether there was any.
func (d *datagram) fill(at int, part []byte) (any bool) {
	for len(part) > 0 {
		i := d.after(at)
		gap := len(part)
		if i < len(d.runs) {
			gap = min(gap, max(0, d.runs[i].at-at))
		}
		if gap > 0 {
			d.insert(i, at, part[:gap])
			any = true
		}
		skip := gap
		if gap == 0 {
			skip = min(len(part), d.runs[i].end()-at)
		}
		at, part = at+skip, part[skip:]
	}
	return any
}

// complete holds as runs do not overlap and none goes beyond the last fragment.
func (d *datagram) complete() bool { return d.have == d.total && d.head != nil }

// join makes the packet: the header of the first fragment, without what made it one.
func (d *datagram) join() ([]byte, Problem) {
	v, head := &d.view, d.head
	if tooLong(v, len(head), d.total) {
		return nil, TooLong
	}
	if v.Version == 6 {
		head[v.fragmentBy] = head[v.fragmentAt]
		head = head[:v.fragmentAt] // the fragment header is its end
	}
	whole := make([]byte, 0, len(head)+d.total)
	whole = append(whole, head...)
	for _, x := range d.runs {
		whole = append(whole, x.data...)
	}
	if v.Version == 6 {
		be.PutUint16(whole[4:], uint16(len(whole)-header6))
		return whole, none
	}
	be.PutUint16(whole[2:], uint16(len(whole)))
	be.PutUint16(whole[6:], 0)
	if d.largeDF == d.largest { // as Linux does: ip_frag_reasm in net/ipv4/ip_fragment.c
		be.PutUint16(whole[6:], flagDF)
	}
	be.PutUint16(whole[10:], 0)
	be.PutUint16(whole[10:], Checksum(whole[:len(head)]))
	return whole, none
}

// lengths are those of the parts.
func (d *datagram) lengths() []int {
	all := make([]int, len(d.cuts))
	for i, c := range d.cuts {
		all[i] = c.length
	}
	return all
}

// first is the first fragment as it came.
func (d *datagram) first() []byte {
	if d.head == nil {
		return nil
	}
	n := d.view.Len - len(d.head)
	return append(bytes.Clone(d.head), d.runs[0].data[:min(n, len(d.runs[0].data))]...)
}
