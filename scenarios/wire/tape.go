package wire

import (
	"net/netip"
	"sync"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

// Tape is what of a trace the steps are judged by: the way of every SIP message, and when
// each packet of a stream was sent and whether it arrived. It is fed event by event, so that
// payloads need not be kept.
type Tape struct {
	packets []packet // by identity
	flights []Flight // SIP, in the order they were sent
	streams map[stage]*stream
	last    time.Duration // when the last event was
}

// packet is what is known of one packet on its way.
type packet struct {
	from   string  // who sent it; empty before it was seen
	flight int     // SIP: which of the flights, from 1
	stream *stream // media under way: of which stream it is a shot
	shot   int
}

// Flight is one SIP message on its way, from its sender to where it ended.
type Flight struct {
	line
	From    string        // the box that sent it
	Place   string        // the same, and of a where it was
	At      time.Duration // when
	end     end           // the last that happened to it
	ended   bool          // delivered or dropped
	arrived bool
}

// end is what a flight ended with.
type end struct {
	At       time.Duration
	Box      string
	Src, Dst netip.AddrPort
	Reason   vnet.Reason
	Detail   string
}

// stage is one end's RTP or RTCP.
type stage struct {
	from string
	part cell.Part
}

type stream struct {
	shots []shot
	drops []cell.Cause // each that is unlike the one before
}

// shot is one packet of media.
type shot struct {
	at      time.Duration // when it was sent
	arrived string        // the box it was delivered to
	dropped int           // why not: the index in drops, from 1
}

// What a registration and a short call come to.
const usualPackets, usualFlights = 64, 32

// NewTape is an empty tape.
func NewTape() *Tape { return tapes.Get().(*Tape) }

// tapes are those that nobody has a use for any more.
var tapes = sync.Pool{New: func() any {
	return &Tape{
		packets: make([]packet, 0, usualPackets), flights: make([]Flight, 0, usualFlights), streams: map[stage]*stream{},
	}
}}

// Done gives back a tape that nothing is asked of and added to any more: another may have it.
func (t *Tape) Done() {
	if cap(t.packets) > 64*usualPackets || cap(t.flights) > 64*usualFlights {
		return
	}
	clear(t.packets)
	clear(t.flights)
	clear(t.streams)
	*t = Tape{packets: t.packets[:0], flights: t.flights[:0], streams: t.streams}
	tapes.Put(t)
}

// Read makes a tape of a whole trace.
func Read(events []vnet.Event) *Tape {
	t := NewTape()
	for _, e := range events {
		t.Add(e)
	}
	return t
}

// Add takes the next event.
func (t *Tape) Add(e vnet.Event) {
	t.last = e.At
	if e.Packet == 0 {
		return
	}
	for uint64(len(t.packets)) <= e.Packet {
		t.packets = append(t.packets, packet{})
	}
	place := e.Box
	if place == cell.BoxElsewhere { // wherever it is
		e.Box = cell.BoxA
	}
	p := &t.packets[e.Packet]
	part := mediaOf(e.Payload)
	if p.from == "" {
		p.from = e.Box
		if e.Parent != 0 && t.packets[e.Parent].from != "" {
			p.from = t.packets[e.Parent].from // a duplicate made by a link is its sender's too
		}
		t.begin(p, &e, part)
		if p.flight != 0 {
			t.flights[p.flight-1].Place = place
		}
	}
	if e.Kind != vnet.Delivered && e.Kind != vnet.Dropped {
		return
	}
	if p.flight != 0 {
		f := &t.flights[p.flight-1]
		f.end = end{e.At, e.Box, e.Src, e.Dst, e.Reason, e.Detail}
		f.ended, f.arrived = true, e.Kind == vnet.Delivered
	}
	if part != 0 {
		t.endMedia(p, &e, part)
	}
}

// begin takes note of a packet that was not seen before.
func (t *Tape) begin(p *packet, e *vnet.Event, part cell.Part) {
	if part == 0 {
		if l, ok := readLine(e.Payload); ok {
			t.flights = append(t.flights, Flight{line: l, From: p.from, At: e.At})
			p.flight = len(t.flights)
		}
		return
	}
	if e.Kind == vnet.Sent {
		p.stream = t.stream(stage{p.from, part})
		p.shot = len(p.stream.shots)
		p.stream.shots = append(p.stream.shots, shot{at: e.At})
	}
}

func (t *Tape) endMedia(p *packet, e *vnet.Event, part cell.Part) {
	if p.stream == nil {
		return // a copy that a link made
	}
	s, x := p.stream, &p.stream.shots[p.shot]
	p.stream = nil
	if e.Kind == vnet.Delivered {
		x.arrived = e.Box
		return
	}
	if c := DropCause(part.Message(), *e); len(s.drops) == 0 || s.drops[len(s.drops)-1] != c {
		s.drops = append(s.drops, c)
	}
	x.dropped = len(s.drops)
}

func (t *Tape) stream(at stage) *stream {
	s := t.streams[at]
	if s == nil {
		s = &stream{}
		t.streams[at] = s
	}
	return s
}

// telephoneEvent is the payload type of keys in every call (package media's default; RFC 4733 §2.1).
const telephoneEvent = 101

// mediaOf tells media from all else by the first byte (RFC 7983 §7), and RTCP from
// RTP by the second (RFC 5761 §4). It is 0 for all else.
func mediaOf(b []byte) cell.Part {
	switch {
	case len(b) < 2 || b[0] < 128 || b[0] > 191:
		return 0
	case b[1] >= 192 && b[1] <= 223:
		return cell.RTCP
	case b[1]&0x7f == telephoneEvent:
		return cell.Keys
	}
	return cell.RTP
}

// Calls is in how many calls a request of the method was delivered to the box.
func (t *Tape) Calls(method, box string) int {
	calls := map[string]bool{}
	for i := range t.flights {
		if f := &t.flights[i]; f.request(method) && f.arrived && f.end.Box == box {
			calls[f.callID] = true
		}
	}
	return len(calls)
}

// Reached says whether a request of the method was delivered to the box.
func (t *Tape) Reached(method, box string) bool {
	for i := range t.flights {
		if f := &t.flights[i]; f.request(method) && f.arrived && f.end.Box == box {
			return true
		}
	}
	return false
}
