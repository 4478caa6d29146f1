package report

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/vnet"
)

// journey is all that happened to one packet, from its sender to where it ended.
type journey struct {
	message
	at      time.Duration // when it was sent
	events  []vnet.Event
	change  *vnet.Event // not a packet: somebody changed the lab
	payload []byte
}

// journeys collects the events of each packet, in the order in which the packets
// appeared.
func journeys(events []vnet.Event) []journey {
	var all []journey
	index := map[uint64]int{}
	for _, e := range events {
		if e.Kind == vnet.Changed {
			all = append(all, journey{at: e.At, change: &e})
			continue
		}
		i, ok := index[e.Packet]
		if !ok {
			i = len(all)
			index[e.Packet] = i
			all = append(all, journey{at: e.At, message: describeEvent(e), payload: e.Payload})
		}
		all[i].events = append(all[i].events, e)
	}
	return all
}

// end is the last thing that happened to the packet.
func (j journey) end() vnet.Event { return j.events[len(j.events)-1] }

// path is everything but time, mapping creation and content: two packets with
// the same path and label look alike.
type path struct {
	label    string
	src, dst netip.AddrPort // as sent
	end      vnet.EventKind
	box      string
	reason   vnet.Reason
	last     netip.AddrPort // source as it arrived, so that a new mapping shows
	hops     int
}

func (j journey) path() path {
	if j.change != nil {
		return path{label: j.change.Box + j.change.Detail}
	}
	first, end := j.events[0], j.end()
	return path{
		label: j.label, src: first.Src, dst: first.Dst,
		end: end.Kind, box: end.Box, reason: end.Reason, last: end.Src, hops: len(j.events),
	}
}

// row is a journey with those like it that are not drawn again.
type row struct {
	journey
	count int           // journeys it stands for
	until time.Duration // when the last of them was sent
	again *repeat       // after this row, so many rows repeated
}

// repeat is a run of rows that came again and again.
type repeat struct {
	rows  int // how many rows make one turn
	turns int // how often they came again
	until time.Duration
}

// fold makes rows of journeys: packets of one stream become one row, and turns
// of retransmissions are counted instead of drawn.
func fold(all []journey) []row { return foldTurns(foldStreams(all)) }

// foldStreams gathers the RTP packets that go one way and fare the same way, the RTCP
// packets likewise, and what ICMP is sent back to them, up to the next SIP or STUN message.
func foldStreams(all []journey) []row {
	var rows []row
	open := map[path]int{}
	for _, j := range all {
		p := j.path()
		if !j.kind.streams() || j.change != nil {
			clear(open)
			rows = append(rows, row{journey: j, count: 1, until: j.at})
			continue
		}
		if i, ok := open[p]; ok {
			rows[i].count++
			rows[i].until = j.at
			continue
		}
		open[p] = len(rows)
		rows = append(rows, row{journey: j, count: 1, until: j.at})
	}
	return rows
}

// maxTurn is the longest turn of rows that is recognised as repeating: a
// request, its answers, and what its NATs made of them.
const maxTurn = 6

// foldTurns leaves out rows that repeat the rows before them.
func foldTurns(rows []row) []row {
	var out []row
	for i := 0; i < len(rows); {
		n, turns := turnsAt(rows, i)
		if turns == 0 {
			out = append(out, rows[i])
			i++
			continue
		}
		out = append(out, rows[i:i+n]...)
		last := i + n*(turns+1)
		out[len(out)-1].again = &repeat{rows: n, turns: turns, until: rows[last-1].until}
		i = last
	}
	return out
}

// turnsAt says how many rows from i make a turn, and how often it comes again
// right after. Among several it takes the one that leaves out most.
func turnsAt(rows []row, i int) (n, turns int) {
	for size := 1; size <= maxTurn; size++ {
		k := 0
		for i+size*(k+2) <= len(rows) && alike(rows[i:i+size], rows[i+size*(k+1):i+size*(k+2)]) {
			k++
		}
		if k*size > n*turns {
			n, turns = size, k
		}
	}
	return n, turns
}

func alike(a, b []row) bool {
	for i := range a {
		if a[i].count != 1 || b[i].count != 1 || a[i].path() != b[i].path() {
			return false
		}
	}
	return true
}
