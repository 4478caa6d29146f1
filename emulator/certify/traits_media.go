package certify

import (
	"fmt"

	"github.com/pion/rtcp"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/scenarios/cell"
)

// talked says whether there was a call in a probe, by its talk.
func (e evidence) talked(probe string) bool {
	_, ok := e[probe].times[partTalk]
	return ok
}

const noCall = "there was no call"

func (e evidence) sends() Finding {
	if !e.talked(probeCall) {
		return unknown(yes, noCall)
	}
	t := e[probeCall]
	if s := t.first(phone, kind(sipmsg.RTP)); s != nil {
		return seen(yes, s.shows("RTP"))
	}
	return told(no, fmt.Sprintf("no RTP in a call of %v, though it got some", talkTime))
}

// early: the far end was heard while it rang, and had said where it wants media.
func (e evidence) early() Finding {
	t := e[probeCall]
	rang := t.first(status("INVITE", 183, 183))
	if rang == nil || !e.talked(probeCall) || t.first(phone, method("INVITE")) == nil {
		return unknown(no, "it made no call")
	}
	if e.sends().Value == no {
		return unknown(no, "it sends no media")
	}
	if s := t.first(phone, kind(sipmsg.RTP), until(t.times[partTalk]-early/2)); s != nil {
		return seen(yes, s.shows("RTP after the 183"))
	}
	return seen(no, rang.shows("183 with a session description, after which it sent no RTP until the 200"))
}

// steady is where the phone sent media in the last second of a part of a probe.
func (t *tape) steady(part string, k sipmsg.Kind) *sighting {
	end := t.after(part)
	return t.last(phone, kind(k), since(t.times[part]), until(end))
}

// after is when the part after one begins.
func (t *tape) after(part string) mark {
	begun, end := t.times[part], mark(1<<62)
	for _, at := range t.times {
		if at > begun {
			end = min(end, at)
		}
	}
	return end
}

// latch tells the policy by where the phone sends when the far end's media moves: at once, later
// than the window of those who latch for a while, and to another address.
func (e evidence) latch() Finding {
	if !e.talked(probeMoved) || !e.talked(probeElsewhere) {
		return unknown(no, noCall)
	}
	t, other := e[probeMoved], e[probeElsewhere]
	port, later, host := t.steady(partPort, sipmsg.RTP), t.steady(partLater, sipmsg.RTP), t.steady(partHost, sipmsg.RTP)
	elsewhere := other.last(phone, kind(sipmsg.RTP))
	if port == nil || later == nil || host == nil || elsewhere == nil {
		return unknown(no, "it sent no media to tell by")
	}
	followed := func(s *sighting, port uint16) bool { return s.Dst.Port() == port }
	switch {
	case followed(host, otherPort):
		return seen("always", host.shows("RTP to where the far end's came from last, another address"))
	case followed(later, laterPort):
		return seen("same-address", later.shows("RTP to the port that the far end's came from, and later not to another address"))
	case followed(port, movedPort):
		return seen("window", port.shows("RTP to the port that the far end's came from after %v, and not to the one after %v", early, early+moveTime))
	case followed(elsewhere, movedPort):
		return seen("once", elsewhere.shows("RTP to the port that the far end's came from first, and in %q to no other", probeMoved))
	}
	return seen(no, elsewhere.shows("RTP to the announced port, though the far end's came from %d", movedPort))
}

// strict tells by the phone's reports whether it has accepted what came from elsewhere: the highest
// sequence number that it got goes on, or stands still, or there is no report block, since nobody
// was heard (RFC 3550 §6.4).
func (e evidence) strict() Finding {
	if !e.talked(probeMoved) {
		return unknown(no, noCall)
	}
	t := e[probeMoved]
	if !e.reports() {
		return unknown(no, "it sends no reports that tell what it got (RFC 3550 §6.4)")
	}
	announced := t.lastSent(t.times[partPort])
	for _, where := range []struct {
		since, until mark
		beyond       string
	}{
		{t.times[partHost] + moveTime, t.times[partEnd], ""},
		{t.times[partPort] + moveTime, t.times[partHost], "it drops media from other addresses, and not from other ports"},
	} {
		last := t.last(phone, kind(sipmsg.RTCP), since(where.since), until(where.until))
		if last == nil {
			return unknown(no, "it sent no report after the far end's media had moved")
		}
		high, heard := highest(last)
		if heard && int16(high-announced) > 1 {
			f := seen(no, last.shows("a report that the highest sequence number is %d, of a packet from elsewhere", high))
			f.Beyond = where.beyond
			return f
		}
		if where.beyond != "" && heard {
			return seen(yes, last.shows("a report that the highest sequence number is %d, of the last packet from the announced address", high))
		}
		if where.beyond != "" {
			return seen(yes, last.shows("a report of nothing, while the far end's media came from elsewhere"))
		}
	}
	return unknown(no, noCall)
}

