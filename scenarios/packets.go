package scenarios

import (
	"bytes"

	"github.com/natproof/natproof/vnet"
)

// flight is one packet of a trace, from its sender to where it ended.
type flight struct {
	from    string // the box that sent it
	end     *vnet.Event
	sip     sipLine
	rtp     bool
	rtcp    bool
	ended   bool // delivered or dropped
	arrived bool
}

// flights follows every packet of the trace, in the order they were sent. A
// duplicate made by a link is its sender's packet too.
func flights(events []vnet.Event) []flight {
	packets := uint64(0)
	for i := range events {
		packets = max(packets, events[i].Packet)
	}
	all := make([]flight, 0, packets)
	index := make([]int32, packets+1) // by packet identity; position in all, from 1
	for i := range events {
		e := &events[i]
		if e.Packet == 0 {
			continue
		}
		at := index[e.Packet]
		if at == 0 {
			all = append(all, newFlight(e))
			at = int32(len(all))
			index[e.Packet] = at
			if parent := index[e.Parent]; e.Parent != 0 && parent != 0 {
				all[at-1].from = all[parent-1].from
			}
		}
		if e.Kind == vnet.Delivered || e.Kind == vnet.Dropped {
			f := &all[at-1]
			f.end, f.ended, f.arrived = e, true, e.Kind == vnet.Delivered
		}
	}
	return all
}

// newFlight tells protocols on one port apart by the first byte (RFC 7983 §7),
// and RTCP from RTP by the second (RFC 5761 §4).
func newFlight(e *vnet.Event) flight {
	f := flight{from: e.Box}
	b := e.Payload
	switch {
	case len(b) >= 2 && b[0] >= 128 && b[0] <= 191:
		f.rtcp = b[1] >= 192 && b[1] <= 223
		f.rtp = !f.rtcp
	case len(b) > 0 && b[0] >= 'A' && b[0] <= 'Z':
		f.sip = readSIPLine(b)
	}
	return f
}

// sipLine is as much of a SIP message as tells which step it belongs to.
type sipLine struct {
	method string // of the request, or the one a response answers
	status int    // 0 in a request
	callID string
}

// readSIPLine reads the first line, CSeq and Call-ID. What is not SIP gives the
// zero value.
func readSIPLine(b []byte) sipLine {
	head, _, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	first, rest, _ := bytes.Cut(head, []byte("\r\n"))
	words := bytes.SplitN(first, []byte(" "), 3)
	if len(words) < 3 {
		return sipLine{}
	}
	l := sipLine{method: string(words[0])}
	if bytes.Equal(words[0], []byte("SIP/2.0")) {
		l.method = ""
		for _, digit := range words[1] {
			l.status = l.status*10 + int(digit-'0')
		}
	}
	for line := range bytes.SplitSeq(rest, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Call-ID")), bytes.EqualFold(name, []byte("i")):
			l.callID = string(value)
		case bytes.EqualFold(name, []byte("CSeq")) && l.status != 0:
			l.method = string(value[bytes.LastIndexByte(value, ' ')+1:])
		}
	}
	return l
}

// request says whether the flight is a request of the method.
func (f *flight) request(method string) bool { return f.sip.method == method && f.sip.status == 0 }

// success says whether the flight is a 2xx to the method.
func (f *flight) success(method string) bool {
	return f.sip.method == method && f.sip.status >= 200 && f.sip.status < 300
}
