package media

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dtmfDigits are the events 0 to 15 (RFC 4733 §3.2) in their order.
const dtmfDigits = "0123456789*#ABCD"

// DTMF is a digit that the peer pressed.
type DTMF struct {
	Digit    byte          // 0 to 9, *, #, A to D
	Duration time.Duration // as far as was heard
	Complete bool          // the end was heard too; otherwise its packets were lost
}

// EventSet is which of the events 0 to 15 somebody takes, bit by bit.
type EventSet uint16

// AllDTMF are the digits 0 to 9, *, # and A to D.
const AllDTMF EventSet = 0xFFFF

// Has says whether a digit is among them.
func (e EventSet) Has(digit byte) bool {
	i := strings.IndexByte(dtmfDigits, digit)
	return i >= 0 && e&(1<<i) != 0
}

// Events say how telephone events go (RFC 4733). The zero value is not at all.
type Events struct {
	Send, Recv uint8    // payload types, 0 is none
	Accepts    EventSet // what the peer takes
}

func (e Events) validate(voice uint8) error {
	for _, t := range []uint8{e.Send, e.Recv} {
		if t != 0 && !usableType(t) {
			return fmt.Errorf("%w: payload type %d of telephone events", ErrConfig, t)
		}
		if t != 0 && t == voice {
			return fmt.Errorf("%w: telephone events have the payload type of voice, %d", ErrConfig, t)
		}
	}
	return nil
}

// usableType: 64 to 95 look like RTCP (RFC 5761 §4).
func usableType(t uint8) bool { return t < 64 || t > 95 && t < 128 }

// ParseEvents reads the list of an a=fmtp line, like "0-11,16" (RFC 4733 §2.4.1); none is all
// digits. Events above 15 are no digits and left out.
func ParseEvents(params string) (EventSet, error) {
	params = strings.Trim(params, blanks)
	if params == "" {
		return AllDTMF, nil
	}
	var set EventSet
	for item := range strings.SplitSeq(params, ",") {
		first, last, isRange := strings.Cut(strings.Trim(item, blanks), "-")
		from, err := strconv.ParseUint(first, 10, 8)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 8)
		}
		if err != nil || to < from {
			return 0, fmt.Errorf("%w: list of events %q", ErrSyntax, params)
		}
		for i := from; i <= to && i < uint64(len(dtmfDigits)); i++ {
			set |= 1 << i
		}
	}
	return set, nil
}

// agreeEvents is how telephone events go beside a voice codec: numbers are those of whoever
// receives. A list that cannot be read takes none.
func agreeEvents(local, remote []Codec, voice Codec) Events {
	if len(local) == 0 {
		local = DefaultCodecs()
	}
	theirs, ok := eventsOf(remote, voice)
	ours, both := eventsOf(local, voice)
	if !ok || !both {
		return Events{}
	}
	accepts, _ := ParseEvents(theirs.Params)
	return Events{Send: theirs.PayloadType, Recv: ours.PayloadType, Accepts: accepts}
}

// eventsOf is the telephone events with the clock of a voice codec: they are of one stream.
func eventsOf(list []Codec, voice Codec) (Codec, bool) {
	for _, c := range list {
		if !c.isAudio() && c.ClockRate == voice.ClockRate && c.PayloadType != 0 && c.PayloadType != voice.PayloadType && usableType(c.PayloadType) {
			return c, true
		}
	}
	return Codec{}, false
}

// eventSize is the size of a report of one event (RFC 4733 §2.3).
const eventSize = 4

// eventVolume is the power of a tone in -dBm0 (RFC 4733 §2.3.4).
const eventVolume = 10

// eventReport is what a packet says of an event (RFC 4733 §2.3).
type eventReport struct {
	event    uint8
	end      bool
	duration uint16 // in timestamp units
}

func (e eventReport) put(b []byte) {
	b[0], b[1] = e.event, eventVolume
	if e.end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], e.duration)
}

// validEvents: one report, or several of events that follow each other (RFC 4733 §2.5.1.5).
func validEvents(payload []byte) bool {
	return len(payload) >= eventSize && len(payload)%eventSize == 0
}

func readEvent(b []byte) eventReport {
	return eventReport{event: b[0], end: b[1]&0x80 != 0, duration: binary.BigEndian.Uint16(b[2:])}
}
