package wire

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/vnet"
)

const (
	// steadyRTP is the end of the call in which RTP is counted.
	steadyRTP = time.Second
	// steadyRTCP is the end of the call in which RTCP is counted. It is longer than
	// the longest interval, 5 s * 1.5 / (e - 3/2) = 6.2 s (RFC 3550 §6.3.1).
	steadyRTCP = 6500 * time.Millisecond
	// beforeRTCP is how long a call must have lasted before that, so that the
	// first reports of both ends have opened what they open.
	beforeRTCP = 4 * time.Second
)

// Windows say, of a call that talks for so long, how long before its end media is counted.
func Windows(talk time.Duration) (rtp, rtcp time.Duration, judgesRTCP bool) {
	if talk >= beforeRTCP+steadyRTCP {
		return steadyRTP, steadyRTCP, true
	}
	return min(steadyRTP, talk), 0, false
}

// Talk is the part of a call in which both ends send media.
type Talk struct{ From, To time.Duration }

// Talked finds the first call that the host made: from when its ACK of a 2xx reached the
// other host to when one of them hung up, or the trace ends.
func (t *Tape) Talked(caller, callee string, told []Told) (Talk, bool) {
	isAck := Ack(t, caller, callee, told)
	for i := range t.flights {
		if f := &t.flights[i]; isAck(f) && f.arrived && f.end.Box == callee {
			return Talk{f.end.At, t.hungUp(f, caller, callee)}, true
		}
	}
	return Talk{}, false
}

// Rang is the time in which the callee had media and had not answered: from its first response of
// that status to its first 2xx, of the first call of the other.
func (t *Tape) Rang(caller, callee string, status int) (Talk, bool) {
	id, from := t.call(caller, 0), time.Duration(-1)
	for i := range t.flights {
		f := &t.flights[i]
		switch {
		case f.callID != id || id == "" || f.From != callee:
		case from < 0 && f.method == "INVITE" && f.status == status:
			from = f.At
		case from >= 0 && f.success("INVITE"):
			return Talk{from, f.At}, true
		}
	}
	return Talk{}, false
}

// hungUp is when one of the ends said BYE in the call of an ACK.
func (t *Tape) hungUp(ack *Flight, ends ...string) time.Duration {
	for i := range t.flights {
		f := &t.flights[i]
		if f.request("BYE") && f.callID == ack.callID && f.At >= ack.end.At && slices.Contains(ends, f.From) {
			return f.At
		}
	}
	return t.last
}

// Message judges a message that may be relayed and repeated: it arrived if one copy reached the
// host it was for. If not, and it is a request, the box on the way that refused it is the cause,
// and else the last drop.
func (t *Tape) Message(name, from, to string, match Match, told []Told) (cell.Fate, cell.Cause) {
	is := match(t, from, to, told)
	var last, thrown, astray *Flight
	sent := false
	for i := range t.flights {
		f := &t.flights[i]
		if !is(f) {
			continue
		}
		sent = sent || f.From == from
		if f.arrived && f.end.Box == to {
			if d := useless(f, told); d != nil {
				return cell.Lost, d.cause(name, f)
			}
			return cell.Arrived, cell.Cause{}
		}
		if f.ended && !f.arrived {
			last = f
		}
		if f.arrived && f.end.Box != cell.BoxProxy {
			astray = f
		}
		if thrown == nil && unreadable(f, told) != nil {
			thrown = f
		}
	}
	refusal := t.refusal(is)
	switch {
	case !sent:
		return cell.NotSent, cell.Cause{Box: from, Rule: cell.RuleNotSent, Message: name}
	case refusal != nil && thrown == nil:
		return cell.Lost, cell.Cause{Box: refusal.From, Rule: cell.RuleRefused, Message: name, Why: refusal.says()}
	case last != nil && (astray == nil || cell.Rule(last.end.Reason) != cell.RuleLinkLoss): // chance is no cause beside another
		return cell.Lost, last.end.cause(name)
	case thrown != nil:
		return cell.Lost, unreadable(thrown, told).cause(name, thrown)
	case astray != nil:
		c := astray.end.cause(name)
		c.Rule, c.Why = cell.RuleElsewhere, "that address and port is not "+to+"'s"
		return cell.Lost, c
	}
	return cell.Lost, cell.Cause{Box: cell.BoxProxy, Rule: cell.RuleUnknown, Message: name,
		Why: fmt.Sprintf("%s sent it and no box dropped it, yet it did not reach %s", from, to)}
}

// Stream judges RTP or RTCP from one host to another by the packets that were sent in the
// last part of a talk, once it is steady. It is not judged where the talk was too short.
func (t *Tape) Stream(part cell.Part, from, to string, talk Talk, told []Told) (fate cell.Fate, cause cell.Cause, judged bool) {
	name := part.Message()
	window, rtcp, judgesRTCP := Windows(talk.To - talk.From)
	if part == cell.RTCP {
		if window = rtcp; !judgesRTCP {
			return "", cell.Cause{}, false
		}
	}
	if part == cell.Keys {
		window = talk.To - talk.From
	}
	sent, arrived, dropped := t.stream(stage{from, part}).count(to, talk.To-window, talk.To)
	discarded := discards(told, to, part)
	switch {
	case sent == 0:
		return cell.NotSent, cell.Cause{Box: from, Rule: cell.RuleNotSent, Message: name}, true
	case discarded != nil && arrived > 0:
		return cell.Lost, cell.Cause{Box: to, Rule: discarded.Rule, Message: name, Src: discarded.Src, Why: discarded.Why}, true
	case arrived > 0 && (part == cell.RTCP || 2*arrived >= sent): // RTP runs, though some may be lost; of RTCP there are one or two
		return cell.Arrived, cell.Cause{}, true
	case !dropped.IsZero():
		dropped.Message = name
		return cell.Lost, dropped, true
	}
	return cell.Lost, cell.Cause{Box: to, Rule: cell.RuleUnknown, Message: name,
		Why: fmt.Sprintf("%s sent %d packets and no box dropped one, yet %s got none", from, sent, to)}, true
}

// count is how many packets were sent in a time, how many of them arrived at a box, and why
// the last that was dropped did not.
func (s *stream) count(to string, from, until time.Duration) (sent, arrived int, dropped cell.Cause) {
	for _, x := range s.shots {
		if x.at < from || x.at >= until {
			continue
		}
		sent++
		switch {
		case x.arrived == to:
			arrived++
		case x.dropped > 0:
			dropped = s.drops[x.dropped-1]
		case x.arrived != "":
			dropped = cell.Cause{Box: x.arrived, Rule: cell.RuleElsewhere, Why: x.arrived + " got it"}
		}
	}
	return sent, arrived, dropped
}

// discards is what the host tells of media that it threw away.
func discards(told []Told, host string, part cell.Part) *Told {
	if part == cell.Keys {
		part = cell.RTP
	}
	for i := range told {
		if d := &told[i]; d.Box == host && d.Part == part {
			return d
		}
	}
	return nil
}

// DropCause is the cause that a drop in the trace tells.
func DropCause(message string, e vnet.Event) cell.Cause {
	return end{e.At, e.Box, e.Src, e.Dst, e.Reason, e.Detail}.cause(message)
}

// cause is that of a flight that was dropped.
func (e end) cause(message string) cell.Cause {
	why := strings.TrimPrefix(e.Detail, string(e.Reason)+": ")
	return cell.Cause{Box: e.Box, Rule: cell.Rule(e.Reason), Message: message, Src: e.Src, Dst: e.Dst, Why: why}
}