// reports says whether the phone tells in reports what it gets.
func (e evidence) reports() bool {
	for _, s := range e[probeCall].every(phone, kind(sipmsg.RTCP)) {
		if _, ok := highest(s); ok {
			return true
		}
	}
	return false
}

// lastSent is the sequence number of the last packet of the far end before a time.
func (t *tape) lastSent(before mark) uint16 {
	s := t.last(from(cell.BoxB), kind(sipmsg.RTP), until(before))
	if s == nil || len(s.Payload) < 4 {
		return 0
	}
	return uint16(s.Payload[2])<<8 | uint16(s.Payload[3])
}

// highest is the highest sequence number in the first report block of RTCP, without its cycles;
// false if there is none.
func highest(s *sighting) (uint16, bool) {
	packets, err := rtcp.Unmarshal(s.Payload)
	if err != nil {
		return 0, false
	}
	for _, p := range packets {
		var blocks []rtcp.ReceptionReport
		switch p := p.(type) {
		case *rtcp.SenderReport:
			blocks = p.Reports
		case *rtcp.ReceiverReport:
			blocks = p.Reports
		}
		if len(blocks) > 0 {
			return uint16(blocks[0].LastSequenceNumber), true
		}
	}
	return 0, false
}

func (e evidence) rtcp() Finding {
	if !e.talked(probeCall) {
		return unknown(yes, noCall)
	}
	t := e[probeCall]
	all := t.every(phone, kind(sipmsg.RTCP), since(t.times[partTalk]))
	if len(all) == 0 {
		return told(no, fmt.Sprintf("none in a call of %v", talkTime))
	}
	f := seen(yes, all[0].shows("RTCP"))
	if len(all) > 1 {
		f.Why = fmt.Sprintf("every %v or so", between(all))
	}
	return f
}

func (e evidence) namesRTCP() Finding {
	s, _, ok := e[probeCall].described()
	if !ok {
		return unknown(no, "it sent no session description")
	}
	if l := line(s.body(), "a=rtcp:"); l != "" {
		return seen(yes, s.shows("%s", l))
	}
	return seen(no, s.shows("a session description without a=rtcp (RFC 3605)"))
}

func (e evidence) mux() Finding {
	s, _, ok := e[probeCall].described()
	if !ok {
		return unknown(no, "it sent no session description")
	}
	if l := line(s.body(), "a=rtcp-mux"); l != "" {
		return seen(yes, s.shows("%s (RFC 5761)", l))
	}
	return seen(no, s.shows("a session description without a=rtcp-mux"))
}

// hold is what it answers to being put on hold, and whether it sends then.
func (e evidence) hold() Finding {
	if !e.talked(probeCalled) {
		return unknown(no, "it was not called")
	}
	t := e[probeCalled]
	re := t.every(from(cell.BoxB), method("INVITE"))
	var held *sighting
	for _, s := range re {
		if sipmsg.TagOf(s.request.To) != "" {
			held = s
			break
		}
	}
	if held == nil {
		return unknown(no, "it was not put on hold")
	}
	answer := t.first(phone, status("INVITE", 200, 699), since(held.At))
	if answer == nil {
		return seen("does not answer", held.shows("a re-INVITE with %s", line(held.body(), "a=sendonly")))
	}
	code := answer.answer.StatusCode
	if code >= 300 {
		return seen(fmt.Sprintf("answers %d", code), answer.shows("%d to a re-INVITE", code))
	}
	sends := t.last(phone, kind(sipmsg.RTP), since(t.times[partHold]), until(t.times[partResume])) != nil
	value := "answers, and sends no media"
	if sends {
		value = "answers, and goes on sending media"
	}
	for _, d := range []string{"a=recvonly", "a=inactive", "a=sendonly", "a=sendrecv"} {
		if l := line(answer.body(), d); l != "" {
			return seen(value, answer.shows("%d to a re-INVITE, %s", code, l))
		}
	}
	return seen(value, answer.shows("%d to a re-INVITE, without a direction", code))
}
