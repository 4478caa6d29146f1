package scenarios

import (
	"bytes"

	"github.com/natproof/natproof/vnet"
)

// tape is what of a trace the steps are judged by: the way of every SIP message,
// and the last loss of each stream. It is fed event by event, so that a call's
// thousands of RTP packets need not be kept.
type tape struct {
	from  []string // who sent the packet, by its identity
	sip   []flight // in the order they were sent
	sipAt map[uint64]int
	lost  map[stage]vnet.Event // the last one dropped
}

// flight is one SIP message on its way, from its sender to where it ended.
type flight struct {
	sipLine
	from    string     // the box that sent it
	end     vnet.Event // the last that happened to it
	ended   bool       // delivered or dropped
	arrived bool
}

// stage is one end's RTP or RTCP.
type stage struct {
	from string
	kind streamKind
}

type streamKind uint8

const (
	notMedia streamKind = iota
	kindRTP
	kindRTCP
)

func newTape() *tape { return &tape{sipAt: map[uint64]int{}, lost: map[stage]vnet.Event{}} }

func (t *tape) add(e vnet.Event) {
	if e.Packet == 0 {
		return
	}
	for uint64(len(t.from)) <= e.Packet {
		t.from = append(t.from, "")
	}
	if t.from[e.Packet] == "" {
		t.from[e.Packet] = e.Box
		if e.Parent != 0 && t.from[e.Parent] != "" {
			t.from[e.Packet] = t.from[e.Parent] // a duplicate made by a link is its sender's too
		}
		if line, ok := readSIPLine(e.Payload); ok {
			t.sipAt[e.Packet] = len(t.sip)
			t.sip = append(t.sip, flight{sipLine: line, from: t.from[e.Packet]})
		}
	}
	if e.Kind != vnet.Delivered && e.Kind != vnet.Dropped {
		return
	}
	if i, ok := t.sipAt[e.Packet]; ok {
		f := &t.sip[i]
		f.end, f.ended, f.arrived = e, true, e.Kind == vnet.Delivered
	}
	if k := kindOf(e.Payload); k != notMedia && e.Kind == vnet.Dropped {
		t.lost[stage{t.from[e.Packet], k}] = e
	}
}

// kindOf tells media from all else by the first byte (RFC 7983 §7), and RTCP from
// RTP by the second (RFC 5761 §4).
func kindOf(b []byte) streamKind {
	switch {
	case len(b) < 2 || b[0] < 128 || b[0] > 191:
		return notMedia
	case b[1] >= 192 && b[1] <= 223:
		return kindRTCP
	}
	return kindRTP
}

// sipLine is as much of a SIP message as tells which step it belongs to.
type sipLine struct {
	method  string // of the request, or the one a response answers
	status  int    // 0 in a request
	callID  string
	fromTag string
}

// readSIPLine reads the first line, CSeq, Call-ID and From; false if it is not SIP.
func readSIPLine(b []byte) (sipLine, bool) {
	if len(b) == 0 || b[0] < 'A' || b[0] > 'Z' {
		return sipLine{}, false
	}
	head, _, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	first, rest, _ := bytes.Cut(head, []byte("\r\n"))
	words := bytes.SplitN(first, []byte(" "), 3)
	if len(words) < 3 {
		return sipLine{}, false
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
		case bytes.EqualFold(name, []byte("From")), bytes.EqualFold(name, []byte("f")):
			_, tag, _ := bytes.Cut(value, []byte(";tag="))
			tag, _, _ = bytes.Cut(tag, []byte(";"))
			l.fromTag = string(tag)
		case bytes.EqualFold(name, []byte("CSeq")) && l.status != 0:
			l.method = string(value[bytes.LastIndexByte(value, ' ')+1:])
		}
	}
	return l, true
}

// request says whether the flight is a request of the method.
func (f *flight) request(method string) bool { return f.method == method && f.status == 0 }

// success says whether the flight is a 2xx to the method.
func (f *flight) success(method string) bool {
	return f.method == method && f.status >= 200 && f.status < 300
}
